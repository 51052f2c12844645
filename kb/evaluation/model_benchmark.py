"""Comparing the configured language models on one's own questions: speed, memory, quality, cost."""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from engines.answer import Answer
from engines.elapsed import milliseconds_since
from kb.app import KnowledgeBase
from kb.assembly.answering import make_unlogged_engine
from kb.assembly.models import server_url
from kb.assembly.searching import AnswerOptions
from kb.evaluation.labelled import LabelledSet, OnProgress, Question
from kb.evaluation.measures import contains_answer
from stores.answers.model_use import ModelUse
from stores.caches.cache import pass_by_caches
from stores.errors import ConfigError
from stores.text.translations import Message

if TYPE_CHECKING:
    from kb.assembly.components import Components

_MEGABYTE: Final = 2**20
_SECONDS: Final = 5.0  # for Ollama to tell of its memory


@dataclass(frozen=True)
class ModelFigures:
    """What a model was worth; None is not known.

    Shares are of the questions of their kind: `right` answers hold the known words, `cited` ones
    cite a document that holds them, `refused` are those of questions without an answer that cite
    nothing. `failed` counts the questions that the model did not answer, which are wrong.
    `cold_start` is what the first word took the very first time; it and the medians are of seconds
    as a reader waits, the search included. `memory` is in megabytes, `cost` the model's own.
    """

    model: str
    provider: str
    questions: int
    failed: int
    right: float | None
    cited: float | None
    refused: float | None
    cold_start: float
    first_word: float
    whole_answer: float
    tokens_per_second: float | None
    prompt_tokens: int
    completion_tokens: int
    memory: float | None
    cost: Decimal | None


@dataclass(frozen=True)
class _Asked:
    answer: Answer
    first_word: float
    whole: float
    uses: Sequence[ModelUse]


def compare_models(
    knowledge_base: KnowledgeBase,
    labelled: LabelledSet,
    limit: int | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> list[ModelFigures]:
    """Ask the same questions of llm and of each model of llm.fallback, one after the other.

    The documents answer; what it takes counts in `kb cost`, and no answer is logged. Raises
    ConfigError without a model, BudgetSpent, StoreError.
    """
    if knowledge_base.components.llm is None:
        raise ConfigError(
            "There is no language model to measure: llm.provider is none. Configure one, and those "
            "to compare it with in llm.fallback."
        )
    questions = labelled.sample_questions(limit)
    return [
        _measure_model(components, questions, on_progress)
        for components in _list_models(knowledge_base.components)
    ]


def _list_models(components: "Components") -> "Iterator[Components]":
    """Yield the components with each model alone, whose searches are not logged."""
    config = components.config
    retrieval = config.retrieval.model_copy(update={"log": "off"})
    while components.llm is not None:
        alone = components.config.llm.model_copy(update={"fallback": ()})
        quiet = config.model_copy(update={"retrieval": retrieval, "llm": alone})
        yield components.copy_with(config=quiet)
        components = components.fallback


def _measure_model(
    components: "Components", questions: Sequence[Question], on_progress: OnProgress
) -> ModelFigures:
    name = components.config.llm.model or components.config.llm.provider
    cold = _ask(components, questions[0])
    asked = []
    for done, question in enumerate(questions):
        on_progress(Message("Asking {model}", model=name), done, len(questions))
        asked.append(_ask(components, question))
    uses = [use for one in asked for use in one.uses]
    written = [use for use in uses if use.kind == "llm"]
    tokens = sum(use.completion_tokens for use in written)
    taken = sum(use.milliseconds for use in written)
    pairs = list(zip(questions, asked, strict=True))
    costs = [use.cost for use in written]
    return ModelFigures(
        model=name,
        provider=components.config.llm.provider,
        questions=len(questions),
        failed=sum("model" in one.answer.errors for one in asked),
        right=_share(_is_right(one, known) for known, one in pairs if known.answers),
        cited=_share(_cites_right(one, known) for known, one in pairs if known.is_answerable),
        refused=_share(not one.answer.citations for known, one in pairs if not known.is_answerable),
        cold_start=cold.first_word,
        first_word=statistics.median(one.first_word for one in asked),
        whole_answer=statistics.median(one.whole for one in asked),
        tokens_per_second=round(tokens / taken * 1000, 1) if taken else None,
        prompt_tokens=sum(use.prompt_tokens for use in written),
        completion_tokens=tokens,
        memory=_measure_memory(components),
        cost=None if None in costs else sum(filter(None, costs), Decimal()),
    )


def _ask(components: "Components", question: Question) -> _Asked:
    options = AnswerOptions("documents", streaming=True)
    engine = make_unlogged_engine(components, options)
    with components.books.observe("benchmark") as calls, pass_by_caches():
        since = time.perf_counter()
        response: Any = engine.query(question.text)
        pieces = iter(response.response_gen)
        text = next(pieces, "")
        first_word = milliseconds_since(since) / 1000
        text += "".join(pieces)
        whole = milliseconds_since(since) / 1000
    answer = Answer.from_metadata(response.metadata, text)
    return _Asked(answer, first_word, whole, components.books.price_uses(calls))


def _share(verdicts: Iterator[bool]) -> float | None:
    found = list(verdicts)
    return round(sum(found) / len(found), 3) if found else None


def _is_right(asked: _Asked, question: Question) -> bool:
    answer = asked.answer
    return "model" not in answer.errors and contains_answer(answer.text, question.answers)


def _cites_right(asked: _Asked, question: Question) -> bool:
    cited = {citation.document for citation in asked.answer.citations}
    return "model" not in asked.answer.errors and not cited.isdisjoint(question.relevant)


def _measure_memory(components: "Components") -> float | None:
    """Measure the memory of a model on this machine, or as Ollama tells it, in megabytes."""
    llm = components.config.llm
    match llm.provider:
        case "llama-cpp":
            served: Any = components.llm
            return _read_memory(served.process_id)
        case "huggingface":
            return _read_memory(os.getpid())
        case "ollama":
            return _ask_ollama(server_url("ollama", llm, "llm"), llm.model or "")
        case _:
            return None


def _read_memory(process: int | None) -> float | None:
    """Read what a process has in memory, where the system tells it as Linux does."""
    status = Path(f"/proc/{process}/status")
    if process is None or not status.exists():
        return None
    [kilobytes] = [line.split()[1] for line in status.read_text().splitlines() if "VmRSS" in line]
    return round(int(kilobytes) / 1024, 1)


def _ask_ollama(url: str, model: str) -> float | None:
    try:
        loaded = httpx.get(f"{url}/api/ps", timeout=_SECONDS).raise_for_status().json()["models"]
    except (httpx.HTTPError, ValueError, KeyError):
        return None
    sizes = [one["size"] for one in loaded if one["name"] in (model, f"{model}:latest")]
    return round(sizes[0] / _MEGABYTE, 1) if sizes else None
