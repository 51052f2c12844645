"""The command `kb mcp`."""

import logging
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.commands.serving import (
    find_token_to_announce,
    require_free_port,
    require_key_beyond_loopback,
    web_address,
)
from kb.cli.language import gettext
from kb.cli.options import ConfigPath
from kb.cli.terminal import say
from stores.errors import ConfigError

if TYPE_CHECKING:
    from kb.config.sections import Config

_HOST = "127.0.0.1"
_PORT = 8081
_GRACE = 60  # seconds that running answers have when the server is to stop


def mcp(
    http: Annotated[
        bool,
        typer.Option("--http", help="Serve by streamable HTTP; without it by stdio."),
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help=f"Where --http listens.  [default: {_HOST}]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=65535, help=f"The port of --http.  [default: {_PORT}]"
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Serve AI applications by MCP, the Model Context Protocol.

    \b
    kb mcp                              # the application starts it so
    kb mcp --http                       # at http://127.0.0.1:8081/mcp
    kb mcp --http --host 0.0.0.0        # takes a key: kb key create NAME
    """
    if not http and (host or port):
        raise typer.BadParameter(gettext("--host and --port are of --http"))
    try:
        import mcp_types  # noqa: F401 - the extra is there, or its absence is explained
    except ModuleNotFoundError as error:
        missing = gettext(
            "kb mcp needs {package}, which is not installed. From a checkout: pip install '.[mcp]'"
        )
        raise ConfigError(missing.format(package=error.name)) from error
    from kb.config.loading import load_config

    loaded = load_config(config)
    _log_to_standard_error()
    if http:
        has_keys = require_key_beyond_loopback(config, host or _HOST)
        require_free_port(host or _HOST, port or _PORT)
        _serve_http(loaded, host or _HOST, port or _PORT, has_keys=has_keys)
    else:
        _serve_stdio(loaded)


def _log_to_standard_error() -> None:
    """Log to standard error, as standard output carries the protocol."""
    style = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=style)
    for name in ("kb.mcp", "kb.api.problems"):
        logging.getLogger(name).setLevel(logging.INFO)


def _serve_stdio(config: "Config") -> None:
    from kb.mcp.mcp_server import make_server
    from kb.mcp.shared_knowledge_base import Shared

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # or Ctrl-C would wait for the next line to read
    make_server(Shared(config)).run()


def _serve_http(config: "Config", host: str, port: int, *, has_keys: bool) -> None:
    import uvicorn

    from kb.api.guards.access import with_token
    from kb.api.guards.connection_limits import BoundedConnection
    from kb.mcp.mcp_http import PATH, make_app

    _log_requests()
    guarded = with_token(config)
    serving = gettext("Serving MCP at {address} (streamable HTTP). Ctrl-C stops.")
    say(serving.format(address=f"{web_address(host, port)}{PATH}"))
    if (token := find_token_to_announce(config, guarded)) and not has_keys:
        sent = gettext("Applications send the header `Authorization: Bearer {token}`.")
        say(sent.format(token=token))
    uvicorn.run(
        make_app(guarded, host=host),
        lifespan="on",
        http=BoundedConnection,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )


def _log_requests() -> None:
    """Log each request as a JSON line on standard output, as `kb serve` does."""
    log = logging.getLogger("kb.access")
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)
    log.propagate = False
