"""The installation is pinned to the byte, for all that pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNNING = ("office", "serve", "redis", "workers", "mcp", "pymysql")
FILES = {
    "constraints.txt": RUNNING,
    "constraints-test.txt": ("test",),
    "constraints-dev.txt": ("dev",),
}
ENTRY = re.compile(r"(\S+)==([^\s;]+)(?: ;[^\\\n]+)?((?: *\\\n +--hash=sha256:[0-9a-f]{64})+)\n")


def locked(*files: str) -> dict[str, list[str]]:
    """Of each package its versions, one for each kind of machine."""
    versions: dict[str, list[str]] = {}
    for file in files:
        for name, version, _ in ENTRY.findall((ROOT / file).read_text("utf-8")):
            versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def asked_for(*extras: str) -> list[Requirement]:
    lines = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    requirements = [Requirement(line) for line in lines]
    inner = {
        extra for each in requirements if each.name == PROJECT["name"] for extra in each.extras
    }
    return [each for each in requirements if each.name != PROJECT["name"]] + (
        asked_for(*inner) if inner else []
    )


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_a_version_with_its_hashes_and_no_address(file):
    text = (ROOT / file).read_text("utf-8")
    assert locked(file)
    assert re.sub(r"#.*\n", "", ENTRY.sub("", text)) == ""
    assert "://" not in text


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_the_project_asks_for_is_there_in_a_version_that_it_allows(count):
    files = [*FILES][:count]
    versions = locked(*files)
    for requirement in asked_for(*(extra for file in files for extra in FILES[file])):
        found = versions[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(each, prereleases=True) for each in found), found


def test_what_builds_the_project_is_locked_too_and_torch_stays_away():
    versions = locked(*FILES)
    assert {"hatchling", "editables"} <= versions.keys()
    assert "torch" not in versions
