"""Words why a question goes to a source, in the language of the question."""

from collections.abc import Sequence
from typing import Final

from stores.text.translations import gettext_noop, load_translations

_MOST_WORDS: Final = 3
_REASONS: Final = {
    "documents_asked": gettext_noop("documents were asked for"),
    "database_asked": gettext_noop("the database was asked for"),
    "both_asked": gettext_noop("documents and database were asked for"),
    "only_documents": gettext_noop("there are only documents"),
    "no_tables": gettext_noop("no tables can be asked: {error}"),
    "not_compared": gettext_noop("the sources could not be compared: {error}"),
    "verified": gettext_noop("a verified query answers it"),
    "not_verified": gettext_noop(
        "no verified query answers it, and there is no language model to write one"
    ),
    "rest": gettext_noop("the documents are asked the rest"),
    "unreadable": gettext_noop("the model's choice could not be read; {reason}"),
    "no_search": gettext_noop("nothing had to be looked up"),
    "open": gettext_noop("documents and tables may both answer it"),
    "tables": gettext_noop("the tables are nearer to it than any passage"),
    "tables_have": gettext_noop("the tables have {words}"),
    "passages": gettext_noop("a passage is nearer to it than the tables"),
    "passages_have": gettext_noop("the documents hold {words}"),
    "quoted": gettext_noop("“{word}”"),
}


def say_reason(name: str, language: str, **values: object) -> str:
    """Say one of the reasons in a language, with the values in their places."""
    return load_translations(language).gettext(_REASONS[name]).format(**values)


def quote_words(words: Sequence[str], language: str) -> str:
    """Quote the first of the words by which a source was chosen."""
    shown = list(dict.fromkeys(words))[:_MOST_WORDS]
    return ", ".join(say_reason("quoted", language, word=word) for word in shown)
