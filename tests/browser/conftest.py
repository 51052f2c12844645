"""A real Chromium on the page of a real server."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hostile
import pytest
import sqlalchemy as sa
from api_server import Api, configured, database_of, running
from browsers import ARGUMENTS, program
from model_server import FakeModels

from stores.connection import make_engine
from stores.private_server import PrivateServer

TABLES = (
    "CREATE TABLE sales (month DATE, revenue DECIMAL(10,2))",
    "INSERT INTO sales VALUES ('2025-01-01', 1200.50), ('2025-02-01', 900), ('2025-03-01', 1500)",
    "CREATE TABLE notes (id INT, note LONGTEXT)",
    *hostile.NOTES,
)
TIMEOUT = 15_000  # milliseconds; a busy machine is slow
VERIFIED = {
    "question": "How did revenue develop month by month?",
    "sql": "SELECT month, revenue FROM sales WHERE revenue > :least ORDER BY month",
    "parameters": {"least": 0},
    "name": "revenue",
    "verified_by": "Ana",
}


@pytest.fixture(scope="session")
def installed() -> str:
    """Where Chromium is; asked for first, so that nothing else is set up without one."""
    if found := program():
        return found
    pytest.skip("there is no Chromium: apt-get install chromium-headless-shell")


@pytest.fixture(scope="module")
def chromium(installed: str) -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    api.expect.set_options(timeout=TIMEOUT)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def models() -> Iterator[FakeModels]:
    with FakeModels(default="They go back within **30 days** [1].") as models:
        yield models


@pytest.fixture(scope="session")
def served(
    installed: str,
    request: pytest.FixtureRequest,
    models: FakeModels,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    server: PrivateServer = request.getfixturevalue("server")
    directory = tmp_path_factory.mktemp("page")
    with FakeModels() as embeddings, database_of(server) as url:
        _fill(url)
        tables = {"url": url, "include": ["orders", "sales", "notes"]}
        config = configured(
            *(url, directory, embeddings, models),
            tables={**tables, "allow_powerful_account": True, "row_limit": 3},
        )
        _write_hostile(directory / "documents")
        with running(config) as api:
            api.kb.index()
            assert api.client.post("/api/verified", json=VERIFIED).status_code == 201
            yield api


def _fill(url: sa.URL) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        for statement in TABLES:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _write_hostile(documents: Path) -> None:
    (documents / hostile.FILE_NAME).write_text(hostile.DOCUMENT, encoding="utf-8")
    (documents / "broken.pdf").write_bytes(b"\x00\x01 no PDF")


@dataclass
class Seen:
    """What a page did that nobody looks at: requests elsewhere, dialogs, errors."""

    base: str
    strange: list[str] = field(default_factory=list)

    def request(self, request: Any) -> None:
        if not request.url.startswith((self.base, "blob:", "data:")):
            self.strange.append(f"request {request.url}")

    def message(self, message: Any) -> None:
        # Chromium reports each answer from 400 on; tests ask for some.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.strange.append(f"console {message.text}")


@pytest.fixture
def seen(served: Api) -> Seen:
    return Seen(str(served.client.base_url))


@pytest.fixture
def visit(
    chromium: Any, seen: Seen, served: Api, models: FakeModels
) -> Iterator[Callable[..., Any]]:
    """Open a page of its own; at the end nothing strange may have happened in any."""
    while served.app.state.work._tasks:  # of the test before, which may still ask the model
        time.sleep(0.01)
    for session in served.kb.sessions(limit=1000):
        served.kb.delete_session(session.id)
    models.script.clear()
    contexts = []

    def visit(path: str = "", **options: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", **options}
        context = chromium.new_context(**settings)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        context.on("request", seen.request)
        page = context.new_page()
        page.on("dialog", lambda dialog: seen.strange.append(f"dialog {dialog.message}"))
        page.on("pageerror", lambda error: seen.strange.append(f"error {error}"))
        page.on("console", seen.message)
        place, _, fragment = path.partition("#")
        page.goto(f"{seen.base}/{place}?token={served.token}#{fragment}")
        return page

    yield visit
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.hacked") is None
        context.close()
    assert seen.strange == []


@pytest.fixture
def page(visit: Callable[..., Any]) -> Any:
    return visit()


@pytest.fixture
def ask(page: Any) -> Callable[..., Any]:
    """Ask on the page, and wait for the whole answer; returns its turn."""

    def ask(question: str = "When do goods go back?", source: str = "Documents") -> Any:
        page.get_by_role("group", name="Where to look").get_by_text(source, exact=True).click()
        page.get_by_role("textbox", name="Your question").fill(question)
        page.keyboard.press("Enter")
        turn = page.get_by_role("article").last
        turn.get_by_role("button", name="Copy the answer").wait_for()
        return turn

    return ask


@pytest.fixture
def write() -> Callable[[Any, str], None]:
    """Write a text into a field for SQL, in the place of what is there, as a person does.

    Chromium gives a text that Playwright fills in the style of the one before, which is refused.
    """

    def write(editor: Any, text: str) -> None:
        editor.press("Control+a")
        editor.press("Delete")
        editor.press_sequentially(text)

    return write
