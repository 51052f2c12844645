"""Rerankers of other providers, at the wire."""

import asyncio
import socket

import pytest
from llama_index.core.schema import NodeWithScore, TextNode
from model_server import BAD_KEY, HANG, MALFORMED, SERVER_ERROR, TOO_LONG, Fault, rate_limited
from provider_servers import KEY, ProviderServer

from engines.model_calls import ModelCalls
from engines.model_errors import model_errors
from engines.search.rerank_server import RerankServer
from kb.assembly.rerankers import make_rerank_server
from kb.config.models import RerankerConfig
from kb.config.sections import Config
from kb.doctor.models import check_models
from stores.errors import ConfigError, ModelUnavailable

BROKEN = "Check reranker.base_url and reranker.model"
PROVIDERS = ("cohere", "jina", "voyage", "server")
PASSAGES = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("one", "two", "three")]


def rerank(model: RerankServer) -> list[NodeWithScore]:
    with model_errors("reranking the passages"):
        return model.postprocess_nodes(PASSAGES, query_str="which?")


def arerank(model: RerankServer) -> list[NodeWithScore]:
    with model_errors("reranking the passages"):
        return asyncio.run(model.apostprocess_nodes(PASSAGES, query_str="which?"))


WAYS = pytest.mark.parametrize("way", [rerank, arerank])


def reranker_of(server: ProviderServer, **settings) -> RerankServer:
    section = {"provider": server.provider, "model": "fine", "api_key": KEY, "max_retries": 0}
    return make_rerank_server(
        RerankerConfig(**{**section, "base_url": f"{server.url}/v9", **settings})
    )


@WAYS
@pytest.mark.parametrize("provider", PROVIDERS)
def test_passages_are_scored_by_each_provider(provider, way):
    with ProviderServer(provider) as server:
        judged = way(reranker_of(server, arguments={"truncation": True}))
        [request] = server.requests
    assert [each.node.get_content() for each in judged] == ["three", "two", "one"]
    assert [each.score for each in judged] == pytest.approx([2 / 3, 1 / 3, 0])
    assert request.path == "/v9/rerank"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "fine",
        "query": "which?",
        "documents": ["one", "two", "three"],
        "truncation": True,
    }


@WAYS
def test_the_tokens_that_a_server_tells_are_counted(way):
    calls = ModelCalls()
    with ProviderServer("jina") as server, calls.listen():
        way(reranker_of(server))
    [use] = calls.list_uses()
    assert (use.kind, use.model, use.calls, use.prompt_tokens) == ("reranking", "fine", 1, 1)


@WAYS
def test_what_may_pass_is_tried_again(way):
    with ProviderServer("jina", SERVER_ERROR, rate_limited()) as server:
        assert len(way(reranker_of(server, max_retries=2))) == 3
        assert len(server.requests) == 3


@WAYS
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (SERVER_ERROR, r"the reranker fine at http://127\S+ failed \(HTTP 500\)"),
        (BAD_KEY, r"refused the key \(HTTP 401\). Correct reranker.api_key in .* from\.$"),
        (rate_limited(), r"Wait|asks to wait"),
        (TOO_LONG, "check reranker.model"),
        (HANG, "did not answer in time. Raise reranker.timeout"),
        (MALFORMED, BROKEN),
        (Fault(body='{"results": [{"index": 7, "relevance_score": 1}]}'), BROKEN),
        (Fault(body='{"results": [{"index": 0}]}'), BROKEN),
        (Fault(body="[]"), BROKEN),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_what_to_do(fault, told, way):
    with ProviderServer("server", fault) as server:
        model = reranker_of(server, timeout=0.3)
        with pytest.raises(ModelUnavailable, match=told) as caught:
            way(model)
        assert len(server.requests) == 1
    assert str(caught.value).startswith("Reranking the passages failed: ")
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(model)


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        section = RerankerConfig(provider="server", model="fine", base_url=url, max_retries=0)
        with pytest.raises(ModelUnavailable, match=r"reranker fine .*correct reranker\.base_url"):
            rerank(make_rerank_server(section))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, "reranker.provider is none"),
        ({"provider": "server", "model": "fine"}, "reranker.base_url is not set"),
        ({"provider": "cohere", "api_key": KEY}, "Name one, for example rerank-v3.5"),
        ({"provider": "jina", "model": "fine"}, "Set the environment variable JINA_API_KEY"),
    ],
)
def test_what_a_section_lacks_is_said(section, told):
    with pytest.raises(ConfigError, match=told):
        make_rerank_server(RerankerConfig(**section))


def test_a_reranker_needs_a_question():
    with ProviderServer("server") as server, pytest.raises(ValueError, match="question"):
        reranker_of(server).postprocess_nodes(PASSAGES)


@pytest.mark.parametrize(
    ("settings", "state", "told"),
    [
        ({"model": "fine"}, "fail", "JINA_API_KEY"),
        ({"model": "fine", "api_key": KEY}, "ok", "fine of jina can be made"),
    ],
)
def test_the_doctor_looks_at_the_reranker(settings, state, told):
    config = Config(reranker=RerankerConfig(provider="jina", **settings))
    [check] = [check for check in check_models(config) if str(check.name) == "Reranker"]
    assert check.state == state
    assert told in str(check.seen)
    assert KEY not in str(check)
