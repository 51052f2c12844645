"""A picture of the page on the sample data, for the README: `make screenshot`."""

import io
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from browsers import ARGUMENTS, program
from PIL import Image
from playwright.sync_api import Page, sync_playwright

KB = (sys.executable, "-m", "kb")
EARLIER = (
    "Pourquoi mon espresso est-il trop acide ?",
    "How did revenue develop month by month in 2025?",
    "How long do I have to return a product?",
)
QUESTION = "Who are our three best customers, and what do they complain about?"
COLOURS = 128
TOKEN = secrets.token_urlsafe(32)


def main(target: Path) -> None:
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": 1360, "height": 860}, device_scale_factor=1.5, locale="en-GB"
        )
        target.write_bytes(small(photographed(page, url)))
        browser.close()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of the sample, with a database of its own."""
    with tempfile.TemporaryDirectory(prefix="kb-page-", dir="/tmp") as home:
        environment = {**os.environ, "KB_HOME": home, "KB_SERVE_TOKEN": TOKEN}
        subprocess.run([*KB, "demo"], env=environment, check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        command = [*KB, "serve", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            yield url
        finally:
            server.terminate()
            server.wait()
            subprocess.run([*KB, "db", "stop"], env=environment, check=True)
            shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    for _ in range(300):
        with suppress(OSError):
            urllib.request.urlopen(f"{url}/readyz").close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer")


def photographed(page: Page, url: str) -> bytes:
    for question in (*EARLIER, QUESTION):
        page.goto(f"{url}/?token={TOKEN}#/documents")
        page.goto(f"{url}/#/")
        answer(page, question)
    page.locator("button.chip").first.click()
    page.locator(".cited").wait_for()
    page.mouse.move(0, 0)
    return page.screenshot()


def answer(page: Page, question: str) -> Any:
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    page.locator(".turn-actions").wait_for()


def small(picture: bytes) -> bytes:
    """With fewer colours: the picture is loaded by everybody who looks at the repository."""
    written = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(
        written, "PNG", optimize=True
    )
    return written.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
