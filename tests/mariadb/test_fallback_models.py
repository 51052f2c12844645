"""The models of llm.fallback: each answers while those before it do not, and the answer says so."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import configured, database_of
from model_server import HANG, SERVER_ERROR, FakeModels

from engines.answer import Answer, answer_of
from kb.app import KnowledgeBase
from kb.assembly.answering import make_database_engine
from kb.config.models import LLMConfig
from stores.errors import ConfigError, EngineError, ModelUnavailable
from stores.private_server import PrivateServer

OTHER = "The first language model does not answer; this is the answer of {}."
NONE = "The language model does not answer, so this is without it"


@pytest.fixture(scope="module")
def url(server: PrivateServer) -> Iterator[sa.URL]:
    with database_of(server) as url:
        yield url


@pytest.fixture
def models() -> Iterator[list[FakeModels]]:
    """Servers of models; the last one makes the embeddings."""
    with ExitStack() as stack:
        yield [stack.enter_context(FakeModels(default=f"Of {name} [1].")) for name in "abcd"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def section_of(server: FakeModels, name: str) -> dict[str, Any]:
    return {
        "provider": "openai-like",
        "model": name,
        "base_url": server.openai_url,
        "max_retries": 0,
        "timeout": 0.5,
        "context_window": 8000,
    }


Opened = Callable[..., KnowledgeBase]


@pytest.fixture
def opened(url: sa.URL, models: list[FakeModels], folder: Path) -> Iterator[Opened]:
    """Open a knowledge base whose LLM is `a` of the first server, with `b` and `c` behind it."""
    made = []

    def open_with(**settings: Any) -> KnowledgeBase:
        sections = [section_of(server, name) for name, server in zip("abc", models, strict=False)]
        llm = LLMConfig(**{**sections[0], "fallback": sections[1:], **settings})
        config = configured(url, folder, models[3], None).model_copy(update={"llm": llm})
        kb = KnowledgeBase.open(config)
        made.append(kb)
        kb.index()
        return kb

    yield open_with
    for kb in made:
        kb.close()


def ask(kb: KnowledgeBase, source: str = "documents") -> Answer:
    return answer_of(kb.ask("When do goods go back?", source=source))


def fail(server: FakeModels, reply: Any = SERVER_ERROR) -> None:
    server.script[:] = [reply] * 20


def count_chats(server: FakeModels) -> int:
    return sum("chat" in request.path for request in server.requests)


def test_the_first_model_answers_while_it_does(opened, models):
    answer = ask(opened())
    assert (answer.model, answer.errors, answer.text) == ("a", {}, "Of a [1].")
    assert count_chats(models[1]) == 0


def test_the_next_model_answers_for_one_that_fails_and_the_answer_says_so(opened, models):
    fail(models[0])
    answer = ask(opened())
    assert answer.model == "b"
    assert answer.text.startswith(OTHER.format("b"))
    assert answer.text.endswith("Of b [1].")
    assert "the LLM a at" in answer.errors["model"]
    assert answer.citations


def test_behind_the_last_model_documents_are_quoted_with_all_reasons(opened, models):
    fail(models[0])
    fail(models[1])
    kb = opened()
    fail(models[2])
    answer = ask(kb)
    assert answer.model is None
    assert answer.text.startswith(NONE)
    assert "30 days" in answer.text
    assert [f"the LLM {name} at" in answer.errors["model"] for name in "abc"] == [True] * 3


def test_a_stream_goes_over_before_its_first_word(opened, models):
    fail(models[0])
    kb = opened()
    response = kb.query_engine("documents", streaming=True).query("When do goods go back?")
    assert "".join(response.response_gen).endswith("Of b [1].")
    assert answer_of(response).model == "b"


def test_a_chat_goes_over_and_remembers_the_answer(opened, models):
    fail(models[0])
    kb = opened()
    said = str(kb.chat("s", source="documents").chat("When do goods go back?"))
    assert said.endswith("Of b [1].")
    [turn] = kb.components.session_store.list_turns("s")
    assert turn.status == "complete"


def test_sql_is_written_by_the_next_model_and_by_none_at_last(opened, models):
    fail(models[0])
    models[1].script[:] = ["SELECT COUNT(*) AS n FROM orders"]
    kb = opened()
    result = make_database_engine(kb.components, sql_only=True).query("How many orders are there?")
    assert str(result).startswith("SELECT COUNT(*)")
    fail(models[1])
    fail(models[2])
    with pytest.raises((ModelUnavailable, EngineError), match="the LLM c at"):
        make_database_engine(kb.components, sql_only=True).query("How many customers are there?")


def test_a_model_that_hangs_is_waited_for_once_in_a_while(opened, models):
    fail(models[0], HANG)
    kb = opened()
    kb.components.model_failure.patience = 0.2
    for _ in range(3):
        assert "did not answer in time" in ask(kb).errors["model"]
    assert count_chats(models[0]) == 1
    kb.components.model_failure.seconds = -1  # the while is over
    kb.components.model_failure._until = 0.0
    models[0].script.clear()
    assert ask(kb).model == "a"


def test_a_model_that_fails_at_once_is_asked_again_at_once(opened, models):
    fail(models[0])
    kb = opened()
    assert [ask(kb).model for _ in range(2)] == ["b", "b"]
    assert count_chats(models[0]) == 2
    models[0].script.clear()
    assert ask(kb).model == "a"


def test_a_model_is_chosen_by_its_name_and_the_usual_one_stands_behind_it(opened, models):
    kb = opened(choices={"large": section_of(models[2], "big")}, fallback=[])
    answer = answer_of(kb.ask("When do goods go back?", source="documents", model="large"))
    assert (answer.model, answer.errors, answer.text) == ("big", {}, "Of c [1].")
    assert ask(kb).model == "a"
    fail(models[2])
    answer = answer_of(kb.ask("When do goods go back?", source="documents", model="large"))
    assert answer.model == "a"
    assert answer.text.startswith(OTHER.format("a"))
    assert count_chats(models[2]) == 2
    for name in ("", "none of these"):
        with pytest.raises(ConfigError, match="There are 'large'"):
            kb.query_engine(model=name)
        with pytest.raises(ConfigError, match="There are 'large'"):
            kb.chat("s", model=name)


def test_without_choices_it_is_said_where_they_are_named(opened):
    with pytest.raises(ConfigError, match=r"Name it in llm\.choices: {large: {provider"):
        opened().query_engine(model="large")


def test_a_choice_stands_beside_quotes_where_there_is_no_other_model(opened, models):
    kb = opened(provider="none", choices={"large": section_of(models[2], "big")}, fallback=[])
    assert ask(kb).model is None
    chat = kb.chat("of a choice", source="documents", model="large")
    assert str(chat.chat("When do goods go back?")) == "Of c [1]."
    [turn] = kb.components.session_store.list_turns("of a choice")
    assert turn.options == {"source": "documents", "model": "large"}


def test_a_choice_answers_by_the_tables_with_the_same_connection(opened, models):
    kb = opened(choices={"large": section_of(models[2], "big")}, fallback=[])
    models[2].script[:] = ["SELECT COUNT(*) AS n FROM orders", "Two."]
    answer = answer_of(kb.ask("How many orders are there?", source="database", model="large"))
    assert (answer.text, answer.model) == ("Two.", "big")
    assert kb.components.with_model("large").tables is kb.components.tables


def test_what_a_model_lacks_shows_when_the_knowledge_base_is_opened(opened):
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        opened(fallback=[{"provider": "openai", "model": "gpt-4.1-mini"}])
    large = {"large": {"provider": "openai", "model": "gpt-4.1-mini"}}
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        opened(fallback=[], choices=large)
