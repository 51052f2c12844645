"""Index what changes in a directory as it changes, and now and then look at all of it."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from watchfiles import watch

from kb.indexing.indexing_run import EVERYTHING, Scope
from kb.indexing.report import IndexReport
from kb.indexing.secret_files import identify_file
from kb.indexing.walk import IGNORE_FILE
from stores.errors import ConfigError, KBError, ModelUnavailable, StoreUnavailable
from stores.text.translations import Message

_QUIET: Final = 300  # milliseconds without a change, after which those before it are looked at
_LONGEST: Final = 3_000  # milliseconds that changes wait while others follow
_TICK: Final = 1_000  # milliseconds between two looks at the clock
_PAUSE: Final = 5.0  # seconds between two attempts while something is away


@dataclass(frozen=True)
class Watcher:
    """Watches a directory, and has `index` look at what was touched in it.

    Everything is looked at when it begins, every `seconds` after that, and when the database, the
    model or the directory itself is back: no change is lost that nobody was told of. `home` is
    where kb keeps its own data, which changes all the time.
    """

    directory: Path
    index: Callable[[Scope], IndexReport]
    on_report: Callable[[IndexReport], None]
    say: Callable[[str], None]
    seconds: float
    home: Path

    def run(self) -> NoReturn:
        """Go on until KeyboardInterrupt. Raises what `index` raises and waiting does not mend."""
        while True:
            self._wait_for_directory()
            inside = self.directory.resolve()
            with closing(_watch_directory(inside)) as changes:
                self._follow(changes, inside)

    def _wait_for_directory(self) -> None:
        if self.directory.is_dir():
            return
        self.say(
            Message("{directory} is not there; waiting until it is back.", directory=self.directory)
        )
        while not self.directory.is_dir():
            time.sleep(_PAUSE)

    def _follow(self, changes: Iterator[set[Path]], inside: Path) -> None:
        """Look at everything, then at what changes, as long as it is the same directory."""
        next(changes)  # from here on nothing is missed
        identity = identify_file(inside)
        self._look(EVERYTHING)
        due = time.monotonic() + self.seconds
        for touched in changes:
            if self.directory.resolve() != inside or identify_file(inside) != identity:
                return
            if time.monotonic() >= due or any(path.name == IGNORE_FILE for path in touched):
                self._look(EVERYTHING)
                due = time.monotonic() + self.seconds
            elif paths := self._choose_documents(touched, inside):
                self._look(Scope(touched=paths))

    def _choose_documents(self, touched: Iterable[Path], inside: Path) -> list[Path]:
        """Return what may be documents, or hold some: neither what is hidden nor kb's own data."""
        home = self.home.resolve()
        return sorted(
            path
            for path in touched
            if path.is_relative_to(inside)
            and not any(part.startswith(".") for part in path.relative_to(inside).parts)
            and not path.is_relative_to(home)
        )

    def _look(self, scope: Scope) -> None:
        """Index; when the database or the model is away, wait for it and look at everything."""
        is_away = False
        while True:
            try:
                report = self.index(scope)
            except (StoreUnavailable, ModelUnavailable) as error:
                if not is_away:
                    self.say(Message("{reason} Waiting until it answers.", reason=error))
                is_away, scope = True, EVERYTHING
                time.sleep(_PAUSE)
            except (KBError, OSError):
                if self.directory.is_dir():
                    raise
                return
            else:
                if is_away:
                    self.say(Message("It answers again; going on."))
                self.on_report(report)
                return


def _watch_directory(directory: Path) -> Generator[set[Path], None, None]:
    """Yield what has changed, and every second nothing. Raises ConfigError.

    What was changed while a yielded set is looked at comes with the next.
    """
    try:
        for found in watch(
            directory,
            watch_filter=None,  # or what is filtered out would keep the clock from being looked at
            debounce=_LONGEST,
            step=_QUIET,
            rust_timeout=_TICK,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield {Path(path) for _, path in found}
    except (OSError, RuntimeError) as error:  # RuntimeError: what watchfiles knows no name for
        if not directory.is_dir():
            yield set()
            return
        raise ConfigError(
            f"{directory} cannot be watched: {error}. On Linux, fs.inotify.max_user_watches may be "
            "too small. Index it from time to time instead, without --watch."
        ) from error
