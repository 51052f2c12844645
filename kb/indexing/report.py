"""Count what a run did, and show how far it is."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class IndexReport:
    """What a run did to a root: counts of documents and chunks, and (path, reason) of failures.

    `removed_paths` name the `removed`: documents that are no longer found; `moved` are (former
    path, path) of those that are found elsewhere, which may have been `changed` too.
    `missing` documents, named by `missing_paths`, are not found either, but still answer: as they
    were to be kept, or as the whole directory was found `emptied`, which may be a disk that is not
    mounted.
    `unread` of the failures are of files that did not change since, and were not read again.
    `still_failing` are the failures that an earlier run has told in the same words, in most cases
    of files that did not change. `passed_over` are (path, reason) of files that hold secrets,
    which are no documents, `without_text` counts by their kinds those that nobody expects to
    answer, and `hard_linked` are the paths of documents that have other names elsewhere.
    """

    root: str = ""
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    chunks: int = 0
    seconds: float = 0.0
    moved: list[tuple[str, str]] = field(default_factory=list)
    removed_paths: list[str] = field(default_factory=list)
    missing: int = 0
    missing_paths: list[str] = field(default_factory=list)
    emptied: bool = False
    unread: int = 0
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    hard_linked: list[str] = field(default_factory=list)
    still_failing: list[str] = field(default_factory=list)
    without_text: dict[str, int] = field(default_factory=dict)

    @property
    def has_new_failures(self) -> bool:
        return len(self.failed) > len(self.still_failing)


@dataclass(frozen=True)
class Progress:
    """How many files are done, of how many, and how many chunks are embedded so far."""

    files: int
    total: int
    chunks: int


@dataclass(frozen=True)
class Change:
    """What became of one document; `detail` is the reason of a failure, or the former path."""

    kind: Literal["added", "changed", "moved", "removed", "failed"]
    path: str
    detail: str = ""


OnProgress = Callable[[Progress], None]
OnChange = Callable[[Change], None]


@dataclass
class Tally:
    """The counts of a run in progress, shown after every step."""

    on_progress: OnProgress
    on_change: OnChange = lambda _: None
    root: str = ""
    total: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    embedded: int = 0
    chunks: int = 0
    unread: int = 0
    emptied: bool = False
    failed: list[tuple[str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    hard_linked: list[str] = field(default_factory=list)
    still_failing: list[str] = field(default_factory=list)
    without_text: Counter[str] = field(default_factory=Counter)

    def begin_run(self, total: int) -> None:
        self.total = total
        self.report_progress()

    def count_embedded(self, chunks: int) -> None:
        self.embedded += chunks
        self.report_progress()

    def count_unchanged(self) -> None:
        self.unchanged += 1
        self.report_progress()

    def write(self, path: str, chunks: int, *, is_new: bool) -> None:
        self.chunks += chunks
        self.added += is_new
        self.changed += not is_new
        self.on_change(Change("added" if is_new else "changed", path))
        self.report_progress()

    def move(self, former: str, path: str) -> None:
        self.moved.append((former, path))
        self.on_change(Change("moved", path, former))
        self.report_progress()

    def remove(self, path: str) -> None:
        self.removed.append(path)
        self.on_change(Change("removed", path))

    def fail(self, path: str, reason: str, *, is_known: bool = False) -> None:
        self.failed.append((path, reason))
        self.still_failing += [path] if is_known else []
        self.on_change(Change("failed", path, reason))
        self.report_progress()

    def leave_unread(self, path: str, reason: str) -> None:
        self.unread += 1
        self.failed.append((path, reason))
        self.still_failing.append(path)
        self.report_progress()

    def pass_over(self, path: str, reason: str) -> None:
        self.passed_over.append((path, reason))
        self.report_progress()

    def count_passed_over(self, kinds: Iterable[str | None]) -> None:
        self.without_text.update(kind for kind in kinds if kind)
        self.report_progress()

    def report_progress(self) -> None:
        """Show how far the run is; before it begins, while it waits for another, of no files."""
        not_indexed = len(self.failed) + len(self.passed_over) + self.without_text.total()
        indexed = self.added + self.changed + self.unchanged + len(self.moved)
        files = indexed + not_indexed
        self.on_progress(Progress(min(files, self.total), self.total, self.embedded))

    def make_report(self, seconds: float) -> IndexReport:
        return IndexReport(
            root=self.root,
            added=self.added,
            changed=self.changed,
            removed=len(self.removed),
            unchanged=self.unchanged,
            failed=list(self.failed),
            chunks=self.chunks,
            seconds=round(seconds, 2),
            moved=list(self.moved),
            removed_paths=list(self.removed),
            missing=len(self.missing),
            missing_paths=list(self.missing),
            emptied=self.emptied,
            unread=self.unread,
            passed_over=list(self.passed_over),
            hard_linked=list(self.hard_linked),
            still_failing=list(self.still_failing),
            without_text=dict(self.without_text),
        )
