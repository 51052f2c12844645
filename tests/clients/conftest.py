"""A server and one of MCP, for the clients of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import running
from mcp_servers import TOKEN, knowledge_base, over_http
from pydantic import SecretStr

from kb import load_config
from stores.private_server import PrivateServer


@pytest.fixture(scope="session")
def addresses(server: PrivateServer, tmp_path_factory) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        with knowledge_base(server, tmp_path_factory.mktemp("clients")) as base:
            config = load_config(base.folder / "config.yaml")
            serve = config.serve.model_copy(update={"token": SecretStr(TOKEN)})
            with (
                running(config.model_copy(update={"serve": serve})) as api,
                over_http(base) as mcp,
            ):
                mcp.wait()
                yield {"KB_API": f"{api.client.base_url}/v1", "KB_MCP": mcp.url}
