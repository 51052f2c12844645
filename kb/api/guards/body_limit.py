"""How much a request may send, and how slowly, counted while it comes."""

import asyncio
from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.problem_codes import Code
from kb.api.problems import Problem

_BODY_BYTES: Final = 2**20
_FORM_BYTES: Final = 2**20  # of a form besides its files
_UPLOADS: Final = "/api/documents"
_GRACE: Final = 10.0  # seconds that are waited for more of a body; so many bytes earn one again
_BYTES_A_SECOND: Final = 10_000


class BodyLimit:
    """Breaks off a body that grows too large, whatever its Content-Length says, or trickles.

    What came quickly buys no time for what does not come: the grace is never more than at first.
    """

    def __init__(self, app: ASGIApp, upload_bytes: int = 0) -> None:
        self._app = app
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received, is_whole, seconds = 0, False, _GRACE
        clock = asyncio.get_running_loop().time

        async def receive_counted() -> Message:
            nonlocal received, is_whole, seconds
            if is_whole:
                return await receive()  # whenever the client goes
            begin = clock()
            try:
                async with asyncio.timeout(seconds):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, Problem(Code.BODY_TOO_SLOW)) from error
            size = len(message.get("body", b""))
            received += size
            seconds = min(_GRACE, seconds - (clock() - begin) + size / _BYTES_A_SECOND)
            contents, form = self._most_bytes(scope)
            if received > contents + form:
                problem = Problem(Code.BODY_TOO_LARGE, {"megabytes": contents // 2**20})
                raise HTTPException(413, problem)  # reading a body, FastAPI lets no other pass
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, receive_counted, send)

    def _most_bytes(self, scope: Scope) -> tuple[int, int]:
        """Return how many bytes of what is sent are read, and of the form around it."""
        is_upload = scope["path"] == _UPLOADS and scope["method"] == "POST"
        if is_upload and scope["state"]["caller"].may_upload:
            return self._upload_bytes, _FORM_BYTES
        return _BODY_BYTES, 0
