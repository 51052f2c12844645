"""A server that is killed in the middle of an answer, and started again under the same page."""

import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
import yaml
from api_server import configured, database_of, wait_until
from model_server import FakeModels, PausedStream

from kb.app import KnowledgeBase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # two starts, on a busy machine
expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
TOKEN = "the-same-after-each-start"
TEXT = "They go back within **30 days** [1].\n\nAll of them."


def model_at(server):
    return {"provider": "openai-like", "model": "fake", "base_url": server.openai_url}


@pytest.fixture
def directory(server, models, tmp_path):
    """Where the configuration of a filled knowledge base is."""
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, tmp_path, embeddings, models)
        with KnowledgeBase.open(config) as kb:
            kb.index()
        written = {
            "database": {"url": url.render_as_string(hide_password=False)},
            "documents": {"path": str(config.documents.path)},
            "embedding": model_at(embeddings),
            "llm": {**model_at(models), "context_window": 8000},
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
        yield tmp_path


def start(directory, port):
    """Start the server, which is killed by whoever asked for it."""
    config = str(directory / "config.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "kb", "--config", config, "serve", "--port", str(port)],
        env={**os.environ, "KB_SERVE_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(12):  # a busy machine is slow
        try:
            wait_until(lambda: is_ready(port))
        except AssertionError:
            if process.poll() is not None:
                break
        else:
            return process
    process.kill()
    process.wait()
    raise AssertionError("the server does not start")


def is_ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_what_was_shown_stays_and_the_answer_can_be_gone_on_with(chromium, directory, models):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = chromium.new_context(locale="en-GB")
    page, go_on = context.new_page(), threading.Event()
    models.script = [PausedStream(TEXT, go_on, words=5)]
    process = start(directory, port)
    try:
        page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
        page.get_by_role("textbox", name="Your question").fill("When do goods go back?")
        page.keyboard.press("Enter")
        turn = page.get_by_role("article")
        expect(turn).to_contain_text("They go back")
        page.wait_for_timeout(2500)  # what is said is stored each second
        process.send_signal(signal.SIGKILL)
        process.wait()
        go_on.set()
        expect(turn).to_contain_text("The connection was lost")
        expect(turn).to_contain_text("They go back")
        process = start(directory, port)
        cut = "ended before the answer was whole"
        expect(turn).to_contain_text(cut, timeout=60_000)
        expect(turn).to_contain_text("They go back")
        expect(turn).to_have_attribute("aria-busy", "false")
        page.reload()
        expect(turn).to_contain_text(cut)
        expect(turn).to_contain_text("They go back")
        models.script = [TEXT]
        turn.get_by_role("button", name="Go on").click()
        expect(turn).to_contain_text("All of them.")
        expect(turn).not_to_contain_text(cut)
        expect(page.get_by_role("article")).to_have_count(1)
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    finally:
        go_on.set()
        process.kill()
        process.wait()
        context.close()
