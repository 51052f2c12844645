"""A model that is chosen on the page, and one that is waited for."""

import re

import pytest
from api_server import configured, database_of, running
from model_server import HANG, FakeModels

from kb.config.models import LLMConfig

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

RETRIED = {"provider": "openai-like", "model": "fake", "context_window": 8000, "max_retries": 1}


@pytest.fixture
def large():
    with FakeModels(default="The large one says [1].") as large:
        yield large


@pytest.fixture
def served(installed, request, models, large, tmp_path):
    server = request.getfixturevalue("server")
    with FakeModels() as embeddings, database_of(server) as url:
        llm = {
            **RETRIED,
            "base_url": models.openai_url,
            "timeout": 4,
            "choices": {"large": {**RETRIED, "model": "big", "base_url": large.openai_url}},
        }
        config = configured(url, tmp_path, embeddings, None)
        with running(config.model_copy(update={"llm": LLMConfig(**llm)})) as api:
            api.kb.index()
            yield api


def test_a_model_is_chosen_for_a_chat_and_kept_with_it(page, ask):
    page.locator(".options summary").click()
    page.get_by_label("Language model").select_option("large")
    chip = page.get_by_role("form", name="Your question").locator(".filter-chip")
    expect(chip).to_contain_text("Language model: large")
    turn = ask()
    expect(turn).to_contain_text("The large one says")
    expect(turn.locator(".filter-chip")).to_have_text("Language model: large")
    page.reload()
    expect(page.get_by_role("article").locator(".filter-chip")).to_be_visible()
    expect(chip).to_contain_text("Language model: large")
    chip.get_by_role("button").click()
    expect(chip).to_have_count(0)


def test_a_model_that_hangs_shows_seconds_and_attempts(page, models):
    models.script = [HANG, HANG]
    page.get_by_role("textbox", name="Question").fill("When do goods go back?")
    page.keyboard.press("Enter")
    progress = page.locator(".progress")
    expect(progress).to_have_text(re.compile(r" [3-9] s$"))
    expect(progress).to_have_text(re.compile(r" [4-9] s, attempt 2$"))
    expect(page.get_by_role("article")).to_contain_text("The language model does not answer")
