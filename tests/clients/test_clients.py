"""Clients as their makers give them, each in a small program, on a server and on one of MCP."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import running
from mcp_servers import TOKEN, knowledge_base, over_http
from pydantic import SecretStr

from kb import load_config
from stores.private_server import PrivateServer

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "programs").iterdir())
# The directory of the environments: `python` of clients.txt, `older-mcp` of older-mcp.txt.
ENVIRONMENTS = Path(os.environ.get("CLIENTS", HERE.parents[1] / "build" / "clients"))
OLDER_MCP = {"langchain_mcp.py"}


@pytest.fixture(scope="module")
def addresses(server: PrivateServer, tmp_path_factory) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE.parents[1]))
        with knowledge_base(server, tmp_path_factory.mktemp("clients")) as base:
            config = load_config(base.folder / "config.yaml")
            serve = config.serve.model_copy(update={"token": SecretStr(TOKEN)})
            with (
                running(config.model_copy(update={"serve": serve})) as api,
                over_http(base) as mcp,
            ):
                mcp.wait()
                yield {"KB_API": f"{api.client.base_url}/v1", "KB_MCP": mcp.url}


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
