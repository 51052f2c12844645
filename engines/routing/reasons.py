"""Why a question goes where it goes, in its language."""

from collections.abc import Sequence
from typing import Final

from stores.text.translations import gettext_noop, load_translations

_MOST_WORDS: Final = 3
_REASONS: Final = {
    "both_asked": gettext_noop("documents and database were asked for"),
    "only_documents": gettext_noop("there are only documents"),
    "no_tables": gettext_noop("no tables can be asked: {error}"),
    "tables_failed": gettext_noop("where to look could not be seen from the tables: {error}"),
    "verified": gettext_noop("a verified query answers it"),
    "not_verified": gettext_noop(
        "no verified query answers it, and there is no language model to write one"
    ),
    "unreadable": gettext_noop("the model's choice could not be read; {reason}"),
    "no_search": gettext_noop("nothing had to be looked up"),
    "open": gettext_noop("documents and tables may both answer it"),
    "tables": gettext_noop("the tables are nearer to it than any passage"),
    "tables_have": gettext_noop("the tables have {words}"),
    "passages": gettext_noop("a passage is nearer to it than the tables"),
    "passages_have": gettext_noop("the documents hold {words}"),
    "quoted": gettext_noop("“{word}”"),
}


def reason(name: str, language: str, **values: object) -> str:
    """One of the reasons, with its values in their places."""
    return load_translations(language).gettext(_REASONS[name]).format(**values)


def quote(words: Sequence[str], language: str) -> str:
    """The first words of the user that decided."""
    shown = list(dict.fromkeys(words))[:_MOST_WORDS]
    return ", ".join(reason("quoted", language, word=word) for word in shown)
