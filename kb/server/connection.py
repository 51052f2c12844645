"""Connections that send too much before a request, or nothing, are not kept: anybody may open one.

The parser has no such bounds, and takes ever longer for each part of a line without end.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES: Final = 2**16  # of a request's line and headers, or of trailers
_PART_BYTES: Final = 2**12
_HEAD_SECONDS: Final = 30.0


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
        """By parts: within one, the parser looks at no bound, and a socket gives 256 kB at once."""
        for start in range(0, len(data), _PART_BYTES):
            if not self.transport.is_closing():
                self._take(data[start : start + _PART_BYTES])

    def _take(self, data: bytes) -> None:
        self._gets_further = False
        super().data_received(data)
        self._unfinished = 0 if self._gets_further else self._unfinished + len(data)
        if self._unfinished > _HEAD_BYTES:
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_waiting()
        self._gets_further = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gets_further = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._gets_further = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._end_waiting()
        self._deadline = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _end_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
