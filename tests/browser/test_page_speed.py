"""How quick the page is with two turns and with two hundred; no time is judged.

`pytest -s` shows them. The times of `docs/measurements.md` are from here.
"""

import statistics
import time

import pytest

pytestmark = pytest.mark.slow
expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
TIMES = 5
ANSWER = (
    "Goods go back within **30 days** [1].\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + "Words. " * 80
)
# The handlers of a key and the layout that they cause, in milliseconds, for each of 60 keys.
TYPE = """() => {
    const box = document.querySelector("#question");
    return Array.from("When do all of the goods go back, and who pays for their way?", (letter) => {
        const begin = performance.now();
        box.dispatchEvent(new KeyboardEvent("keydown", {key: letter, bubbles: true}));
        box.value += letter;
        box.dispatchEvent(new InputEvent("input", {data: letter, bubbles: true}));
        document.querySelector(".scroller").getBoundingClientRect();
        return performance.now() - begin;
    });
}"""


def fill(served, turns):
    store, chat = served.kb.components.session_store, f"of-{turns}"
    for number in range(turns):
        store.begin(chat, str(number), f"Question {number}?")
        store.finish(chat, str(number), answer=ANSWER, status="complete")
    return chat


def shown(page, turns):
    last = page.get_by_role("heading", name=f"Question {turns - 1}?", exact=True, level=2)
    last.wait_for()


def measure(act):
    begin = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - begin)


def time_chat(visit, turns, address):
    """Time a new browser that shows a chat, opens it from another view and loads it again."""
    page = visit(address)
    shown(page, turns)
    assert page.get_by_role("article").count() == min(turns, 30)
    keys = page.evaluate(TYPE)
    page.evaluate("location.hash = '#/'")
    page.locator(".welcome").wait_for()
    opened = measure(
        lambda: (page.evaluate("address => location.hash = address", address), shown(page, turns))
    )
    again = measure(lambda: (page.reload(), shown(page, turns)))
    return {"loaded again": again, "opened": opened, "keys": keys}


@pytest.mark.parametrize("turns", [2, 200])
def test_the_times_of_a_chat(visit, served, turns, request):
    first = []
    visit()
    address = f"#/chat/{fill(served, turns)}"
    runs = []
    for _ in range(TIMES):
        first.append(measure(lambda: shown(visit(address), turns)))
        runs.append(time_chat(visit, turns, address))
    keys = [key for run in runs for key in run["keys"]]
    told = {
        "first view": statistics.median(first),
        "loaded again": statistics.median(run["loaded again"] for run in runs),
        "opened": statistics.median(run["opened"] for run in runs),
        "key": statistics.median(keys),
        "slowest key": max(keys),
    }
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    times = ", ".join(f"{name} {value:.1f} ms" for name, value in told.items())
    reporter.write_line(f"{turns} turns: {times}")
