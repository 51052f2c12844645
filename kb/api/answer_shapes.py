"""What answers, turns and jobs are as JSON, derived from the types that they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias, get_type_hints

from pydantic import Field
from typing_extensions import TypedDict

from engines.answer import Answer, AnsweredTurn, Citation, Joining, TableResult, list_keys
from engines.search.search_run import SearchSummary
from engines.verified.answer import Provenance
from kb.answer_json import ANSWER, ROWS, TOLD_BEFORE, TURN
from kb.api.column_kinds import ColumnType
from kb.api.described import Shaped, derive_shape, describe_type, list_of, make_shape
from kb.api.json_filters import Values
from kb.assembly.answer_sources import Source
from kb.indexing.report import IndexReport
from stores.chats.session_list import SessionInfo
from stores.chats.turns import Turn
from stores.jobs import Job
from stores.values import Value

Cell: TypeAlias = str | bool | int | float | None
Rating: TypeAlias = Literal[1, -1]
RewrittenBy: TypeAlias = Literal["", "model", "rule"]


def _list_types() -> dict[str, Any]:
    """List the types of what an answer says, by its keys."""
    parts = Answer, TableResult, Joining, AnsweredTurn
    hints = {name: kind for part in parts for name, kind in get_type_hints(part).items()}
    return {key: describe_type(hints[key]) for key in list_keys(Answer)} | {
        "search": SearchSummary,
        "verified": Provenance | None,
        "parameters": Mapping[str, Value],
        "rows": list[list[Cell]],
        "timings": Annotated[Mapping[str, float], Field(description="Milliseconds by step.")],
        "types": Annotated[list[ColumnType], Field(description="Of the columns.")],
        "rewritten_by": RewrittenBy,
    }


_TYPES: Final = _list_types()
# What an answer may know nothing of, and then tells null.
_UNKNOWN: Final = {
    *list_keys(Joining),
    *(part.name for kind in (Answer, TableResult) for part in fields(kind) if part.metadata),
}
_TOLD: Final = {key: _TYPES[key] | None if key in _UNKNOWN else _TYPES[key] for key in ANSWER}
_ROWS: Final = {key: _TOLD[key] for key in ROWS} | {"types": _TYPES["types"]}
_TURN: Final = {
    key: _TYPES[key] for key in TURN if key not in ("prompt_tokens", "completion_tokens")
}

ANSWERED: Final = make_shape("Answer", {"answer": str, **_TOLD, **_ROWS}, Answer)
TURN_ANSWERED: Final = make_shape("TurnAnswer", {"answer": str, **_TOLD, **_ROWS, **_TURN}, Answer)
AnswerValues: TypeAlias = Annotated[dict[str, Any], Shaped(ANSWERED)]
TurnAnswerValues: TypeAlias = Annotated[dict[str, Any], Shaped(TURN_ANSWERED)]
_STATEMENT_ROWS: Final = make_shape(
    "StatementRows",
    {
        "answer": None,
        "route": Literal["database"],
        "errors": Mapping[str, str],
        "timings": NotRequired[_TYPES["timings"]],
        **_ROWS,
    },
    TableResult,
)
SqlValues: TypeAlias = Annotated[dict[str, Any], Shaped(ANSWERED | _STATEMENT_ROWS)]

# What is stored of an answer: of an older one, or of one under way, less is known.
_EVIDENCE: Final = make_shape(
    "TurnEvidence", {key: NotRequired[kind] for key, kind in _TYPES.items()}
)


class TurnOptions(TypedDict, total=False):
    """How a question was asked; what was left open is not there but for the `filters`."""

    source: Source
    profile: str
    model: str
    filters: Mapping[str, Values]


_STORED_TURN: Final = {
    "evidence": _EVIDENCE,
    "rewritten_by": RewrittenBy,
}
STORED_TURN: Final = derive_shape(
    Turn, "TranscriptTurn", {**_STORED_TURN, "options": Mapping[str, Any]}
)
TOLD_TURN: Final = derive_shape(
    Turn,
    "Turn",
    {
        **_STORED_TURN,
        "options": TurnOptions,
        "rating": Rating | None,
        "versions": Annotated[
            list[str], Field(description="The ids of the turns in its place, with its own.")
        ],
    },
)
TurnValues: TypeAlias = Annotated[dict[str, Any], Shaped(TOLD_TURN)]

_EXCERPT: Final = {"excerpt": NotRequired[str]}
SESSION: Final = derive_shape(SessionInfo, "Session", _EXCERPT)
LISTED_SESSION: Final = derive_shape(
    SessionInfo,
    "ListedSession",
    {**_EXCERPT, "cursor": Annotated[str, Field(description="The place behind it, as `after`.")]},
)
SESSION_WITH_TURNS: Final = derive_shape(
    SessionInfo, "SessionWithTurns", {**_EXCERPT, "turns": list_of(TOLD_TURN)}
)
TRANSCRIPT: Final = derive_shape(
    SessionInfo, "Transcript", {**_EXCERPT, "turns": list_of(STORED_TURN)}
)
SessionValues: TypeAlias = Annotated[dict[str, Any], Shaped(SESSION)]
ListedSessionValues: TypeAlias = Annotated[dict[str, Any], Shaped(LISTED_SESSION)]
SessionWithTurnsValues: TypeAlias = Annotated[dict[str, Any], Shaped(SESSION_WITH_TURNS)]


@dataclass(frozen=True)
class FileReason:
    path: str
    reason: str


MOVED: Final = make_shape("MovedFile", {"from": str, "to": str})
REPORT: Final = derive_shape(
    IndexReport,
    "IndexReport",
    {"failed": list[FileReason], "passed_over": list[FileReason], "moved": list_of(MOVED)},
)
JOB: Final = derive_shape(Job, "Job", {"seen_by": None, "report": REPORT | None})
JobValues: TypeAlias = Annotated[dict[str, Any], Shaped(JOB)]

CitationValues: TypeAlias = Annotated[dict[str, Any], Shaped(describe_type(Citation))]

# Events -------------------------------------------------------------------------------------------


_OF_TURN: Final = {key: NotRequired[kind] for key, kind in _TURN.items()}
_ROUTED: Final = {"route": _TYPES["route"], "reason": str, **_OF_TURN}
_RENDERED: Final = {"html": str, "from": int, "until": int}
_DONE: Final = {
    "answer": str,
    **{key: kind for key, kind in _TOLD.items() if key not in TOLD_BEFORE},
    **_OF_TURN,
    "html": NotRequired[str],
}


def make_events(problem: Any) -> Any:
    """Make the type of all events of an answer, the last of which may tell a problem."""
    data = {
        "attempt": make_shape("ModelAttempt", {"attempt": int}),
        "route": make_shape("RouteChosen", _ROUTED),
        "retrieval": make_shape("PassagesFound", {"search": SearchSummary, "passages": int}),
        "token": make_shape("AnswerText", {"text": str}),
        "html": make_shape("RenderedBlocks", _RENDERED),
        "citations": list[CitationValues],
        "rows": make_shape("AnswerRows", _ROWS),
        "done": make_shape("AnswerDone", _DONE),
        "error": make_shape("AnswerBroken", {"problem": problem}),
    }
    return reduce(or_, (_make_event(name, kind) for name, kind in data.items()))


def _make_event(name: str, data: Any) -> Any:
    told = {"event": Literal[name], "data": data}
    return make_shape(f"{name.capitalize()}Event", told | {"id": NotRequired[int]})
