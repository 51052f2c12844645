"""Bounds how long a model may write, by what it is asked for: one that loops ends all the same."""

from collections.abc import Mapping
from typing import Final

from llama_index.core.llms.llm import LLM

from kb.config.models import LLMConfig, Task

_WITHOUT_THOUGHTS: Final[Mapping[Task, int]] = {
    "answer": 1000,
    "sql": 400,
    "route": 250,
    "rewrite": 150,
    "memory": 600,
}
_MOST: Final = 4096  # tokens, of a model elsewhere, whose thoughts count too
_SHARE: Final = 4  # of its context window, one part in so many is for the reply


def bound_replies(llm: LLM, config: LLMConfig, task: Task) -> LLM:
    """Return the model with the bound of a task: the configured one, or else what is ample for it.

    A model of OpenAI has its own unless one is configured.
    """
    own = config.max_tokens_by_task.get(task) or config.max_tokens
    most = own or _choose_bound(llm, config, task)
    if most is None:
        return llm
    if config.provider == "ollama":
        options = {**getattr(llm, "additional_kwargs", {}), "num_predict": most}
        return llm.model_copy(update={"additional_kwargs": options})
    if "max_tokens" in type(llm).model_fields:
        return llm.model_copy(update={"max_tokens": most})
    return llm


def _choose_bound(llm: LLM, config: LLMConfig, task: Task) -> int | None:
    match config.provider:
        case "llama-cpp":
            return _WITHOUT_THOUGHTS[task]
        case "openai-like" | "ollama":
            return min(_MOST, llm.metadata.context_window // _SHARE)
        case _:
            return None
