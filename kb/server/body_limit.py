"""How much a request may send, counted while it comes."""

from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_BYTES: Final = 2**20
_FORM_BYTES: Final = 2**20  # of a form besides its files
_UPLOADS: Final = "/api/documents"


class BodyLimit:
    """Breaks off a body that grows too large, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self._app = app
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = self._most(scope)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)

    def _most(self, scope: Scope) -> int:
        is_upload = scope.get("path") == _UPLOADS and scope.get("method") == "POST"
        return self._upload_bytes + _FORM_BYTES if is_upload else _BODY_BYTES
