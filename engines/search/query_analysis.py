"""What a question says about how to search for it, found without a model."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from llama_index.core.vector_stores.types import MetadataFilters

from engines.search.identifiers import identifiers
from engines.search.query_filters import without_filters
from stores.text.text_language import guess_language
from stores.text.words import ELISION, folded

Kind = Literal["question", "keywords", "identifier"]

_PHRASE = re.compile(r"(?<!\w)\"(?=\S)([^\"]+)(?<=\S)\"(?!\w)|“([^“”]+)”|«([^«»]+)»")
_LETTERS = re.compile(r"[^\W\d_]+")
_SAMPLE = 2_000  # characters

# Words that one of the two languages has and the other has not, for texts too short to classify.
_HINTS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset(
        (
            *("the", "of", "and", "is", "are", "was", "were", "do", "does", "did", "has", "have"),
            *("what", "which", "who", "why", "how", "when", "where", "with", "without", "from"),
            *(
                "by",
                "for",
                "this",
                "my",
                "your",
                "our",
                "can",
                "should",
                "will",
                "must",
                "to",
                "it",
            ),
        )
    ),
    "fr": frozenset(
        (
            *("le", "la", "les", "des", "du", "un", "une", "est", "sont", "dans", "avec", "sans"),
            *("sur", "pour", "par", "que", "qui", "quoi", "quel", "quelle", "pourquoi", "comment"),
            *("combien", "quand", "ce", "cette", "mon", "ma", "mes", "votre", "peut", "au", "aux"),
        )
    ),
}
_QUESTION_WORDS = frozenset(
    (
        *("what", "which", "who", "whom", "whose", "why", "how", "when", "where", "is", "are"),
        *("was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "must"),
        *("que", "quel", "quelle", "quels", "quelles", "qui", "quoi", "pourquoi", "comment"),
        *("combien", "quand", "ou", "est", "lequel", "laquelle", "peut", "puis", "dois", "faut"),
    )
)
_FRENCH_LETTERS = re.compile("[éèêëàâçùûîïœ]", re.IGNORECASE)
_OTHER_LETTERS = re.compile("[áíóúñãõäöüßåøæăşșţțłęąőűěščřžýğ¿¡]", re.IGNORECASE)


@dataclass(frozen=True)
class AnalysedQuery:
    """`text` is what is searched for; `language` "" is doubt; `notes` say what was done."""

    text: str
    language: str
    kind: Kind
    identifiers: tuple[str, ...]
    phrases: tuple[str, ...]
    filters: MetadataFilters | None
    notes: tuple[str, ...]


def analyse(question: str, filter_keys: Collection[str]) -> AnalysedQuery:
    """Language, identifiers, quoted phrases and `key:value` filters of a question."""
    filtered = without_filters(question, filter_keys)
    phrases = tuple(dict.fromkeys(_phrases(filtered.text)))
    text = " ".join(_PHRASE.sub(_unquoted, filtered.text).split())
    names = identifiers(text)
    return AnalysedQuery(
        text=text,
        language=query_language(text, names) or filtered.language,
        kind=_kind(text, names),
        identifiers=names,
        phrases=phrases,
        filters=filtered.filters,
        notes=(*filtered.notes, *(_note(phrase) for phrase in phrases)),
    )


def query_language(text: str, names: Collection[str] = ()) -> str:
    """The ISO 639-1 code, "" for doubt: a few keywords may be of any language."""
    plain = " ".join(word for word in text[:_SAMPLE].split() if word.strip("?!.,") not in names)
    return guess_language(" ".join(_LETTERS.findall(plain))) or _hinted(plain)


def _hinted(text: str) -> str:
    if _OTHER_LETTERS.search(text):
        return ""
    words = _LETTERS.findall(folded(text))
    votes = {name: sum(word in hints for word in words) for name, hints in _HINTS.items()}
    votes["fr"] += bool(_FRENCH_LETTERS.search(text)) + len(ELISION.findall(text))
    if votes["en"] == votes["fr"]:
        return ""
    return max(votes, key=votes.__getitem__)


def _phrases(text: str) -> list[str]:
    found = (next(filter(None, groups)).strip() for groups in _PHRASE.findall(text))
    return [" ".join(phrase.split()) for phrase in found if re.search(r"\w", phrase)]


def _unquoted(found: re.Match[str]) -> str:
    return f" {next(filter(None, found.groups())).strip()} "


def _note(phrase: str) -> str:
    return f"Only passages that hold the exact words “{phrase:.80}” are searched."


def _kind(text: str, names: Collection[str]) -> Kind:
    words = text.split()
    if "?" in text or _asks(words):
        return "question"
    if names and 2 * len(names) >= len(words):
        return "identifier"
    return "keywords"


def _asks(words: list[str]) -> bool:
    first = folded(re.split(r"['\u2019-]", words[0])[0]) if words else ""
    return len(words) > 1 and first in _QUESTION_WORDS
