"""A tool that only reads, and tells a caller what is wrong with a call in words to act on."""

import inspect
from collections.abc import Callable
from typing import Any, Final, Self

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import ValidationError

from kb.mistakes import describe_all_mistakes

_READ_ONLY: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


class ReadingTool(Tool):
    """A tool that only reads, and refuses arguments that it does not know."""

    @classmethod
    def from_method(cls, method: Callable[..., Any], title: str) -> Self:
        """Make a tool of a method, described by its docstring."""
        about = inspect.getdoc(method)
        tool = cls.from_function(method, title=title, description=about, annotations=_READ_ONLY)
        assert isinstance(tool, cls)  # noqa: S101 - the SDK declares its own class
        arguments = tool.parameters["properties"]
        arguments.update({name: _without_null(schema) for name, schema in arguments.items()})
        tool.parameters["additionalProperties"] = False
        return tool

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,  # noqa: FBT001, FBT002 - the SDK's own signature
    ) -> Any:
        known = self.parameters["properties"]
        if strange := [name for name in arguments if name not in known]:
            there = ", ".join(known)
            raise ToolError(f"There is no argument {', '.join(strange)}. There are: {there}.")
        try:
            return await super().run(arguments, context, convert_result)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                reason = describe_all_mistakes(cause, arguments)
            else:
                reason = str(error).removeprefix(f"Error executing tool {self.name}: ")
            raise ToolError(reason) from cause


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Describe an argument that may be left out by its type alone.

    Not all clients understand a choice of two types.
    """
    if "anyOf" not in schema:
        return schema
    (given, _null) = schema["anyOf"]
    return {**given, "title": schema["title"]}
