"""Traces for OpenTelemetry: of each request, the calls of models and the SQL that it leads to.

Spans hold names, routes and status codes: never questions, passages, rows, the text of statements,
users, or what an error says. Nothing is traced that no request began.
"""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index_instrumentation import get_dispatcher
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)
from pydantic import PrivateAttr
from sqlalchemy.engine.interfaces import ExecutionContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.route_lookup import find_routes
from stores.errors import ConfigError

_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPAN: Final = "kb_span"  # the attribute of an execution that holds its span
_OPERATION: Final = re.compile(r"\s*([A-Za-z]+)")


class Traces:
    """What this process traces and exports, as the standard variables say."""

    def __init__(self) -> None:
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: "kb"}
        # Not the global provider: what libraries would trace by themselves may hold contents.
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(_make_exporter()))
        self.tracer = self._provider.get_tracer("kb")
        self._models = _ModelSpans(self.tracer)
        self._of_sql: dict[str, Callable[..., Any]] = {
            "before_cursor_execute": self._begin_statement,
            "after_cursor_execute": _end_statement,
            "handle_error": _fail_statement,
        }

    def begin(self) -> None:
        """Trace models and statements from now on, where a request led to them."""
        get_dispatcher().add_span_handler(self._models)
        for event, hear in self._of_sql.items():
            sa.event.listen(sa.Engine, event, hear)

    def close(self) -> None:
        """Export what is left, and trace no more."""
        get_dispatcher().span_handlers.remove(self._models)
        for event, hear in self._of_sql.items():
            sa.event.remove(sa.Engine, event, hear)
        self._provider.shutdown()

    def _begin_statement(
        self, _connection: Any, _cursor: Any, sql: str, _given: Any, context: Any, *_: Any
    ) -> None:
        if not get_current_span().get_span_context().is_valid:
            return
        found = _OPERATION.match(sql)
        operation = found[1].upper() if found else "SQL"
        attributes = {"db.system.name": "mariadb", "db.operation.name": operation}
        span = self.tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)
        setattr(context, _SPAN, span)


def _make_exporter() -> SpanExporter:
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter == "console":
        return ConsoleSpanExporter()
    if exporter != "otlp":
        raise ConfigError(f"OTEL_TRACES_EXPORTER is {exporter!r}: kb has otlp, console and none.")
    protocol = next(filter(None, map(os.environ.get, _PROTOCOLS)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError(f"The protocol of OTLP is {protocol!r}: kb speaks http/protobuf.")
    return OTLPSpanExporter()


def _end_statement(
    _connection: Any, _cursor: Any, _sql: str, _given: Any, context: Any, *_: Any
) -> None:
    if span := getattr(context, _SPAN, None):
        span.end()


def _fail_statement(failed: sa.engine.ExceptionContext) -> None:
    context: ExecutionContext | None = failed.execution_context
    if span := getattr(context, _SPAN, None):
        _end_failed(span, failed.original_exception)


def _end_failed(span: Span, error: BaseException | None) -> None:
    """End a span by the kind of its error; what the error says may hold contents."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)
    span.end()


class _ModelSpan(BaseSpan):
    """A span of LlamaIndex with the one that is exported."""

    _exported: Span = PrivateAttr()


class _ModelSpans(BaseSpanHandler[_ModelSpan]):
    """Makes spans of what LlamaIndex runs: models, retrievers, engines."""

    _tracer: Tracer = PrivateAttr()

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def new_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,  # noqa: ARG002 - they are contents, and not exported
        instance: Any = None,  # noqa: ARG002 - as above
        parent_span_id: str | None = None,
        tags: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
        **_: Any,
    ) -> _ModelSpan | None:
        """Begin a span by the name of the class and method alone."""
        if not get_current_span().get_span_context().is_valid:
            return None
        parent = self.open_spans.get(parent_span_id or "")
        context = set_span_in_context(parent._exported) if parent else None  # noqa: SLF001 - of this file
        span = _ModelSpan(id_=id_, parent_id=parent_span_id)
        span._exported = self._tracer.start_span(id_.partition("-")[0], context)  # noqa: SLF001 - as above
        return span

    def prepare_to_exit_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,  # noqa: ARG002 - as above
        *_: Any,
        **__: Any,
    ) -> _ModelSpan | None:
        if span := self.open_spans.get(id_):
            span._exported.end()  # noqa: SLF001 - as above
        return span

    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,  # noqa: ARG002 - as above
        instance: Any = None,  # noqa: ARG002 - as above
        err: BaseException | None = None,
        **_: Any,
    ) -> _ModelSpan | None:
        if span := self.open_spans.get(id_):
            _end_failed(span._exported, err)  # noqa: SLF001 - as above
        return span


class TracedRequests:
    """Makes the span of each request, which goes on where its `traceparent` says."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        route = getattr(next(find_routes(scope["app"], scope["path"]), None), "path", None)
        span = self._tracer.start_span(
            f"{scope['method']} {route}" if route else scope["method"],
            extract(sent),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "http.route": route or ""},
        )

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:  # noqa: PLR2004 - as HTTP has it
                    span.set_status(StatusCode.ERROR)
            await send(message)

        with use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            await self._app(scope, receive, send_and_note)
