"""The MCP server by streamable HTTP, behind the keys and limits of the HTTP API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kb.api.guards.access import LOOPBACK, KeyBeforeBody, Reading
from kb.api.guards.access_log import AccessLog
from kb.api.guards.body_limit import BodyLimit
from kb.api.guards.headers import SecurityHeaders
from kb.api.guards.overload import KeyShare, Overload, most_answers
from kb.api.guards.signed_tokens import SignedTokens
from kb.api.problems import install_problems
from kb.config.sections import Config
from kb.mcp.mcp_server import make_server
from kb.mcp.shared_knowledge_base import Shared

PATH: Final = "/mcp"
_BODY_BYTES: Final = 2**20
# Who may call by which name is checked with the key, see kb.api.guards.access.
_CHECKED_BEFORE: Final = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def make_app(config: Config, *, host: str) -> FastAPI:
    """Make the application, without sessions: any number of processes behave as one.

    Without serve.token, which `with_token` makes, it takes keys alone.
    """
    shared = Shared(config)
    server = make_server(shared)
    server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=_BODY_BYTES,
        transport_security=_CHECKED_BEFORE,
    )
    manager = server.session_manager

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with manager.run():
            backend = await shared.open_backend()
            app.state.kb, app.state.limits = backend.kb, backend.limits
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.state.is_local, app.state.token = host in LOOPBACK, config.serve.token
    app.state.tokens = config.serve.oidc and SignedTokens(config.serve.oidc)
    answers = most_answers(config)
    app.add_middleware(KeyShare, answers=answers)
    app.add_middleware(KeyBeforeBody, guarded=(PATH,))
    app.add_middleware(Overload, answers=answers)
    install_problems(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)

    @app.post(PATH)
    async def answer_request(caller: Reading) -> Response:  # noqa: ARG001 - only keys may read
        return _ByProtocol(manager)

    return app


class _ByProtocol(Response):
    """The response that the SDK gives to a request that was let in."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        super().__init__()
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._manager.handle_request(scope, receive, send)
