"""Count what a run did, and show how far it is."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
    """How many files are done, of how many, and how many chunks are embedded so far.

    `bytes_done` of `bytes_total` are those of the files, which tell how long the rest takes: a
    manual takes longer than a note.
    """

    files: int
    total: int
    chunks: int
    bytes_done: int = 0
    bytes_total: int = 0

    @property
    def share(self) -> float:
        """Return which part of the work is done, in 0..1."""
        done, total = self.files, self.total
        if self.bytes_total:
            done, total = self.bytes_done, self.bytes_total
        return done / total if total else 0.0


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
    sizes: dict[str, int] = field(default_factory=dict)  # of files that are not done
    bytes_done: int = 0
    bytes_total: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    hard_linked: list[str] = field(default_factory=list)
    still_failing: list[str] = field(default_factory=list)
    without_text: Counter[str] = field(default_factory=Counter)

    def begin_run(self, total: int, sizes: Mapping[str, int] | None = None) -> None:
        """Begin with so many files, of which some have these sizes in bytes by their paths."""
        self.total = total
        self.sizes = dict(sizes or {})
        self.bytes_total = sum(self.sizes.values())
        self.report_progress()

    def count_embedded(self, chunks: int) -> None:
        self.embedded += chunks
        self.report_progress()

    def count_unchanged(self, path: str) -> None:
        self.unchanged += 1
        self._finish(path)

    def count_written(self, chunks: int) -> None:
        self.chunks += chunks

    def write(self, path: str, *, is_new: bool) -> None:
        self.added += is_new
        self.changed += not is_new
        self.on_change(Change("added" if is_new else "changed", path))
        self._finish(path)

    def move(self, former: str, path: str) -> None:
        self.moved.append((former, path))
        self.on_change(Change("moved", path, former))
        self._finish(path)

    def remove(self, path: str) -> None:
        self.removed.append(path)
        self.on_change(Change("removed", path))

    def fail(self, path: str, reason: str, *, is_known: bool = False) -> None:
        self.failed.append((path, reason))
        self.still_failing += [path] if is_known else []
        self.on_change(Change("failed", path, reason))
        self._finish(path)

    def leave_unread(self, path: str, reason: str) -> None:
        self.unread += 1
        self.failed.append((path, reason))
        self.still_failing.append(path)
        self._finish(path)

    def pass_over(self, path: str, reason: str) -> None:
        self.passed_over.append((path, reason))
        self._finish(path)

    def count_passed_over(self, kinds: Iterable[str | None]) -> None:
        self.without_text.update(kind for kind in kinds if kind)
        self.report_progress()

    def _finish(self, path: str) -> None:
        self.bytes_done += self.sizes.pop(path, 0)
        self.report_progress()

    def report_progress(self) -> None:
        """Show how far the run is; before it begins, while it waits for another, of no files."""
        not_indexed = len(self.failed) + len(self.passed_over) + self.without_text.total()
        indexed = self.added + self.changed + self.unchanged + len(self.moved)
        files = indexed + not_indexed
        done = min(files, self.total)
        self.on_progress(
            Progress(done, self.total, self.embedded, self.bytes_done, self.bytes_total)
        )

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
