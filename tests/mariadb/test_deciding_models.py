"""Which models decide where a question is answered, and what is asked where none does."""

import json

import pytest
import sqlalchemy as sa
from api_server import configured
from model_server import FakeModels, Request

from kb.app import KnowledgeBase
from kb.assembly.answering import decides_route
from kb.config.models import LLMConfig


class Deciding(FakeModels):
    """Sends every question to the documents; keeps how each prompt begins."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def next_reply(self, request: Request) -> str | None:
        if "embed" in request.path:
            return None
        self.prompts.append(str(request.body["messages"][0]["content"]))
        if self.prompts[-1].startswith("You decide where"):
            return json.dumps({"route": "documents", "reason": "Documents."})
        if self.prompts[-1].startswith("You write one SQL statement"):
            return "SELECT name FROM customers"
        return "Thirty days [1]."


@pytest.mark.parametrize(("decides", "route"), [(None, "documents"), (False, "both")])
def test_both_sources_are_asked_where_evidence_is_open_and_no_model_decides(
    engine: sa.Engine, tmp_path, decides, route
):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (name VARCHAR(9))")
        connection.exec_driver_sql("INSERT INTO customers VALUES ('Ana')")
    tables = {"url": engine.url, "include": ["customers"], "allow_powerful_account": True}
    with Deciding() as models:
        config = configured(engine.url, tmp_path, models, models, tables=tables)
        llm = config.llm.model_copy(update={"decides_route": decides})
        with KnowledgeBase.open(config.model_copy(update={"llm": llm})) as kb:
            kb.index()
            answer = kb.ask("Which customers are there?")
    assert answer.metadata["route"] == route
    asked = [prompt.startswith("You decide where") for prompt in models.prompts]
    assert any(asked) is (route == "documents")
    assert bool(answer.metadata["rows"]) is (route == "both")


@pytest.mark.parametrize(
    ("settings", "decides"),
    [
        ({"provider": "llama-cpp"}, False),
        ({"provider": "llama-cpp", "model": "tiny"}, False),
        ({"provider": "llama-cpp", "model": "small", "decides_route": True}, True),
        ({"provider": "llama-cpp", "model": "models/qwen3-8b.gguf"}, True),
        ({"provider": "ollama", "model": "small"}, True),
        ({"provider": "openai", "model": "gpt-4.1", "decides_route": False}, False),
    ],
)
def test_files_that_kb_fetches_do_not_decide_unless_told_to(settings, decides):
    assert decides_route(LLMConfig(**settings)) is decides
