"""The reference of the Python interface, from signatures and docstrings of what is public."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import kb
import stores
import stores.errors
from engines.chat.chat_session import ChatSession
from stores.chunks.fusion import Fusion

INTRODUCTION = """# Python

What is named here is promised: `from kb import …` for the knowledge base, `from stores import …`
for the vector store alone. Everything else may move between versions.

Answers are LlamaIndex `Response` objects; the [guide](../guides/python.md) says what their
`metadata` hold, and what other attributes a knowledge base has.
"""
LONG = 90


def python_page() -> str:
    return "\n".join(
        [
            INTRODUCTION,
            _class(kb.KnowledgeBase, "`kb.KnowledgeBase`"),
            _class(ChatSession, "`ChatSession`: what `KnowledgeBase.chat` returns"),
            _class(kb.IndexReport, "`kb.IndexReport`"),
            _function(kb.load_config, "kb.load_config", "##"),
            _function(kb.restore, "kb.restore", "##"),
            _class(stores.MariaDBVectorStore, "`stores.MariaDBVectorStore`"),
            _function(stores.make_engine, "stores.make_engine", "##"),
            _class(Fusion, "`stores.chunks.fusion.Fusion`"),
            _errors(),
        ]
    )


def _class(described: type, heading: str) -> str:
    parts = [f"## {heading}\n", _docstring(described)]
    if dataclasses.is_dataclass(described):
        parts.append(_code("\n".join(map(_field, dataclasses.fields(described)))))
    elif described is stores.MariaDBVectorStore:
        parts.append(_code(_signature(described.__init__, described.__name__)))
    parts += [_function(method, name, "###") for name, method in public_methods(described)]
    return "\n".join(parts)


def public_methods(described: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The methods that the class, or one of ours that it inherits from, defines and documents."""
    ours = [
        owner
        for owner in described.__mro__
        if owner.__module__.partition(".")[0] in ("kb", "engines", "stores")
    ]
    for name in dict.fromkeys(name for owner in reversed(ours) for name in vars(owner)):
        value = getattr(described, name)
        if not name.startswith("_") and _is_method(value) and _is_documented(value):
            yield name, value


def _is_method(value: Any) -> bool:
    return inspect.isfunction(value) or inspect.ismethod(value)


def _is_documented(function: Any) -> bool:
    """Pydantic documents a method that it makes; no source of ours defines it."""
    return bool(function.__doc__) and function.__module__.partition(".")[0] != "pydantic"


def _function(function: Callable[..., Any], name: str, level: str) -> str:
    return f"{level} `{name}`\n\n{_code(_signature(function, name))}\n{_docstring(function)}"


def _signature(function: Callable[..., Any], name: str) -> str:
    """A signature as the source has it, an argument a line where it is long."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = definition.args
    arguments.args = [each for each in arguments.args if each.arg not in ("self", "cls")]
    listed = re.sub(r"(?<=[\w\])])=(?=\S)", " = ", ast.unparse(arguments))
    returned = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    returned = returned.replace("'", "")
    if len(line := f"{name}({listed}){returned}") <= LONG:
        return line
    one_a_line = re.sub(r", (?=[\w*]+(?::|,|$))", ",\n    ", listed)
    return f"{name}(\n    {one_a_line},\n){returned}"


def _field(field: "dataclasses.Field[Any]") -> str:
    kind = inspect.formatannotation(field.type)
    if field.default is dataclasses.MISSING:
        return f"{field.name}: {kind}"
    return f"{field.name}: {kind} = {field.default!r}"


def _docstring(described: Any) -> str:
    return f"{inspect.getdoc(described)}\n"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _errors() -> str:
    errors = [
        value
        for value in vars(stores.errors).values()
        if isinstance(value, type) and issubclass(value, kb.KBError)
    ]
    lines = "".join(
        f"{'    ' * (len(error.__mro__) - len(kb.KBError.__mro__))}- `{error.__name__}`: "
        f"{inspect.getdoc(error)}\n"
        for error in sorted(errors, key=_ancestry)
    )
    return (
        f"## Errors\n\nA message says what happened, with which value, and what to do.\n\n{lines}"
    )


def _ancestry(error: type) -> list[str]:
    return [each.__name__ for each in reversed(error.__mro__)]
