"""One JSON line for each request: who asked for what, and how long it took; never its contents."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engines.elapsed import milliseconds_since
from kb.api.guards.request_id import make_request_id
from kb.api.problems import OPENAI_PATHS
from kb.api.route_lookup import find_pattern
from kb.assembly.way_in import way_in

ACCESS: Final = logging.getLogger("kb.access")


class AccessLog:
    """Gives each request an id, which its response carries as `X-Request-Id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        way_in.set("v1" if scope["path"].startswith(OPENAI_PATHS) else "api")
        request_id, begin = make_request_id(), time.perf_counter()
        response: dict[str, Any] = {"status": None, "first_byte_ms": None}

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                response["status"] = message["status"]
                response["first_byte_ms"] = milliseconds_since(begin)
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            state = scope.get("state", {})
            caller, trace = state.get("caller"), state.get("trace")
            ACCESS.info(
                json.dumps(
                    {
                        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                        "request": request_id,
                        **({"trace": trace} if trace else {}),
                        "key": caller.name if caller else None,
                        "method": scope["method"],
                        "route": find_pattern(scope),
                        **response,
                        "ms": milliseconds_since(begin),
                    }
                )
            )
