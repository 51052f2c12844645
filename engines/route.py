"""Where a question is answered, and why."""

from typing import Literal

from pydantic import BaseModel, Field

RouteName = Literal["documents", "database", "both"]


class Route(BaseModel):
    """Which source answers a question."""

    route: RouteName = Field(description="the source, or both")
    reason: str = Field(description="why, in one short sentence")
