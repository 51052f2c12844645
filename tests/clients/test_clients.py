"""Clients as their makers give them, each in a small program, on a server and on one of MCP."""

import os
import subprocess
from pathlib import Path

import pytest
from mcp_servers import TOKEN

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "programs").iterdir())
# The directory of the environments: `python` of clients.txt, `older-mcp` of older-mcp.txt.
ENVIRONMENTS = Path(os.environ.get("CLIENTS", HERE.parents[1] / "build" / "clients"))
OLDER_MCP = {"langchain_mcp.py"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
@pytest.mark.timeout(300)
def test_a_client_gets_its_answer(program: Path, addresses: dict[str, str], tmp_path: Path) -> None:
    environment = ENVIRONMENTS / ("older-mcp" if program.name in OLDER_MCP else "python")
    python = str(environment / "bin" / "python")
    # Some count tokens before they send texts; LlamaIndex brings along what that takes.
    counting = environment.glob("lib/python*/site-packages/llama_index/core/_static/tiktoken_cache")
    done = subprocess.run(
        ["node" if program.suffix == ".mjs" else python, str(program)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TIKTOKEN_CACHE_DIR": str(next(counting, "")),
            **addresses,
            "KB_TOKEN": TOKEN,
            "KB_QUESTION": "When do goods go back?",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "They go back [1]." in done.stdout
