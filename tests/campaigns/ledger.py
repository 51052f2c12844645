"""What was acknowledged, by whom it can be asked for, and what was answered wrongly."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_SYLLABLES: Final = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


@dataclass
class Document:
    """A file about one machine, whose code each version changes.

    `codes` are all that were written, with the time since which a search must know them, None
    while nobody said so; `kept` is the last one whose upload was acknowledged. `removed` is None
    while it is there, False while its removal is asked for.
    """

    root: str
    path: str
    name: str
    codes: list[tuple[str, float | None]] = field(default_factory=list)
    kept: str | None = None
    removed: bool | None = None

    @property
    def question(self) -> str:
        return f"What is the service code of {self.name}?"

    def write(self, code: str) -> str:
        return f"# {self.name}\n\nThe service code of {self.name} is {code}.\n"

    def list_codes(self, asked: float, patience: float) -> list[str]:
        """List the codes that an answer may give to what was asked then.

        `patience` are seconds in which what another process wrote need not be found yet.
        """
        known = [n for n, (_, since) in enumerate(self.codes) if since and since < asked - patience]
        return [code for code, _ in self.codes[max(known, default=0) :]]

    def list_kept(self) -> list[str]:
        """List the codes that the uploaded file may hold."""
        codes = [code for code, _ in self.codes]
        return codes[codes.index(self.kept) :] if self.kept else []


@dataclass(frozen=True)
class Turn:
    session: str
    id: str
    question: str
    answer: str


@dataclass
class Ledger:
    """All that clients were told, and what they hold against the servers."""

    seed: int
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._used: set[str] = set()

    def count(self, what: str, number: int = 1) -> None:
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def blame(self, fault: str) -> None:
        """Note what went wrong, and say so."""
        with self.lock:
            self.faults.append(fault)
        print(f"  FAULT {fault}", flush=True)

    def make_document(self, root: str) -> Document:
        name = self._make_new(lambda: "".join(self._random.choices(_SYLLABLES, k=4)))
        document = Document(root, f"{name}.md", name)
        with self.lock:
            self.documents[root, document.path] = document
        return document

    def make_code(self) -> str:
        return self._make_new(lambda: f"K{self._random.randrange(16**6):06X}")

    def _make_new(self, make: Callable[[], str]) -> str:
        with self.lock:
            while (made := make()) in self._used:
                pass
            self._used.add(made)
            return made

    def choose(
        self, chance: random.Random, root: str | None = None, *, known_for: float = 0
    ) -> Document | None:
        """Choose a document that can be found since some seconds."""
        before = time.monotonic() - known_for
        with self.lock:
            found = [
                document
                for document in self.documents.values()
                if document.removed is None
                and root in (None, document.root)
                and any(since and since < before for _, since in document.codes)
            ]
        return chance.choice(found) if found else None

    def check_answer(self, document: Document, text: str, asked: float, patience: float) -> None:
        """Hold an answer against what was to be known of a document when it was asked."""
        right = document.list_codes(asked, patience)
        if document.removed is not None or any(code in text for code in right):
            return
        told = [code for code, _ in document.codes if code in text]
        self.blame(
            f"wrong answer about {document.root}/{document.path}: {right} expected, {told} told: "
            f"{text[:200]!r}"
        )
