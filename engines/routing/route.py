"""Where a question is answered, why, and in which order."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field

from engines.answer import RouteName
from engines.model_replies import without_thoughts

_SYNONYMS = {"document": "documents", "tables": "database"}
_FENCED = re.compile(r"\s*```\w*\s*(.*?)\s*(?:```\s*)?", re.DOTALL)


def _require_in_schema(schema: dict[str, Any]) -> None:
    """Take out a default, which smaller models need and OpenAI's strict schemas do not know."""
    schema.pop("default")


def _read_source(value: Any) -> Any:
    name = _drop_unless_text(value).strip().casefold()
    return _SYNONYMS.get(name, name)


def _read_first(value: Any) -> Any:
    name = _read_source(value)
    return name if name in ("documents", "database") else ""


def _drop_unless_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# What divides a question badly divides nothing: the route is still worth having.
_Question = Annotated[str, BeforeValidator(_drop_unless_text)]


class Route(BaseModel):
    """Which source answers a question; the other fields divide a question for both."""

    route: Annotated[RouteName, BeforeValidator(_read_source)] = Field(
        description="the source that answers: documents, database or both"
    )
    reason: str = Field(description="why, in one short sentence")
    first: Annotated[Literal["", "documents", "database"], BeforeValidator(_read_first)] = Field(
        default="",
        description=(
            "only for both, and only if one source needs what the other finds: the source to ask "
            "first; otherwise empty"
        ),
        json_schema_extra=_require_in_schema,
    )
    documents_question: _Question = Field(
        default="",
        description="only for both: what to ask the documents, in the user's words",
        json_schema_extra=_require_in_schema,
    )
    database_question: _Question = Field(
        default="",
        description="only for both: what to ask the database, in the user's words",
        json_schema_extra=_require_in_schema,
    )

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Read the reply of a model as its client does, also behind thoughts or in Markdown."""
        if isinstance(json_data, str):
            plain = without_thoughts(json_data)
            fenced = _FENCED.fullmatch(plain)
            json_data = fenced[1] if fenced else plain
        return super().model_validate_json(json_data, **options)
