"""What people say of a search, an answer or a turn."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, model_validator

from kb.api.caller_sessions import find_session
from kb.api.dependencies import KB
from kb.api.guards.access import Reading
from kb.api.json_bodies import SearchId, StrictBody
from kb.api.openapi_description import problems
from kb.api.problem_codes import Code
from kb.api.problems import translate_missing

router = APIRouter(prefix="/api", tags=["feedback"])
Id = Annotated[str, Field(min_length=1, max_length=190)]


class FeedbackBody(StrictBody):
    """Of a search (`search_id`, and which passage was opened), or of a turn of a session.

    `edited_sql` is what somebody made of the statement of a turn.
    """

    search_id: SearchId | None = None
    session_id: Id | None = None
    turn_id: Id | None = None
    rating: Literal[1, -1] | None = None
    comment: Annotated[str, Field(max_length=5000)] = ""
    clicked: int | Annotated[str, Field(max_length=512)] | None = None
    edited_sql: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> "FeedbackBody":
        named = self.search_id is not None, self.session_id is not None, self.turn_id is not None
        of_turn = named == (False, True, True) and self.clicked is None
        of_search = named == (True, False, False) and self.edited_sql is None
        if not of_turn and not of_search:
            raise ValueError(
                "give search_id, or session_id and turn_id without clicked; edited_sql is of a turn"
            )
        if not (self.rating or self.comment or self.edited_sql) and self.clicked is None:
            raise ValueError("give rating, comment, clicked or edited_sql")
        return self


@router.post(
    "/feedback", status_code=204, responses=problems(Code.NO_SUCH_SEARCH, Code.NO_SUCH_SESSION)
)
def give_feedback(body: FeedbackBody, caller: Reading, kb: KB) -> None:
    """Of the caller's own: what others have asked is not there for them."""
    about = body.model_dump()
    if body.session_id is not None:
        about["session_id"] = find_session(kb, body.session_id, caller).id
    with translate_missing(Code.NO_SUCH_SEARCH):
        kb.feedback(**about, user=caller.name)
