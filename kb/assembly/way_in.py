"""By which way a question came in, as its log tells it."""

from contextvars import ContextVar
from typing import Literal, TypeAlias

Way: TypeAlias = Literal["cli", "api", "v1", "mcp", "python"]

way_in: ContextVar[Way] = ContextVar("kb_way_in", default="python")
"""Each way sets it for what is asked from there on; what is made to answer remembers it."""
