"""The application: one knowledge base, its routes and what guards them."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from operator import attrgetter
from types import ModuleType
from typing import Final

import anyio.to_thread
from fastapi import Depends, FastAPI
from llama_index.core.utils import get_tokenizer
from starlette.middleware.cors import CORSMiddleware

from engines.answer_language import question_language
from engines.question import Question
from kb import __version__
from kb.api.dependencies import Threads
from kb.api.guards.access import LOOPBACK, KeyBeforeBody, require_subject
from kb.api.guards.access_log import AccessLog
from kb.api.guards.body_limit import BodyLimit
from kb.api.guards.headers import SecurityHeaders
from kb.api.guards.limits import Limits
from kb.api.guards.overload import KeyShare, Overload, most_answers
from kb.api.guards.signed_tokens import SignedTokens
from kb.api.job_runner import Runner
from kb.api.openapi_document import describe_api
from kb.api.problems import install_problems
from kb.api.routes import (
    administration,
    asking,
    docs,
    documents,
    feedback,
    health,
    jobs,
    metrics,
    openai,
    page,
    people,
    provider,
    sessions,
    shares,
    state,
    tables,
    verified,
)
from kb.api.routes.health import Readiness
from kb.api.sse import Work
from kb.app import KnowledgeBase
from kb.config.sections import Config
from stores.api_keys import Subject
from stores.errors import ConfigError, KBError

_DESCRIPTION: Final = """Ask documents and business tables, in one MariaDB.

A key, or without keys the token of the server's start, is sent as `Authorization: Bearer KEY`.
Errors are problem documents (RFC 9457); under `/v1` they are as clients of OpenAI know them.
"""
_THREADS: Final = 8  # for what blocks, and as many for what answers; the pool has 15 connections
_EXPORTING: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_ANYTHING: Final = "Is everything ready for the first question?"
_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")  # of the endpoints
_BETWEEN_NOTES: Final = 5.0  # seconds, of what a process has under way
_SWITCH_SECONDS: Final = 0.001  # so that the loop waits for no thread that computes
_GROUPS: Final = (
    *(asking, sessions, shares, tables, verified, documents, jobs, feedback),
    *(people, provider, administration, state, health, metrics, openai, docs, page),
)
# What those tell of that tell of one thing alone.
_SUBJECTS: Final[Mapping[ModuleType, Subject]] = {
    **dict.fromkeys((tables, verified), "tables"),
    **dict.fromkeys((documents, jobs), "documents"),
}


def _list_tags() -> Iterator[dict[str, str]]:
    """List what the groups of endpoints are about, each name once."""
    told: set[str] = set()
    for group in _GROUPS:
        for tag in map(str, group.router.tags):
            if tag not in told:
                told.add(tag)
                yield {"name": tag, "description": (group.__doc__ or "").strip()}


def make_app(config: Config, *, host: str = "127.0.0.1") -> FastAPI:
    """Make the server of a knowledge base that listens on `host`.

    Without serve.token, which `with_token` makes, it takes keys alone.
    """
    app = FastAPI(
        title="kb",
        version=__version__,
        description=_DESCRIPTION,
        contact={"name": "Whoever runs this server"},
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": ".", "description": "Where this document is"}],
        openapi_tags=list(_list_tags()),
        generate_unique_id_function=attrgetter("name"),
        lifespan=partial(_run_lifespan, config),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.openapi = partial(describe_api, app)  # type: ignore[method-assign]  # FastAPI's own way
    app.state.limits = Limits(config.serve)
    app.state.is_local, app.state.token = host in LOOPBACK, config.serve.token
    app.state.tokens = config.serve.oidc and SignedTokens(config.serve.oidc)
    app.state.routes = [route for group in _GROUPS for route in group.router.routes]
    _add_guards(app, config)
    for group in _GROUPS:
        subject = _SUBJECTS.get(group)
        needed = [Depends(require_subject(subject))] if subject else []
        app.include_router(group.router, dependencies=needed)
    return app


def _add_guards(app: FastAPI, config: Config) -> None:
    """Add what guards the endpoints, from these outwards: the last one sees a request first."""
    answers = most_answers(config)
    app.add_middleware(KeyShare, answers=answers)
    app.add_middleware(KeyBeforeBody)
    app.add_middleware(Overload, answers=answers)
    install_problems(app)
    app.add_middleware(BodyLimit, upload_bytes=config.serve.max_upload_mb * 2**20)
    if config.serve.cors_origins:  # a key is a header that their scripts send, and never a cookie
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.serve.cors_origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    _add_traces(app)


def _add_traces(app: FastAPI) -> None:
    """Trace requests where a standard variable asks for it; else nothing of it is imported."""
    app.state.traces = None
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_none = os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    if is_disabled or is_none or not any(map(os.environ.get, _EXPORTING)):
        return
    try:
        from kb.api.traces import TracedRequests, Traces  # noqa: PLC0415 - see above
    except ImportError as error:
        raise ConfigError(
            "OpenTelemetry is asked for and not installed: pip install 'mariadb-kb[otel]', "
            "or set OTEL_SDK_DISABLED=true."
        ) from error
    app.state.traces = traces = Traces()
    app.add_middleware(TracedRequests, tracer=traces.tracer)


@asynccontextmanager
async def _run_lifespan(config: Config, app: FastAPI) -> AsyncIterator[None]:
    _limit_threads()
    if app.state.traces:
        app.state.traces.begin()
    kb = await asyncio.to_thread(KnowledgeBase.open, config)
    app.state.kb, app.state.readiness = kb, Readiness(kb)
    app.state.work, app.state.threads = Work(most_answers(config)), Threads()
    app.state.metrics = None
    noting = asyncio.create_task(_note_metrics(app, kb))
    await asyncio.to_thread(_warm_up, kb)
    gc.collect()
    gc.freeze()  # what is loaded stays; to look through it each time stopped all for 0.1 seconds
    traces = app.state.traces
    runner = Runner(kb, trace=traces.trace_job) if traces else Runner(kb)
    running, ended = asyncio.create_task(runner.run()), threading.Event()
    warming = asyncio.create_task(asyncio.to_thread(_warm_up_vector_index, kb, ended))
    try:
        yield
    finally:
        ended.set()
        runner.stop()
        noting.cancel()
        await asyncio.wait([noting])
        await app.state.work.wait_for_all()
        await running
        await warming
        await asyncio.to_thread(kb.close)
        if app.state.traces:
            await asyncio.to_thread(app.state.traces.close)


async def _note_metrics(app: FastAPI, kb: KnowledgeBase) -> None:
    """Count for Prometheus where that is switched on; who does not ask for it imports nothing."""
    if not kb.config.serve.metrics.enabled:
        return
    from kb.api.metrics import Metrics  # noqa: PLC0415 - see above

    app.state.metrics = counted = Metrics(kb, app.state.work)
    while True:
        counted.note_state()
        await asyncio.sleep(_BETWEEN_NOTES)


def _warm_up(kb: KnowledgeBase) -> None:
    """Open now what the first question would wait for; what cannot be opened shows when asked."""
    for open_part in (
        lambda: kb.retriever().retrieve(_ANYTHING),
        lambda: kb.components.evidence.weigh(Question(_ANYTHING), list),
        lambda: kb.components.session_store,
        lambda: question_language(_ANYTHING),
        lambda: get_tokenizer()(_ANYTHING),
    ):
        with suppress(KBError):
            open_part()


def _warm_up_vector_index(kb: KnowledgeBase, ended: threading.Event) -> None:
    """Read the vector index beside the first questions; who asks shows what cannot be read."""
    with suppress(KBError):
        kb.components.vector_store.warm_up(ended.is_set)


def _limit_threads() -> None:
    sys.setswitchinterval(_SWITCH_SECONDS)
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
