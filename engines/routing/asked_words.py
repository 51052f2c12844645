"""The words of a question: those that show what it asks for, and those that name something."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engines.concepts import Token, phrases, tokens
from engines.documents.figures import figures
from engines.tables.schema_words import Named, SchemaWords
from stores.text.words import FUNCTION_WORDS

QUESTION_WORDS = (
    r"(?:what|which|who|why|how|when|where|is|are|was|does|do|did|can"
    r"|qu\w+|pourquoi|comment|combien|où|est-ce)\b"
)
_CUES = "routing/cues.txt"
_INVERTED = re.compile(r"(?<=\w-)(?:je|tu|vous)\b", re.IGNORECASE)  # livrez-vous
_AFTER_NOUN = {"measure", "ranking"}  # as in la note moyenne
_HEAD = 3  # words behind "how many" or "which" that may be what is asked for


@dataclass(frozen=True)
class Cue:
    """Words that show what is asked for; `named` is where the tables have what they ask of."""

    kind: str
    text: str
    named: Named


@dataclass(frozen=True)
class AskedWords:
    """`named` are the words that the tables have; `others` those that only documents can explain.

    A figure is neither.
    """

    cues: Sequence[Cue]
    named: Sequence[tuple[str, Named]]
    others: Sequence[str]
    figures: Sequence[str]


def read_words(
    text: str, language: str, schema: SchemaWords, values: Iterable[str] = ()
) -> AskedWords:
    """Words of the `values` that stand in the text need no other explanation."""
    found = tokens(text)
    explained = {token.folded for value in values for token in tokens(value)}
    places = _places(found, language, schema)
    cues, asking = _cues(found, places, language)
    cues += [Cue("personal", each, Named.NOWHERE) for each in _INVERTED.findall(text)]
    content = [
        (token, place)
        for at, (token, place) in enumerate(zip(found, places, strict=True))
        if place >= Named.COLUMN or not (at in asking or token.folded in FUNCTION_WORDS)
    ]
    unknown = [
        token
        for token, place in content
        if not place and token.folded not in explained and len(token.text) > 1
    ]
    return AskedWords(
        cues=cues,
        named=[(token.text, place) for token, place in content if place],
        others=[token.text for token in unknown if not _is_figure(token)],
        figures=[token.text for token, _ in content if _is_figure(token)],
    )


def names_table(text: str, language: str, schema: SchemaWords) -> bool:
    return Named.TABLE in _places(tokens(text), language, schema)


def has_cue(text: str, language: str) -> bool:
    folded = [token.folded for token in tokens(text)]
    return any(kinds for _, kinds in phrases(folded, [language], _CUES))


def _places(found: Sequence[Token], language: str, schema: SchemaWords) -> list[Named]:
    places = schema.places([token.folded for token in found], language)
    return [
        Named.NOWHERE if token.folded in FUNCTION_WORDS else place
        for token, place in zip(found, places, strict=True)
    ]


def _cues(
    found: Sequence[Token], places: Sequence[Named], language: str
) -> tuple[list[Cue], set[int]]:
    """The cues, and which words only ask; one of a figure also names it."""
    cues: list[Cue] = []
    asking: set[int] = set()
    at = 0
    for phrase, kinds in phrases([token.folded for token in found], [language], _CUES):
        end = at + len(phrase)
        if kinds is not None:
            text = " ".join(token.text for token in found[at:end])
            before = at - 1 if at and _AFTER_NOUN.intersection(kinds) else at
            named = max((*places[before:at], *places[end : end + _HEAD]), default=Named.NOWHERE)
            cues += [Cue(kind, text, named) for kind in kinds]
            if "figure" not in kinds:
                asking.update(range(at, end))
        at = end
    return cues, asking


def _is_figure(word: Token) -> bool:
    return word.text[0].isdigit() or bool(figures(word.text))
