"""Where a question is answered, why, and in which order."""

from typing import Any, Literal

from pydantic import BaseModel, Field

RouteName = Literal["documents", "database", "both"]


def _required(schema: dict[str, Any]) -> None:
    """OpenAI's strict schemas know no defaults; smaller models may leave a field out."""
    schema.pop("default")


class Route(BaseModel):
    """Which source answers a question; the other fields divide a question for both."""

    route: RouteName = Field(description="the source that answers: documents, database or both")
    reason: str = Field(description="why, in one short sentence")
    first: Literal["", "documents", "database"] = Field(
        default="",
        description=(
            "only for both, and only if one source needs what the other finds: the source to ask "
            "first; otherwise empty"
        ),
        json_schema_extra=_required,
    )
    documents_question: str = Field(
        default="",
        description="only for both: what to ask the documents, in the user's words",
        json_schema_extra=_required,
    )
    database_question: str = Field(
        default="",
        description="only for both: what to ask the database, in the user's words",
        json_schema_extra=_required,
    )
