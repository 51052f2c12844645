"""What clients send as JSON, and the parts that several bodies share."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stores.text.surrogates import replace_lone_surrogates


class JsonBody(BaseModel):
    """Refuses NaN, Infinity and 1e999, which are no JSON, and of which Python makes numbers."""

    @model_validator(mode="before")
    @classmethod
    def _require_finite(cls, sent: Any) -> Any:
        parts = [sent]
        while parts:
            match parts.pop():
                case dict() as fields:
                    parts += fields.values()
                case list() as items:
                    parts += items
                case float() as number if not math.isfinite(number):
                    raise ValueError(f"{number} is no number of JSON; the largest is about 1.8e308")
        return sent


class StrictBody(JsonBody):
    model_config = ConfigDict(extra="forbid", strict=True)


def _require_text(text: str) -> str:
    if all(character <= " " or character.isspace() for character in text):
        raise ValueError("It is empty")
    return replace_lone_surrogates(text)


Words = Annotated[
    str,
    Field(max_length=20_000, json_schema_extra={"minLength": 1, "pattern": r"[^\s\x00-\x20]"}),
    AfterValidator(_require_text),
]
SearchId = Annotated[str, Field(pattern="^[!-~]{1,64}$")]
TopK = Annotated[int, Field(ge=1, le=100)]
