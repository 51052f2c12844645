"""What is looked at while a directory is watched, and what is waited for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kb.indexing import watch
from kb.indexing.indexing_run import EVERYTHING, Scope
from kb.indexing.report import IndexReport
from kb.indexing.watch import Watcher
from stores.errors import ConfigError, ModelUnavailable, RootConflict, StoreUnavailable

Step = Callable[[], object]


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watch, "_PAUSE", 0.01)
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def follow(
    docs: Path, *steps: Step, seconds: float = 3600, home: Path | None = None
) -> tuple[list[Scope], list[str]]:
    """Watch, and do a step in each run over the directory; the last one is interrupted."""
    scopes: list[Scope] = []
    said: list[str] = []
    left = list(steps)

    def index(_: Path, scope: Scope) -> IndexReport:
        scopes.append(scope)
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()
        return IndexReport()

    watcher = Watcher(
        [docs], index, lambda *_: None, said.append, seconds, home or docs.parent / "home"
    )
    with pytest.raises(KeyboardInterrupt):
        watcher.run()
    return scopes, said


def failing(error: Exception) -> Step:
    def fail() -> None:
        raise error

    return fail


def test_all_is_looked_at_first_and_then_what_was_touched(docs: Path) -> None:
    def write() -> None:
        (docs / "a.md").write_text("Words.")

    def write_below() -> None:
        (docs / ".draft.md").write_text("Not for others.")
        (docs / "new").mkdir()
        (docs / "new" / "b.md").write_text("Words.")

    scopes, said = follow(docs, write, write_below)
    assert scopes[:2] == [EVERYTHING, Scope(touched=[docs / "a.md"])]
    assert set(scopes[2].touched or ()) <= {docs / "new", docs / "new" / "b.md"}
    assert said == []


def test_what_is_removed_or_renamed_was_touched(docs: Path) -> None:
    (docs / "a.md").write_text("Words.")
    scopes, _ = follow(docs, lambda: (docs / "a.md").rename(docs / "b.md"))
    assert scopes[1] == Scope(touched=[docs / "a.md", docs / "b.md"])


def test_rules_that_change_have_all_looked_at(docs: Path) -> None:
    scopes, _ = follow(docs, lambda: (docs / ".kbignore").write_text("*.log"))
    assert scopes == [EVERYTHING, EVERYTHING]


def test_all_is_looked_at_again_from_time_to_time(docs: Path) -> None:
    scopes, _ = follow(docs, lambda: None, lambda: None, seconds=0)
    assert scopes == [EVERYTHING] * 3


def test_the_data_of_kb_itself_is_not_looked_at(docs: Path) -> None:
    (home := docs / "kb").mkdir()

    def write() -> None:
        (home / "redo.log").write_text("Changes all the time.")
        (docs / "a.md").write_text("Words.")

    scopes, _ = follow(docs, write, home=home)
    assert scopes[1] == Scope(touched=[docs / "a.md"])


@pytest.mark.parametrize("error", [StoreUnavailable("Gone away."), ModelUnavailable("No reply.")])
def test_what_is_away_is_waited_for_and_then_all_is_looked_at(docs: Path, error: Exception) -> None:
    def write() -> None:
        (docs / "a.md").write_text("Words.")

    def write_another() -> None:  # or nothing would be looked at any more
        (docs / "b.md").write_text("Words.")

    scopes, said = follow(docs, write, failing(error), failing(error), write_another)
    assert scopes[1] == Scope(touched=[docs / "a.md"])
    assert scopes[2:4] == [EVERYTHING, EVERYTHING]
    assert said == [f"{error} Waiting until it answers.", "It answers again; going on."]


def test_a_directory_that_goes_away_is_waited_for(docs: Path) -> None:
    def lose() -> None:
        shutil.rmtree(docs)
        raise ConfigError("There is nothing to index.")

    said: list[str] = []

    def bring_back(message: str) -> None:
        said.append(message)
        docs.mkdir()

    steps: list[Step] = [lose, lambda: None]
    scopes: list[Scope] = []

    def index(_: Path, scope: Scope) -> IndexReport:
        scopes.append(scope)
        if len(steps) == 1:
            raise KeyboardInterrupt
        steps.pop(0)()
        return IndexReport()

    watcher = Watcher([docs], index, lambda *_: None, bring_back, 3600, docs.parent / "home")
    with pytest.raises(KeyboardInterrupt):
        watcher.run()
    assert scopes == [EVERYTHING, EVERYTHING]
    assert said == [f"{docs} is not there; waiting until it is back."]


def test_of_several_directories_each_has_its_own_changes(docs: Path) -> None:
    (other := docs.parent / "other").mkdir()
    steps: list[Step] = [
        lambda: None,
        lambda: (other / "b.md").write_text("Words."),
        lambda: (docs / "a.md").write_text("Words."),
        lambda: (docs / ".kbignore").write_text("*.log"),
    ]
    looked: list[tuple[Path, Scope]] = []

    def index(directory: Path, scope: Scope) -> IndexReport:
        looked.append((directory, scope))
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()
        return IndexReport()

    watcher = Watcher([docs, other], index, lambda *_: None, print, 3600, docs.parent / "home")
    with pytest.raises(KeyboardInterrupt):
        watcher.run()
    assert looked == [
        (docs, EVERYTHING),
        (other, EVERYTHING),
        (other, Scope(touched=[other / "b.md"])),
        (docs, Scope(touched=[docs / "a.md"])),
        (docs, EVERYTHING),
    ]


def test_one_of_several_directories_that_is_away_keeps_none_of_the_others(docs: Path) -> None:
    other, said = docs.parent / "other", list[str]()
    steps: list[Step] = [
        lambda: (docs / "a.md").write_text("Words."),
        other.mkdir,
        lambda: None,
    ]
    looked: list[tuple[Path, Scope]] = []

    def index(directory: Path, scope: Scope) -> IndexReport:
        looked.append((directory, scope))
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()
        return IndexReport()

    home = docs.parent / "home"
    watcher = Watcher([docs, other], index, lambda *_: None, said.append, 3600, home)
    with pytest.raises(KeyboardInterrupt):
        watcher.run()
    assert looked == [
        (docs, EVERYTHING),
        (docs, Scope(touched=[docs / "a.md"])),
        (docs, EVERYTHING),
        (other, EVERYTHING),
    ]
    assert said == [f"{other} is not there; waiting until it is back."]


def test_another_directory_at_the_same_place_is_looked_at_whole(docs: Path) -> None:
    def replace() -> None:
        docs.rename(docs.parent / "former")
        docs.mkdir()

    scopes, said = follow(docs, replace)
    assert (scopes, said) == ([EVERYTHING, EVERYTHING], [])


def test_what_waiting_does_not_mend_ends_it(docs: Path) -> None:
    def index(_: Path, scope: Scope) -> IndexReport:
        raise RootConflict("The name is taken.")

    with pytest.raises(RootConflict):
        Watcher([docs], index, lambda *_: None, print, 3600, docs.parent).run()


def test_a_directory_that_the_system_cannot_watch_is_told(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch, "watch", refuse)
    with pytest.raises(ConfigError, match="max_user_watches"):
        follow(docs)
