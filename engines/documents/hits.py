"""Finds the part of a passage that has the words of a question, to show why it was found."""

from collections.abc import Sequence
from typing import Final

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.documents.asked_words import AskedWords
from engines.shortening import cut_between_words
from stores.text.tokens import WORD

_SENTENCE_ENDS: Final = (". ", "! ", "? ", "… ")

_Hit = tuple[int, int, frozenset[str]]
"""Where a word begins and ends, and its stems."""


def find_excerpts(
    question: str, passages: Sequence[NodeWithScore], characters: int = 300
) -> list[str]:
    """Return of each passage, on one line, the part that has most of what the question asks for.

    A word weighs more the fewer of the passages have it. Where none is found it is the beginning.
    """
    texts = [" ".join(each.get_content(MetadataMode.NONE).split()) for each in passages]
    asked = AskedWords(question, texts, None)
    return [find_excerpt(text, asked, characters) for text in texts]


def find_excerpt(text: str, asked: AskedWords, characters: int) -> str:
    """Return the part of a text of one line with the most weight of what is asked."""
    if len(text) <= characters:
        return text
    hits = [
        (word.start(), word.end(), stems)
        for word in WORD.finditer(text)
        if asked.share(stems := asked.find_stems(word[0]))
    ]
    if not hits:
        return cut_between_words(text, characters)
    windows = [_fill_window(hits[at:], characters) for at in range(len(hits))]
    best = max(windows, key=lambda window: asked.share(_join_stems(window)))
    room = characters - (best[-1][1] - best[0][0])
    start = _find_beginning(text, best[0][0], room)
    return ("… " if start else "") + cut_between_words(text[start:], characters)


def _fill_window(hits: Sequence[_Hit], characters: int) -> Sequence[_Hit]:
    """Return the first hits, as many as fit into an excerpt."""
    begin = hits[0][0]
    return [hit for at, hit in enumerate(hits) if at == 0 or hit[1] - begin <= characters]


def _join_stems(hits: Sequence[_Hit]) -> frozenset[str]:
    return frozenset[str]().union(*(stems for _, _, stems in hits))


def _find_beginning(text: str, hit: int, room: int) -> int:
    """Return where the sentence of a hit begins, or a word before the hit if that is too far."""
    if hit <= room:
        return 0
    sentence = max(text.rfind(end, hit - room, hit) for end in _SENTENCE_ENDS)
    if sentence >= 0:
        return sentence + 2
    return text.find(" ", hit - room // 2 - 1, hit) + 1 or hit
