"""What a model may write at most, by what it is asked for."""

import pytest
from fake_models import ScriptedLLM
from model_calls import complete, llm_of
from model_server import FakeModels

from kb.assembly.reply_bounds import bound_replies
from kb.config.models import LLMConfig


def bound_of(provider: str, task: str, **settings: object) -> int | None:
    """What a request says of the length of its reply."""
    config = LLMConfig(provider=provider, **settings)
    with FakeModels() as server:
        made = llm_of(server, provider, **settings)
        complete(bound_replies(made, config, task))
        complete(made)
        bodies = [{**each.body, **each.body.get("options", {})} for each in server.requests]
    names = ("max_tokens", "max_completion_tokens", "num_predict")
    first, unbound = ([body[n] for n in names if body.get(n) is not None] for body in bodies)
    assert unbound == ([settings["max_tokens"]] if "max_tokens" in settings else [])
    return first[0] if first else None


@pytest.mark.parametrize("provider", ["openai-like", "ollama"])
def test_a_model_elsewhere_writes_a_quarter_of_its_window_at_most(provider):
    assert bound_of(provider, "sql") == 2048
    assert bound_of(provider, "route", context_window=100_000) == 4096


@pytest.mark.parametrize("provider", ["openai-like", "ollama", "openai"])
def test_the_bound_of_a_task_goes_before_that_of_all(provider):
    settings = {"max_tokens": 77, "max_tokens_by_task": {"sql": 55}, "context_window": 9000}
    assert bound_of(provider, "sql", **settings) == 55
    assert bound_of(provider, "answer", **settings) == 77


def test_a_model_of_openai_has_its_own_bound():
    assert bound_of("openai", "answer", context_window=9000) is None


def test_a_model_that_knows_no_bound_stays_as_it_is():
    llm = ScriptedLLM(replies=["Fine."])
    assert bound_replies(llm, LLMConfig(provider="openai-like"), "sql") is llm
