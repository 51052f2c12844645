"""The API that clients of OpenAI speak."""

from typing import Any

from fastapi import APIRouter

from kb.server.access import Reading

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
MODELS = {"kb-auto": "auto", "kb-documents": "documents", "kb-database": "database"}


@router.get("/models")
def models(caller: Reading) -> dict[str, Any]:  # noqa: ARG001 - only keys may ask
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "kb"} for name in MODELS]
    return {"object": "list", "data": data}
