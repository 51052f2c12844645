"""Extends a sentence to what is quoted of a passage: it, and what stands next to it."""

from collections.abc import Mapping, Sequence
from typing import Final

from engines.documents.sentences import LONGEST, Sentence

_ENOUGH: Final = 400  # characters
_BULLET: Final = " • "


def extend_sentence(
    best: Sentence, sentences: Sequence[Sentence], scores: Mapping[str, float]
) -> list[Sentence]:
    """Return a sentence with the better ones of its neighbours, as many as make a short excerpt.

    The answer to a question often stands next to the sentence that has its words. What follows is
    under the same heading and by the same author, without anything left out.
    """
    beside = {
        each.place: each
        for each in sentences
        if each.place is not None
        and each.passage is best.passage
        and (each.heading, each.is_repeated) == (best.heading, best.is_repeated)
    }
    excerpt = [best]
    while best.place is not None:
        first, last = excerpt[0].place or 0, excerpt[-1].place or 0
        wider = [
            [beside[place], *excerpt] if place < first else [*excerpt, beside[place]]
            for place in (last + 1, first - 1)
            if place in beside
        ]
        short = [each for each in wider if len(write_excerpt(each)) <= _ENOUGH]
        if not short:
            break
        excerpt = max(short, key=lambda each: sum(scores[one.text] for one in each))
    return excerpt


def write_excerpt(sentences: Sequence[Sentence]) -> str:
    """Write neighbouring sentences as one quote, each lead once."""
    text, lead = sentences[0].text, sentences[0].lead
    for sentence in sentences[1:]:
        shown = sentence.lead.removesuffix(" …")
        is_known = not shown or shown == lead.removesuffix(" …")
        lead = sentence.lead
        text += _BULLET if sentence.is_item else " "
        text += sentence.own if is_known else sentence.text
    return text if len(sentences) > 1 else text[:LONGEST]
