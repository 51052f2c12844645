"""The application: one knowledge base, its routes and what guards them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI

from kb import __version__
from kb.app import KnowledgeBase
from kb.config import Config
from kb.server import asking, documents, feedback, health, jobs, openai, sessions, tables, verified
from kb.server.access import LOOPBACK
from kb.server.access_log import AccessLog
from kb.server.body_limit import BodyLimit
from kb.server.headers import SecurityHeaders
from kb.server.limits import Limits
from kb.server.problems import install
from kb.server.sse import Work

THREADS = 16  # for what blocks: searches, sessions, files
_ROUTERS = (asking, tables, verified, sessions, feedback, documents, jobs, health, openai)


def make_app(config: Config, *, host: str = "127.0.0.1") -> FastAPI:
    """The server of a knowledge base that listens on `host`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        with await anyio.to_thread.run_sync(KnowledgeBase.open, config) as kb:
            app.state.kb = kb
            app.state.work = Work()
            yield
            await app.state.work.finish()

    app = FastAPI(title="kb", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.limits = Limits(config.serve)
    app.state.is_local = host in LOOPBACK
    install(app)
    app.add_middleware(BodyLimit, upload_bytes=config.serve.max_upload_mb * 2**20)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    for each in _ROUTERS:
        app.include_router(each.router)
    return app
