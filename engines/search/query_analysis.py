"""Find out, without a model, what a question says about how to search for it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from llama_index.core.vector_stores.types import MetadataFilters

from engines.search.identifiers import find_identifiers
from engines.search.query_filters import Filtered, remove_filters
from stores.text.question_words import load_first_words
from stores.text.text_language import detect_question_language
from stores.text.tokens import fold

Kind = Literal["question", "keywords", "identifier"]

_PHRASE = re.compile(
    r"(?<!\w)\"(?=\S)([^\"]+)(?<=\S)\"(?!\w)|„([^„“”]+)[“”]|“([^“”]+)”|«([^«»]+)»|»([^«»]+)«"
)


@dataclass(frozen=True)
class AnalysedQuery:
    """`text` is what is searched for; `language` "" is doubt; `notes` say what was done."""

    text: str
    language: str
    kind: Kind
    phrases: tuple[str, ...]
    filters: MetadataFilters | None
    notes: tuple[str, ...]


def analyse_question(question: str, filter_keys: Collection[str] | None) -> AnalysedQuery:
    """Find language, quoted phrases and `key:value` filters of a question, and of what kind it is.

    With `filter_keys` None all of it is text: nobody typed its filters and phrases.
    """
    if filter_keys is None:
        filtered, quoted = Filtered(" ".join(question.split()), None, "", ()), []
    else:
        filtered = remove_filters(question, filter_keys)
        quoted = [_read_quoted(match) for match in _PHRASE.finditer(filtered.text)]
    phrases = tuple(dict.fromkeys(phrase for phrase in quoted if re.search(r"\w", phrase)))
    unquoted = _PHRASE.sub(lambda match: f" {_read_quoted(match)} ", filtered.text)
    text = " ".join(unquoted.split())
    names = find_identifiers(text)
    return AnalysedQuery(
        text=text,
        language=detect_question_language(text, names) or filtered.language,
        kind=_classify_text(text, names),
        phrases=phrases,
        filters=filtered.filters,
        notes=filtered.notes,
    )


def _read_quoted(match: re.Match[str]) -> str:
    """Return what stands between the marks of _PHRASE, with single spaces."""
    return " ".join(next(filter(None, match.groups())).split())


def _classify_text(text: str, names: Collection[str]) -> Kind:
    words = text.split()
    first = fold(re.split(r"['\u2019-]", words[0])[0]) if words else ""
    if "?" in text or (len(words) > 1 and first in load_first_words()):
        return "question"
    if names and 2 * len(names) >= len(words):
        return "identifier"
    return "keywords"
