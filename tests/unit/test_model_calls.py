"""What a turn hears of the calls of its models."""

import logging
from typing import Any

import pytest
from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.instrumentation.events.llm import LLMCompletionEndEvent

from engines.model_calls import ModelCalls


def hear_end(calls: ModelCalls, raw: Any, span: str = "a") -> None:
    response = CompletionResponse(text="The sky", raw=raw)
    calls.hear_event(LLMCompletionEndEvent(prompt="Why?", response=response, span_id=span))


@pytest.mark.parametrize("is_done", [True, False])
def test_a_stream_is_cut_that_says_more_is_to_come(is_done):
    calls = ModelCalls()
    hear_end(calls, {"done": is_done})
    assert calls.is_cut is not is_done


def test_the_limit_is_that_of_the_last_text():
    calls = ModelCalls()
    assert calls.limit is None
    hear_end(calls, {"done": True, "done_reason": "length"}, "first")
    assert "most tokens" in (calls.limit or "")
    hear_end(calls, {"done": True, "done_reason": "stop"}, "second")
    assert calls.limit is None


def test_a_reply_of_an_unknown_protocol_is_whole_with_one_warning(caplog):
    class StrangeReply:
        pass

    calls = ModelCalls()
    with caplog.at_level(logging.WARNING):
        hear_end(calls, StrangeReply(), "first")
        hear_end(calls, StrangeReply(), "second")
        assert not calls.is_cut
        assert calls.limit is None
    [warning] = caplog.records
    assert "StrangeReply" in warning.getMessage()


class LateBranch(dict[str, Any]):
    """A reply while which is judged another thread's call ends."""

    def __init__(self, calls: ModelCalls) -> None:
        super().__init__(done=True)
        self._calls = calls

    def get(self, key: str, default: Any = None) -> Any:
        hear_end(self._calls, {"done": True}, f"late {len(self._calls._calls)}")
        return super().get(key, default)


def test_calls_that_end_while_others_are_judged_do_no_harm():
    calls = ModelCalls()
    hear_end(calls, {"done": True}, "early")
    response = CompletionResponse(text="The sky", raw=None)
    event = LLMCompletionEndEvent(prompt="Why?", response=response, span_id="a")
    response.raw = LateBranch(calls)
    calls.hear_event(event)
    assert not calls.is_cut


def test_nothing_is_heard_after_the_end_of_a_turn():
    calls = ModelCalls()
    hear_end(calls, {"done": True})
    counted = calls.count_tokens()
    calls.close()
    hear_end(calls, {"done": False}, "late")
    assert not calls.is_cut
    assert calls.count_tokens() == counted
