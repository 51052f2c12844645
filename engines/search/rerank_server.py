"""A reranker behind the protocol that Cohere began, and Jina, Voyage, vLLM and llama.cpp speak."""

from collections.abc import Sequence
from typing import Any

import httpx
from llama_index.core.bridge.pydantic import Field, SecretStr
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from tenacity import (
    AsyncRetrying,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

_dispatcher = get_dispatcher(__name__)
_LONGEST_WAIT = 8.0  # seconds between two tries


class RerankServer(BaseNodePostprocessor):
    """Scores passages by a server that reads each beside the question.

    It returns all passages that it is given, best first. Raises the errors of httpx for a server
    that does not answer, and ValueError for an answer that cannot be read.
    """

    url: str = Field(repr=False)  # may hold a password
    model: str
    api_key: SecretStr | None = None
    timeout: float = 60.0
    max_retries: int = 2
    body: dict[str, Any] = Field(default_factory=dict, repr=False)  # what else its server takes

    @classmethod
    def class_name(cls) -> str:
        return "RerankServer"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        question = _require_question(query_bundle)
        self._tell_start(nodes, question)
        with httpx.Client(timeout=self.timeout) as client:
            for attempt in Retrying(**self._how_to_retry()):
                with attempt:
                    reply = client.post(self.url, **self._make_request(nodes, question))
                    reply.raise_for_status()
        return _take_reply(reply, nodes)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        question = _require_question(query_bundle)
        self._tell_start(nodes, question)
        async with httpx.AsyncClient(timeout=self.timeout) as client:
            async for attempt in AsyncRetrying(**self._how_to_retry()):
                with attempt:
                    reply = await client.post(self.url, **self._make_request(nodes, question))
                    reply.raise_for_status()
        return _take_reply(reply, nodes)

    def _make_request(self, nodes: Sequence[NodeWithScore], question: str) -> dict[str, Any]:
        key = self.api_key.get_secret_value() if self.api_key else None
        return {
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "json": {
                **self.body,
                "model": self.model,
                "query": question,
                "documents": [each.node.get_content(MetadataMode.EMBED) for each in nodes],
            },
        }

    def _how_to_retry(self) -> dict[str, Any]:
        return {
            "stop": stop_after_attempt(self.max_retries + 1),
            "wait": wait_random_exponential(0.5, _LONGEST_WAIT),
            "retry": retry_if_exception(_is_passing),
            "reraise": True,
        }

    def _tell_start(self, nodes: list[NodeWithScore], question: str) -> None:
        _dispatcher.event(
            ReRankStartEvent(query=question, nodes=nodes, top_n=len(nodes), model_name=self.model)
        )


def _require_question(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise ValueError("a reranker needs the question")
    return query_bundle.query_str


def _is_passing(error: BaseException) -> bool:
    """Tell whether an error may be gone at the next try."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def _take_reply(reply: httpx.Response, nodes: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Take the scores of passages; Voyage calls them `data`, and all others `results`."""
    try:
        said = reply.json()
        scores = {
            int(one["index"]): float(one["relevance_score"])
            for one in said.get("results") or said["data"]
        }
        judged = [
            NodeWithScore(node=nodes[index].node, score=score)
            for index, score in sorted(scores.items(), key=lambda item: -item[1])
        ]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"no scores of {len(nodes)} passages") from error
    _dispatcher.event(ReRankEndEvent(nodes=judged, tags={"tokens": _read_tokens(said)}))
    return judged


def _read_tokens(said: dict[str, Any]) -> int:
    """Read how many tokens were taken; Cohere tells them elsewhere, some servers nowhere."""
    usage, meta = said.get("usage") or {}, said.get("meta") or {}
    return int(usage.get("total_tokens") or (meta.get("tokens") or {}).get("input_tokens") or 0)
