"""Parts of sentences that only an earlier question completes: in March, the cheapest, why not."""

import re
from collections.abc import Sequence
from typing import Final

from engines.follow_ups.follow_up_words import Word, begins, singles, words_of
from engines.follow_ups.noun_phrases import PREPOSITIONS
from engines.follow_ups.slots import is_value, slots

FEW: Final = 8  # words; what is longer says what it is about
_SUPERLATIVE: Final = re.compile(
    r"the (?:\d+ )?(?:\w+est|(?:most|least) \w+)(?: ones?)?|l(?:a|es?) (?:\d+ )?(?:plus|moins) \w+"
)


def is_of_values(said: str) -> bool:
    """Last month, the United Kingdom: times and countries, and nothing about them."""
    for slot in slots(said):
        if slot.kind in ("time", "country"):
            said = said.replace(slot.whole, "", 1)
            if all(word.is_mark or word.folded in _EMPTY for word in words_of(said)):
                return True
    return False


def is_fragment(words: Sequence[Word], *, continued: bool) -> bool:
    """A part of a sentence that only another question completes."""
    if _says_little(words):
        return continued or not _is_number(words)
    counted = continued and len(words) <= FEW // 2 and not _has_verb(words)
    if len(words) > FEW or (_is_clause(words) and not counted):
        return (
            continued
            and bool(begins(words, "between_clauses"))
            and not _asks([word.folded for word in words[1:]])
        )
    bare = begins(words, "prepositions") or any(begins(words[at:], "also") for at in _ends(words))
    return continued or bool(bare) or _is_superlative(words)


def _says_little(words: Sequence[Word]) -> bool:
    folds = (word.folded for word in words)
    return all(fold in _EMPTY or fold.isdigit() or is_value(fold) for fold in folds)


def is_request(words: Sequence[Word]) -> bool:
    """Show me the oldest, give me examples: nothing says of what."""
    said = words[begins(words, "requests") :]
    return 0 < len(said) < len(words) and (_says_little(said) or _is_superlative(said))


_EMPTY: Final = frozenset().union(
    *(
        singles(name)
        for name in (
            "articles",
            "asking",
            "measuring",
            "measures",
            "prepositions",
            "ordinals",
            "alone",
        )
    ),
    ("one", "ones", "two", "three", "top", "please", "svp", "merci", "and", "et"),
)


def _is_number(words: Sequence[Word]) -> bool:
    """One that may name something, such as an order."""
    return len(words) == 1 and words[0].folded.isdigit() and not is_value(words[0].folded)


def _is_clause(words: Sequence[Word]) -> bool:
    return _has_verb(words) or _asks([word.folded for word in words])


def _has_verb(words: Sequence[Word]) -> bool:
    verbal = singles("verbs") | singles("inverted") | singles("subjects") - singles("asking")
    return words[0].folded in singles("openings") or any(
        word.folded in verbal - PREPOSITIONS for word in words
    )


def _asks(folds: Sequence[str]) -> bool:
    """Whether there is a question word with something to ask about."""
    asked = [word for word in folds if word in singles("asking")]
    return bool(asked) and not all(word in _EMPTY for word in folds)


def _ends(words: Sequence[Word]) -> range:
    return range(max(len(words) - 2, 1), len(words))


def _is_superlative(words: Sequence[Word]) -> bool:
    """The cheapest, the 5 oldest ones, la plus chère."""
    return bool(_SUPERLATIVE.fullmatch(" ".join(word.folded for word in words)))
