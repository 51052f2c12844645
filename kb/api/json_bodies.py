"""What clients send as JSON."""

import math
from typing import Any

from pydantic import BaseModel, model_validator


class Sent(BaseModel):
    """Without NaN, Infinity and 1e999, which are no JSON, and of which Python makes numbers."""

    @model_validator(mode="before")
    @classmethod
    def _is_finite(cls, sent: Any) -> Any:
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
