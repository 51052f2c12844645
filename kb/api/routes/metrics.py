"""What Prometheus asks for, where the configuration switches it on."""

import hmac
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kb.api.dependencies import KB
from kb.api.guards.access import Given, find_caller
from kb.api.openapi_description import problems
from kb.api.problem_codes import Code
from kb.api.problems import Problem

router = APIRouter(tags=["state"])


_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/metrics",
    response_class=Response,
    responses=_METRICS | problems(Code.NO_SUCH_ADDRESS),
)
async def read_metrics(request: Request, kb: KB, given: Given) -> Response:
    """Counts for Prometheus; takes serve.metrics.token, or a key of scope admin."""
    told = request.app.state.metrics
    if told is None:
        raise HTTPException(404)
    token = kb.config.serve.metrics.token
    shown = given.credentials.encode() if given else b""
    if token is None or not hmac.compare_digest(shown, token.get_secret_value().encode()):
        caller = await find_caller(request, given)
        if not caller.has_scope("admin"):
            raise Problem(Code.KEY_LACKS_SCOPE, {"scope": "admin"})
    content = await run_in_threadpool(told.write)
    return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")
