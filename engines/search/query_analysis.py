"""What a question says about how to search for it, found without a model."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from llama_index.core.vector_stores.types import MetadataFilters

from engines.search.identifiers import identifiers
from engines.search.query_filters import without_filters
from stores.text.question_words import load_first_words
from stores.text.text_language import detect_question_language
from stores.text.tokens import fold

Kind = Literal["question", "keywords", "identifier"]

_PHRASE = re.compile(r"(?<!\w)\"(?=\S)([^\"]+)(?<=\S)\"(?!\w)|“([^“”]+)”|«([^«»]+)»")


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
        language=detect_question_language(text, names) or filtered.language,
        kind=_kind(text, names),
        identifiers=names,
        phrases=phrases,
        filters=filtered.filters,
        notes=(*filtered.notes, *(_note(phrase) for phrase in phrases)),
    )


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
    first = fold(re.split(r"['\u2019-]", words[0])[0]) if words else ""
    return len(words) > 1 and first in load_first_words()
