"""Greetings, thanks, and questions about kb itself: a short reply, and nothing is searched.

In front of a question they are left out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engines.answer_language import question_language
from stores.text.phrases import split_phrases
from stores.text.question_words import QUESTION_WORDS
from stores.text.tokens import tokenize
from stores.text.translations import LANGUAGES, gettext_noop, load_translations

_PHRASES: Final = "engines/small_talk.txt"
_MOST_CHARACTERS = 200
# Of what is said together, the first of these gets the reply.
_KINDS: Final = (
    *("adding", "contents", "abilities", "identity", "wellbeing", "goodbye", "thanks", "greeting"),
    "assent",
)
_REPLIES: Final = {
    "greeting": gettext_noop("Hello. What would you like to know?"),
    "wellbeing": gettext_noop("I am ready. What would you like to know?"),
    "thanks": gettext_noop("You are welcome."),
    "goodbye": gettext_noop("Goodbye."),
    "assent": gettext_noop("What would you like to know?"),
    "identity": gettext_noop(
        "I am kb. I answer questions from documents and business tables, and show where each "
        "answer comes from."
    ),
    "abilities": gettext_noop(
        "Ask me in your own words: I search the documents, query the tables, or both, and show the "
        "passages and the SQL of each answer."
    ),
    "adding": gettext_noop(
        "`kb index PATH` adds the documents of a directory, or one file. Run it again after "
        "changes: nothing is read twice."
    ),
    "contents": gettext_noop("`kb status` shows what is indexed."),
}
_IN_PASSING: Final = {"wellbeing", "goodbye", "thanks", "greeting", "assent"}
_PAUSES: Final = {
    language: re.compile(
        rf"(?:[,!?:;\u2026]|\.(?!\s*\d))+\s+|\s+[\u2013\u2014-]+\s+|\s+(?={begin})", re.IGNORECASE
    )
    for language, begin in QUESTION_WORDS.items()
}
_AND = re.compile(r"\A(?:and|but|so|et|mais)\s+(?=\S)", re.IGNORECASE)
_ABOUT_SOURCES: Final = {"abilities", "contents"}


@dataclass(frozen=True)
class Sources:
    """What there is to ask."""

    documents: int
    tables: Sequence[str] = ()


def reply_to_small_talk(question: str, sources: Callable[[], Sources] | None = None) -> str | None:
    """Return the reply, in the question's language; None for whatever is to be answered.

    `sources` is called only when the reply tells of them.
    """
    if len(question) > _MOST_CHARACTERS:
        return None
    words = [token.folded for token in tokenize(question)]
    own = question_language(question)
    for language in sorted(LANGUAGES, key=own.__ne__):
        if kind := _find_kind(words, language):
            reply = load_translations(language).gettext(_REPLIES[kind])
            wanted = sources if kind in _ABOUT_SOURCES else None
            facts = _describe_sources(wanted(), language) if wanted else ()
            return " ".join((reply, *facts) if kind == "abilities" else (*facts, reply))
    return None


def remove_greeting(question: str) -> str:
    """Return the question behind "Hi there!", "Thanks, and" or the like."""
    begin = 0
    for pause in _PAUSES[question_language(question)].finditer(question[:_MOST_CHARACTERS]):
        said = question[begin : pause.start()]
        if not _is_said_in_passing(said, is_apart=bool(pause[0].strip())):
            break
        begin = pause.end()
    return _AND.sub("", question[begin:], count=1) if begin else question


def _is_said_in_passing(text: str, *, is_apart: bool) -> bool:
    """Tell whether a text is no part of the question behind it, from which signs set it apart.

    Without these an assent is, for "no" and "good" may say what the question is about, but for one
    that more words follow: "OK so".
    """
    words = [token.folded for token in tokenize(text)]
    for language in LANGUAGES:
        phrases = [kinds for _, kinds in split_phrases(words, [language], _PHRASES)]
        found = {kind for kinds in phrases for kind in kinds or ()}
        is_assent = bool(phrases) and phrases[-1] == ["assent"] and not is_apart
        if found and None not in phrases and found <= _IN_PASSING and not is_assent:
            return True
    return False


def _find_kind(words: Sequence[str], language: str) -> str | None:
    if len(words) == 1 and len(words[0]) == 1 and words[0].isdecimal():  # a choice nobody gave
        return "assent"
    found = _find_kinds(words, language) or ()
    return next((kind for kind in _KINDS if kind in found), None)


def _find_kinds(words: Sequence[str], language: str) -> set[str] | None:
    """Return the kinds of the phrases; None when a word belongs to none."""
    found: set[str] = set()
    for _, kinds in split_phrases(words, [language], _PHRASES):
        if kinds is None:
            return None
        found.update(kinds)
    return found


def _describe_sources(sources: Sources, language: str) -> list[str]:
    texts = load_translations(language)
    facts = [texts.gettext("Indexed documents: {n}.").format(n=sources.documents)]
    if sources.tables:
        facts.append(texts.gettext("Tables: {tables}.").format(tables=", ".join(sources.tables)))
    return facts
