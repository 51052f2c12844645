"""Connections that send too much before a request, or nothing, are not kept: anybody may open one.

The parser has no such bounds, and takes ever longer for each part of a line without end.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES: Final = 2**16  # of a request's line and headers, or of trailers
_PART_BYTES: Final = 2**12
_HEAD_SECONDS: Final = 30.0
_REST_SECONDS: Final = 10.0  # for what is left of a body whose request is answered


class BoundedConnection(HttpToolsProtocol):
    """Counts what arrives while the parser gets no further."""

    _unfinished = 0
    _gets_further = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data by parts: within one the parser looks at no bound; a socket gives 256 kB."""
        for start in range(0, len(data), _PART_BYTES):
            if not self.transport.is_closing():
                self._take_part(data[start : start + _PART_BYTES])

    def _take_part(self, data: bytes) -> None:
        self._gets_further = False
        super().data_received(data)
        self._unfinished = 0 if self._gets_further else self._unfinished + len(data)
        if self._is_answered and self._deadline is None:  # else such data keeps it for ever
            self._await_head()
        if self._unfinished > _HEAD_BYTES:
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_waiting()
        self._gets_further = True
        self._take_host_of_address()
        super().on_headers_complete()

    def _take_host_of_address(self) -> None:
        """Take the host that an address names, before that of the header (RFC 9112, 3.2.2)."""
        host = urlsplit(self.url.decode("latin-1")).netloc if self.url[:1] != b"/" else ""
        if host:
            others = [(name, value) for name, value in self.headers if name != b"host"]
            self.headers[:] = [*others, (b"host", host.encode("latin-1"))]

    def on_body(self, body: bytes) -> None:
        self._gets_further = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._end_waiting()
        self._gets_further = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_answered and self.cycle.more_body:
            self._close_after(_REST_SECONDS)

    @property
    def _is_answered(self) -> bool:
        """Whether the last request of which the headers came is answered."""
        return self.cycle is not None and self.cycle.response_complete

    def _await_head(self) -> None:
        self._close_after(_HEAD_SECONDS)

    def _close_after(self, seconds: float) -> None:
        self._end_waiting()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _end_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
