"""What became of a passage since an answer cited it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from llama_index.core.schema import MetadataMode

from kb.document_files import Library, Passage
from stores.chats.cited_passages import KeptPassage
from stores.registry.document_list import StoredPassage

State = Literal["unchanged", "document_changed", "changed", "gone"]
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Evidence:
    """A cited passage as it was, and what stands in its place now, None where nothing does.

    The `document_changed` around a passage that is as it was; `changed` means its own words.
    """

    kept: KeptPassage
    state: State
    now: Passage | None


def compare_evidence(library: Library, kept: KeptPassage, around: int) -> Evidence:
    """Compare a kept passage with what is indexed now, with so many passages around that."""
    if kept.root_now is None or kept.path_now is None:
        return Evidence(kept, "gone", None)
    cited = kept.passage
    same: State = "unchanged" if kept.is_of_same_version else "document_changed"
    now = library.find_passage(cited.chunk, around)
    if now and now.chunk.get_content(MetadataMode.NONE) == cited.text:
        return Evidence(kept, same, now)
    document = library.documents.one(kept.root_now, kept.path_now)
    passages = library.documents.list_passages(library.registry.table, document)
    nearest = _find_nearest(cited.text, passages)
    if nearest is None:
        return Evidence(kept, "changed", None)
    state: State = same if nearest.text == cited.text else "changed"
    return Evidence(kept, state, library.find_passage(nearest.id, around))


def _find_nearest(text: str, passages: Sequence[StoredPassage]) -> StoredPassage | None:
    """Find the passage that shares most words with a text; None where no one shares any."""
    words = set(_WORD.findall(text.casefold()))

    def likeness(passage: StoredPassage) -> tuple[bool, float]:
        others = set(_WORD.findall(passage.text.casefold()))
        return passage.text == text, len(words & others) / (len(words | others) or 1)

    nearest = max(passages, key=likeness, default=None)
    return nearest if nearest and any(likeness(nearest)) else None
