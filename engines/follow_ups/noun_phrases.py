"""The noun phrases of a question: what it names, and what a later pronoun may stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engines.follow_ups.follow_up_words import Word, singles
from stores.text.words import FUNCTION_WORDS

PREPOSITIONS: Final = singles("prepositions")
_COUNTING: Final = {"which", "what", "many", "quel", "quelle", "quels", "quelles", "of", "de", "d'"}
_INTRODUCING: Final = singles("articles") | PREPOSITIONS | {"do", "does", "did", "are", "is", "can"}
_FUNCTION: Final = FUNCTION_WORDS.union(
    *(
        singles(name)
        for name in (
            *("asking", "verbs", "prepositions", "articles", "between_clauses", "things"),
            *("persons", "selves", "owners", "pointing", "choosing", "subjects"),
            *("continuing", "measuring"),
        )
    )
)


@dataclass(frozen=True)
class Phrase:
    """Words from `begin` to `end`, without their article; `asked` when the question asks which."""

    begin: int
    end: int
    asked: bool
    named: bool
    plural: bool


def noun_phrases(words: Sequence[Word], before: int) -> Iterator[Phrase]:
    """Those before a word, but for what is counted or measured and what that word completes."""
    begin: int | None = None
    for at in range(before + 1):
        content = at < before and _is_content(words[at])
        if content and begin is None:
            begin = at
        elif not content and begin is not None:
            if _is_nominal(words, begin, at) and not _governs(words, at, before):
                yield _phrase(words, begin, at)
            begin = None


def _phrase(words: Sequence[Word], begin: int, end: int) -> Phrase:
    named = any(word.is_name for word in words[max(begin, 1) : end])
    before = [word.folded for word in words[max(begin - 2, 0) : begin]]
    asked = any(
        word in ("which", "what", "many", "combien") or word.startswith("quel") for word in before
    )
    head = words[begin]
    plural = head.folded.endswith("s") and not head.folded.endswith("ss")
    single = end == begin + 1 and not head.is_name
    return Phrase(begin, end, asked=asked and not named, named=named, plural=single and plural)


def _is_content(word: Word) -> bool:
    part = word.folded.startswith(("'", "-")) or word.folded.endswith("'")
    return not (word.is_mark or part or word.folded in _FUNCTION)


def _is_nominal(words: Sequence[Word], begin: int, end: int) -> bool:
    """Behind an article or a preposition, or a name; a verb is not."""
    if words[end - 1].folded in singles("measures") or words[begin].folded in singles("openings"):
        return False
    before = words[begin - 1].folded if begin else ""
    if not begin:
        return end < len(words) and words[end].folded not in singles("inverted")
    introduced = (before in _INTRODUCING and before != "to") or before in _COUNTING
    return introduced or any(word.is_name for word in words[max(begin, 1) : end])


def _governs(words: Sequence[Word], end: int, pronoun: int) -> bool:
    """The price of it, the app to it: what the pronoun completes is not what it stands for."""
    return (
        end + 1 == pronoun < len(words)
        and words[end].folded in PREPOSITIONS
        and words[pronoun].folded not in singles("inverted")
        and not words[end - 1].is_name
    )
