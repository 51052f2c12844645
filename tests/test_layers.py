"""kb imports engines and stores, engines imports stores, and nothing points back."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
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


def loaded_modules() -> Mapping[str, set[str]]:
    """Each module with those of ours that importing it imports at once."""
    trees = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): tree
        for package in BELOW
        for path, tree in sources(package)
    }
    loaded: dict[str, set[str]] = {module: set() for module in trees}
    for module, tree in trees.items():
        at_once = ast.Module([node for node in tree.body if isinstance(node, ast.ImportFrom)], [])
        for name, part in imports(at_once):
            whole = f"{name}.{part}"
            loaded[module] |= {whole if whole in trees else name} & trees.keys()
    return loaded


def test_the_longest_way_through_the_imports_stays_short() -> None:
    loaded = loaded_modules()

    @cache
    def longest(module: str) -> tuple[str, ...]:
        return (module, *max(map(longest, loaded[module]), key=len, default=()))

    way = max(map(longest, loaded), key=len)
    assert len(way) < 15, " > ".join(way)


def test_no_folder_imports_one_beside_it_that_imports_it() -> None:
    below = defaultdict(set)
    for module, others in loaded_modules().items():
        folder = module.rpartition(".")[0]
        below[folder] |= {other.rpartition(".")[0] for other in others} - {folder}
    circles = [
        (one, other)
        for one, others in below.items()
        for other in others
        if one in below.get(other, ()) and one.count(".") == other.count(".") > 0
    ]
    assert circles == []


def test_a_private_name_is_defined_in_few_modules() -> None:
    """So that searching for it, or going to it, finds the one that is meant."""
    places = defaultdict(set)
    for package in BELOW:
        for path, tree in sources(package):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    places[node.name].add(path)
    of_llama_index = {"_query", "_aquery", "_get_prompt_modules"} | {
        f"{way}_{kind}_embedding" for way in ("_get", "_aget") for kind in ("query", "text")
    }
    crowded = {
        name: len(paths)
        for name, paths in places.items()
        if name.startswith("_") and not name.startswith("__") and len(paths) > 3
    }
    assert crowded.keys() <= of_llama_index
