"""Index what changes in directories as it changes, and now and then look at all of them."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, NoReturn

from watchfiles import watch

from kb.indexing.indexing_run import EVERYTHING, Scope
from kb.indexing.report import IndexReport
from kb.indexing.secret_files import Identity, identify_file
from kb.indexing.walk import IGNORE_FILE
from stores.errors import ConfigError, KBError, ModelUnavailable, StoreUnavailable
from stores.text.translations import Message

_QUIET: Final = 300  # milliseconds without a change, after which those before it are looked at
_LONGEST: Final = 3_000  # milliseconds that changes wait while others follow
_TICK: Final = 1_000  # milliseconds between two looks at the clock
_PAUSE: Final = 5.0  # seconds between two attempts while something is away


@dataclass(frozen=True)
class Watcher:
    """Watches directories, and has `index` look at what was touched in each.

    Everything is looked at when it begins, every `seconds` after that, and when the database, the
    model or a directory itself is back: no change is lost that nobody was told of. `home` is where
    kb keeps its own data, which changes all the time.
    """

    directories: Sequence[Path]
    index: Callable[[Path, Scope], IndexReport]
    on_report: Callable[[Path, IndexReport], None]
    say: Callable[[str], None]
    seconds: float
    home: Path

    def run(self) -> NoReturn:
        """Go on until KeyboardInterrupt. Raises what `index` raises and waiting does not mend."""
        away: set[Path] = set()
        while True:
            there = self._find_directories()
            self._say_away(set(self.directories) - there.keys() - away)
            away = set(self.directories) - there.keys()
            if there:
                inside = [inside for inside, _ in there.values()]
                with closing(_watch_directories(inside)) as changes:
                    self._follow(changes, there)
            else:
                time.sleep(_PAUSE)

    def _say_away(self, directories: Iterable[Path]) -> None:
        for directory in sorted(directories):
            self.say(
                Message("{directory} is not there; waiting until it is back.", directory=directory)
            )

    def _find_directories(self) -> dict[Path, tuple[Path, Identity | None]]:
        """Return the directories that are there, each with where it is and which one that is."""
        there = {each: each.resolve() for each in self.directories if each.is_dir()}
        return {each: (inside, identify_file(inside)) for each, inside in there.items()}

    def _follow(
        self, changes: Iterator[set[Path]], there: Mapping[Path, tuple[Path, Identity | None]]
    ) -> None:
        """Look at everything, then at what changes, as long as the same directories are there."""
        next(changes)  # from here on nothing is missed
        due = 0.0
        for touched in chain([set[Path]()], changes):
            if self._find_directories() != there:
                return
            is_due = time.monotonic() >= due
            for directory, (inside, _) in there.items():
                inner = [path for path in sorted(touched) if path.is_relative_to(inside)]
                if is_due or any(path.name == IGNORE_FILE for path in inner):
                    self._look(directory, EVERYTHING)
                elif paths := self._choose_documents(inner, inside):
                    self._look(directory, Scope(touched=paths))
            due = time.monotonic() + self.seconds if is_due else due

    def _choose_documents(self, touched: Iterable[Path], inside: Path) -> list[Path]:
        """Return what may be documents, or hold some: neither what is hidden nor kb's own data."""
        home = self.home.resolve()
        return [
            path
            for path in touched
            if not any(part.startswith(".") for part in path.relative_to(inside).parts)
            and not path.is_relative_to(home)
        ]

    def _look(self, directory: Path, scope: Scope) -> None:
        """Index; when the database or the model is away, wait for it and look at everything."""
        is_away = False
        while True:
            try:
                report = self.index(directory, scope)
            except (StoreUnavailable, ModelUnavailable) as error:
                if not is_away:
                    self.say(Message("{reason} Waiting until it answers.", reason=error))
                is_away, scope = True, EVERYTHING
                time.sleep(_PAUSE)
            except (KBError, OSError):
                if directory.is_dir():
                    raise
                return
            else:
                if is_away:
                    self.say(Message("It answers again; going on."))
                self.on_report(directory, report)
                return


def _watch_directories(directories: Sequence[Path]) -> Generator[set[Path], None, None]:
    """Yield what has changed, and every second nothing. Raises ConfigError.

    What was changed while a yielded set is looked at comes with the next.
    """
    try:
        for found in watch(
            *directories,
            watch_filter=None,  # or what is filtered out would keep the clock from being looked at
            debounce=_LONGEST,
            step=_QUIET,
            rust_timeout=_TICK,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield {Path(path) for _, path in found}
    except (OSError, RuntimeError) as error:  # RuntimeError: what watchfiles knows no name for
        if not all(directory.is_dir() for directory in directories):
            yield set()
            return
        named = ", ".join(map(str, directories))
        raise ConfigError(
            f"{named} cannot be watched: {error}. On Linux, fs.inotify.max_user_watches may be too "
            "small. Index it from time to time instead, without --watch."
        ) from error
