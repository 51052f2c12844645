"""Clients made of the OpenAPI document, each with a program that is checked and then run."""

import ast
import os
import subprocess
from pathlib import Path
from shutil import copy

import httpx
import pytest
from mcp_servers import TOKEN
from test_clients import ENVIRONMENTS, HERE

PROGRAMS = HERE / "generated"
BIN = ENVIRONMENTS / "generated" / "bin"
NODE_BIN = HERE / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def document(addresses: dict[str, str], tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    server = addresses["KB_API"].removesuffix("/v1")
    file.write_text(httpx.get(f"{server}/openapi.json").text, encoding="utf-8")
    return file


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(cwd), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python_client(document: Path, tmp_path_factory) -> Path:
    """A folder with the package that openapi-python-client makes."""
    folder = tmp_path_factory.mktemp("python")
    options = "--meta", "none", "--output-path", folder / "kb_client"
    run(BIN / "openapi-python-client", "generate", "--path", document, *options, cwd=folder)
    return folder


@pytest.mark.timeout(300)
def test_a_generated_client_in_python(python_client: Path, addresses: dict[str, str]) -> None:
    program = copy(PROGRAMS / "generated_client.py", python_client)
    checks = "--strict", "--disallow-any-expr", "--follow-imports=silent"
    run(BIN / "mypy", *checks, program, cwd=python_client)
    asking = {**addresses, "KB_TOKEN": TOKEN, "KB_QUESTION": "When do goods go back?"}
    assert "They go back [1]." in run(BIN / "python", program, cwd=python_client, **asking)


def test_every_function_of_a_generated_client_returns_a_type(python_client: Path) -> None:
    """But for those whose answer is empty, or a file."""
    untyped, typed = set(), set()
    for file in (python_client / "kb_client" / "api").glob("*/*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "sync":
                returned = ast.unparse(node.returns)
                (untyped if "Any" in returned else typed).add(file.stem)
    assert len(typed) > 40
    assert not {name for name in untyped if name.startswith(("list_", "read_", "ask", "search"))}


@pytest.mark.timeout(300)
def test_generated_types_in_typescript(
    document: Path, addresses: dict[str, str], tmp_path: Path
) -> None:
    options = (
        "--default-non-nullable=false",
        "-o",
        tmp_path / "kb.d.ts",
    )  # as defaults may be left out
    run(NODE_BIN / "openapi-typescript", document, *options, cwd=tmp_path)
    for name in ("generated_client.ts", "tsconfig.json"):
        copy(PROGRAMS / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    run(NODE_BIN / "tsc", cwd=tmp_path)
    asking = {**addresses, "KB_TOKEN": TOKEN, "KB_QUESTION": "When do goods go back?"}
    assert "They go back [1]." in run("node", "generated_client.js", cwd=tmp_path, **asking)
