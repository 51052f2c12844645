"""The option --watch of `kb index`: a line for each change, until an interruption."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer
from rich.text import Text

from kb.answer_json import report_to_values
from kb.cli.commands.indexing import IndexOptions, index_with_progress
from kb.cli.language import gettext
from kb.cli.print_json import print_json
from kb.cli.rendering.state import show_missing, show_report
from kb.cli.terminal import OUT, fit_on_one_line, say
from kb.indexing.indexing_run import Scope
from kb.indexing.report import Change, IndexReport
from kb.indexing.watch import Watcher
from stores.text.translations import gettext_noop

if TYPE_CHECKING:
    from kb.app import KnowledgeBase

_LINES: Final[Mapping[str, str]] = {
    "added": gettext_noop("Added: {path}"),
    "changed": gettext_noop("Changed: {path}"),
    "moved": gettext_noop("Moved: {detail} -> {path}"),
    "removed": gettext_noop("Removed: {path}"),
    "failed": gettext_noop("Not indexed: {path}: {detail}"),
}


def watch_directories(
    knowledge_base: "KnowledgeBase",
    paths: Sequence[Path],
    options: IndexOptions,
    minutes: float,
    *,
    as_json: bool,
) -> NoReturn:
    """Index directories, by default that of the configuration, and then what changes in them."""
    configured = knowledge_base.config.documents.path
    paths = paths or ([configured] if configured else [])
    directories = [path.absolute() for path in paths]
    if not directories or not all(directory.is_dir() for directory in directories):
        raise typer.BadParameter(gettext("it takes a directory"), param_hint="'--watch'")
    shown = {
        directory: _Reports(path, as_json=as_json, is_named=len(paths) > 1)
        for path, directory in zip(paths, directories, strict=True)
    }

    def index(directory: Path, scope: Scope) -> IndexReport:
        reports = shown[directory]
        if reports.last is None:
            return index_with_progress(knowledge_base, reports.directory, options)
        changes: list[Change] = []
        try:
            return knowledge_base.index(
                directory,
                name=options.name,
                keep=options.prune is False,
                prune=options.prune is True,
                scope=scope,
                by_workers=options.workers,
                on_change=changes.append,
                say=say,
            )
        finally:  # a run that breaks off has done what it has done
            for change in changes:
                reports.show_change(change)

    def show(directory: Path, report: IndexReport) -> None:
        shown[directory].show(report)

    Watcher(directories, index, show, say, minutes * 60, knowledge_base.config.home).run()


class _Reports:
    """Shows the first report of a directory whole, and of later ones what has changed.

    Where several directories are watched, changed documents are named below theirs.
    """

    def __init__(self, directory: Path, *, as_json: bool, is_named: bool) -> None:
        self.last: IndexReport | None = None
        self.directory, self._as_json = directory, as_json
        self._above = f"{directory}/" if is_named else ""
        self._reasons: dict[str, str] = {}

    def show(self, report: IndexReport) -> None:
        is_first, former, self.last = self.last is None, self.last, report
        if is_first:
            self._reasons = dict(report.failed)
        if self._as_json:
            if is_first or report.chunks or report.moved or report.removed or report.failed:
                print_json(report_to_values(report), indent=None)
        elif is_first:
            show_report(OUT, report)
        elif former is None or report.missing_paths != former.missing_paths:
            show_missing(OUT, report)
        if is_first:
            say(gettext("Watching {directory}; Ctrl-C ends.").format(directory=self.directory))

    def show_change(self, change: Change) -> None:
        """Show a change on a line, but no failure again that was shown before."""
        is_failure = change.kind == "failed"
        is_known = is_failure and self._reasons.get(change.path) == change.detail
        if is_failure:
            self._reasons[change.path] = change.detail
        else:
            self._reasons.pop(change.path, None)
        if not self._as_json and not is_known:
            line = gettext(_LINES[change.kind]).format(
                path=f"{self._above}{change.path}", detail=change.detail
            )
            OUT.print(Text(fit_on_one_line(line), "red" if is_failure else ""), soft_wrap=True)
