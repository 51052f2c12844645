"""How far an indexing run is: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from kb.indexing.report import Progress

SECONDS_BETWEEN_LINES = 5.0

Show = Callable[[Progress], None]


def index_progress(console: Console) -> AbstractContextManager[Show]:
    return _bar(console) if console.is_terminal else _lines(console)


@contextmanager
def _bar(console: Console) -> Iterator[Show]:
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(compact=True),
    )
    started = time.monotonic()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Indexing", total=None, counts="")

        def show(progress: Progress) -> None:
            counts = in_words(progress, time.monotonic() - started)
            bar.update(task, completed=progress.files, total=progress.total, counts=counts)

        yield show


@contextmanager
def _lines(console: Console) -> Iterator[Show]:
    started = last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            console.print(in_words(progress, now - started) + _left(progress, now - started))

    yield show


def in_words(progress: Progress, seconds: float) -> str:
    rate = progress.chunks / seconds if seconds else 0.0
    return f"{progress.files}/{progress.total} files, {progress.chunks} chunks, {rate:.0f}/s"


def _left(progress: Progress, seconds: float) -> str:
    """Told once a tenth is done; before that it would be a guess."""
    if progress.files * 10 < progress.total:
        return ""
    left = seconds * (progress.total - progress.files) / progress.files
    return f", about {left:.0f} s left"
