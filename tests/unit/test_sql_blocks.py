"""Each statement that the code asks for stands in a file of SQL, and each there is asked for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.sql import statements

STORES = Path(__file__).parents[2] / "stores"
SOURCES = sorted(STORES.rglob("*.py"))
FILES = sorted(path.name for path in (STORES / "sql").glob("*.sql"))


def read_sql_file(tree: ast.Module) -> str | None:
    """The file whose statements a module holds as `_SQL` or `SQL`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="statements"), args=[ast.Constant(value=str(file))]):
                return file
    return None


def find_asked(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id="_SQL"), slice=ast.Constant(value=str(name))):
                yield name
            case ast.Call(
                func=ast.Attribute(attr="_sql"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(STORES).as_posix())
def test_what_is_asked_for_is_there(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if (file := read_sql_file(tree)) and file in FILES:
        assert sorted(set(find_asked(tree)) - statements(file).keys()) == []


@pytest.mark.parametrize("file", FILES)
def test_what_is_there_is_asked_for(file):
    texts = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(statements(file).keys() - texts) == []


def test_the_look_finds_statements():
    asked = [name for path in SOURCES for name in find_asked(ast.parse(path.read_text("utf-8")))]
    assert len(set(asked)) > 60
