"""Traces for OpenTelemetry: of each request, the calls of models and the SQL that it leads to.

Spans hold names, routes and status codes: never questions, passages, rows, the text of statements,
users, or what an error says. Nothing is traced that no request and no job began.
"""

import inspect
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index_instrumentation import get_dispatcher
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context, get_current
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
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

from kb.api.guards.access_log import ACCESS
from kb.api.route_lookup import find_pattern
from stores.errors import ConfigError
from stores.reader import Reader

_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_LOG_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SEVERITIES: Final = {
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_SPAN: Final = "kb_span"  # the attribute of an execution that holds its span
_OPERATION: Final = re.compile(r"\s*([A-Za-z]+)")


class Traces:
    """What this process traces and exports, as the standard variables say."""

    def __init__(self) -> None:
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: "kb"}
        resource = Resource.create(named)
        # Not the global provider: what libraries would trace by themselves may hold contents.
        self._provider = TracerProvider(resource=resource)
        self._logger_provider = LoggerProvider(resource)
        self._logs = _make_log_handler(self._logger_provider)
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
        Reader.trace = self._trace_reading
        if self._logs:
            for logger in self._list_loggers():
                logger.addHandler(self._logs)

    def end(self) -> None:
        """Trace no more."""
        get_dispatcher().span_handlers.remove(self._models)
        for event, hear in self._of_sql.items():
            sa.event.remove(sa.Engine, event, hear)
        Reader.trace = None
        if self._logs:
            for logger in self._list_loggers():
                logger.removeHandler(self._logs)

    def _list_loggers(self) -> list[logging.Logger]:
        """List what has all that is logged; the log of requests keeps its lines apart."""
        return [logging.getLogger(), *([] if ACCESS.propagate else [ACCESS])]

    def close(self) -> None:
        """Trace no more, and export what is left."""
        self.end()
        self._logger_provider.shutdown()
        self._provider.shutdown()

    @contextmanager
    def trace_job(self, kind: str) -> Iterator[None]:
        """Make the span of a job, in a trace of its own."""
        span = self.tracer.start_span(f"job {kind}", Context())
        try:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            _end_failed(span, error)
            raise
        span.end()

    def _start_statement(self, sql: str) -> Span:
        found = _OPERATION.match(sql)
        operation = found[1].upper() if found else "SQL"
        attributes = {"db.system.name": "mariadb", "db.operation.name": operation}
        return self.tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)

    @contextmanager
    def _trace_reading(self) -> Iterator[None]:
        if not get_current_span().is_recording():
            yield
            return
        span = self._start_statement("SELECT")
        try:
            yield
        except BaseException as error:
            _end_failed(span, error)
            raise
        span.end()

    def _begin_statement(
        self, _connection: Any, _cursor: Any, sql: str, _given: Any, context: Any, *_: Any
    ) -> None:
        if not get_current_span().is_recording():
            return
        setattr(context, _SPAN, self._start_statement(sql))


def _make_exporter() -> SpanExporter:
    if _choose_exporter("OTEL_TRACES_EXPORTER", "otlp", _PROTOCOLS) == "console":
        return ConsoleSpanExporter()
    return OTLPSpanExporter()


def _make_log_handler(provider: LoggerProvider) -> logging.Handler | None:
    """Make what exports the log of the program, where a variable asks for it."""
    chosen = _choose_exporter("OTEL_LOGS_EXPORTER", "none", _LOG_PROTOCOLS)
    if chosen == "none":
        return None
    exporter = ConsoleLogRecordExporter() if chosen == "console" else OTLPLogExporter()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return _LogHandler(provider)


def _choose_exporter(variable: str, usual: str, protocols: Iterable[str]) -> str:
    exporter = os.environ.get(variable) or usual
    if exporter not in ("otlp", "console", "none"):
        raise ConfigError(f"{variable} is {exporter!r}: kb has otlp, console and none.")
    protocol = next(filter(None, map(os.environ.get, protocols)), "http/protobuf")
    if exporter == "otlp" and protocol != "http/protobuf":
        raise ConfigError(f"The protocol of OTLP is {protocol!r}: kb speaks http/protobuf.")
    return exporter


class _LogHandler(logging.Handler):
    """Exports records with the trace in which they were made; of an error its kind alone.

    What the exporter itself logs is not exported: it would beget more of it.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("opentelemetry", "urllib3", "requests")):
            return
        error = record.exc_info[0] if record.exc_info else None
        severity = _SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED)
        self._provider.get_logger(record.name).emit(
            timestamp=int(record.created * 1e9),
            context=get_current(),
            severity_number=severity,
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes={"error.type": error.__name__} if error else None,
        )


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
    """A span of LlamaIndex with the one that is exported; an inner one has that of its parent."""

    _exported: Span = PrivateAttr()
    _is_inner: bool = PrivateAttr(default=False)

    def end(self) -> None:
        if not self._is_inner:
            self._exported.end()

    def fail(self, error: BaseException | None) -> None:
        if not self._is_inner:
            _end_failed(self._exported, error)


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
        """Begin a span by the name of the class and method alone.

        A private method, as `_retrieve` within `retrieve`, tells nothing of its own and has none.
        """
        if not get_current_span().is_recording():
            return None
        parent = self.open_spans.get(parent_span_id or "")
        name = id_.partition("-")[0]
        span = _ModelSpan(id_=id_, parent_id=parent_span_id)
        span._is_inner = parent is not None and "._" in name  # noqa: SLF001 - of this file
        if parent and span._is_inner:  # noqa: SLF001 - as above
            span._exported = parent._exported  # noqa: SLF001 - as above
        else:
            context = set_span_in_context(parent._exported) if parent else None  # noqa: SLF001 - as above
            span._exported = self._tracer.start_span(name, context)  # noqa: SLF001 - as above
        return span

    def prepare_to_exit_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,  # noqa: ARG002 - as above
        *_: Any,
        **__: Any,
    ) -> _ModelSpan | None:
        if span := self.open_spans.get(id_):
            span.end()
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
            span.fail(err)
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
        span = self._tracer.start_span(
            scope["method"],
            extract(sent),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]},
        )

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:  # noqa: PLR2004 - as HTTP has it
                    span.set_status(StatusCode.ERROR)
            await send(message)

        scope.setdefault("state", {})["trace"] = f"{span.get_span_context().trace_id:032x}"
        with use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                pattern = find_pattern(scope)
                span.set_attribute("http.route", pattern or "")
                if pattern:
                    span.update_name(f"{scope['method']} {pattern}")
