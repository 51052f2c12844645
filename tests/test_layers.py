"""kb imports engines and stores, engines imports stores, and nothing points back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {"stores": set(), "engines": {"stores"}, "kb": {"stores", "engines"}}
FORBIDDEN_CALLS = {"eval", "exec"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve"}


def sources(package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("package", BELOW)
def test_packages_import_downwards_only(package: str) -> None:
    allowed = BELOW[package] | {package}
    wrong = [
        f"{path}: {module}"
        for path, tree in sources(package)
        for module, _ in imports(tree)
        if module.partition(".")[0] in set(BELOW) - allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("package", BELOW)
def test_nothing_is_evaluated_unpickled_or_global(package: str) -> None:
    wrong = []
    for path, tree in sources(package):
        wrong += [
            f"{path}: {module}" for module, name in imports(tree) if _is_forbidden(module, name)
        ]
        wrong += [f"{path}: {name}" for name in _called(tree) if name in FORBIDDEN_CALLS]
    assert wrong == []


def _is_forbidden(module: str, name: str) -> bool:
    is_global = module.startswith("llama_index.core") and name == "Settings"
    return is_global or module.partition(".")[0] in FORBIDDEN_MODULES


def _called(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
