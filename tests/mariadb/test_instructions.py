"""What the configuration asks of answers reaches the model that writes them, but no SQL."""

import json

import pytest
import sqlalchemy as sa
from model_server import FakeModels, Request

from kb.app import KnowledgeBase
from kb.config.sections import Config

INSTRUCTIONS = "Say {name} to the reader. At most three sentences."
WRITTEN = INSTRUCTIONS.replace("{name}", "(name)")


class Answering(FakeModels):
    """Writes SQL, chooses both sources, and answers in between; keeps each prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def next_reply(self, request: Request) -> str | None:
        if "embed" in request.path:
            return None
        self.prompts.append("\n".join(str(each["content"]) for each in request.body["messages"]))
        if "You write one SQL statement" in self.prompts[-1]:
            return "SELECT name FROM customers"
        if "You decide where" in self.prompts[-1]:
            return json.dumps({"route": "both", "reason": "Both."})
        return "Fine [1]."


@pytest.mark.parametrize("source", ["documents", "database", "both"])
def test_instructions_stand_behind_the_rules_of_an_answer(engine: sa.Engine, tmp_path, source):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (name VARCHAR(9))")
        connection.exec_driver_sql("INSERT INTO customers VALUES ('Ana')")
    (tmp_path / "returns.md").write_text("# Returns\n\nCustomers have thirty days.")
    with Answering() as models:
        url = engine.url.render_as_string(hide_password=False)
        model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        config = Config.model_validate(
            {
                "database": {"url": url},
                "embedding": model,
                "llm": {**model, "instructions": INSTRUCTIONS},
                "tables": {"url": url, "include": ["customers"], "allow_powerful_account": True},
            }
        )
        with KnowledgeBase.open(config) as kb:
            kb.index(tmp_path)
            kb.ask("Which customers have how many days?", source=source)
    answering = models.prompts[-1]
    rules, _, rest = answering.partition(WRITTEN)
    assert "Rules:" in rules
    assert "Question: Which customers" in rest
    assert [prompt for prompt in models.prompts[:-1] if WRITTEN in prompt] == []


def test_what_was_said_is_told_with_the_same_instructions(engine: sa.Engine):
    with Answering() as models:
        model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        config = Config.model_validate(
            {
                "database": {"url": engine.url.render_as_string(hide_password=False)},
                "embedding": model,
                "llm": {**model, "instructions": INSTRUCTIONS},
            }
        )
        with KnowledgeBase.open(config) as kb:
            kb.chat("s").chat("What did I ask first?")
    assert WRITTEN in models.prompts[-1]
