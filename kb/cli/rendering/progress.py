"""Showing how far a run is: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from kb.cli.language import gettext, translate_message
from kb.cli.terminal import ERR, say
from kb.indexing.report import Progress

if TYPE_CHECKING:
    from kb.evaluation.labelled import OnProgress

_SECONDS_BETWEEN_LINES = 5.0
_SHARE_TO_GUESS_BY = 0.1

ShowIndexing = Callable[[Progress], None]


def show_index_progress(console: Console) -> AbstractContextManager[ShowIndexing]:
    """Show how far an indexing run is."""
    return _show_indexing_bar(console) if console.is_terminal else _print_indexing_lines(console)


@contextmanager
def _show_indexing_bar(console: Console) -> Iterator[ShowIndexing]:
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(compact=True),
    )
    started = time.monotonic()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(gettext("Indexing"), total=None, counts="")

        def show(progress: Progress) -> None:
            counts = _describe_indexing(progress, time.monotonic() - started)
            total = 1.0 if progress.total else None
            bar.update(task, completed=progress.share, total=total, counts=counts)

        yield show


@contextmanager
def _print_indexing_lines(console: Console) -> Iterator[ShowIndexing]:
    started = last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.total and now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            seconds = now - started
            parts = [_describe_indexing(progress, seconds), *_describe_time_left(progress, seconds)]
            console.print(", ".join(parts))

    yield show


def _describe_indexing(progress: Progress, seconds: float) -> str:
    rate = progress.chunks / seconds if seconds else 0.0
    return gettext("{files}/{total} files, {chunks} chunks, {rate:.0f}/s").format(
        files=progress.files, total=progress.total, chunks=progress.chunks, rate=rate
    )


def _describe_time_left(progress: Progress, seconds: float) -> Iterator[str]:
    """Say how long the rest takes, once a tenth is done; before that it would be a guess."""
    if progress.share >= _SHARE_TO_GUESS_BY:
        left = seconds * (1 - progress.share) / progress.share
        yield gettext("about {seconds:.0f} s left").format(seconds=left)


def show_steps() -> AbstractContextManager["OnProgress"]:
    """Show on standard error how far each step of something is."""
    return _show_step_bars() if ERR.is_terminal else nullcontext(_make_step_printer())


@contextmanager
def _show_step_bars() -> Iterator["OnProgress"]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeRemainingColumn(), console=ERR, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(translate_message(step), total=total)
            bars.update(tasks[step], completed=done)

        yield show


def _make_step_printer() -> "OnProgress":
    last = time.monotonic()

    def show(step: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            far = gettext("{step}: {done} of {total}")
            say(far.format(step=translate_message(step), done=done, total=total))

    return show
