"""Greetings, thanks, and questions about kb itself: a short reply, and nothing is searched.

In front of a question they are left out.
"""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engines.answer_language import question_language
from engines.concepts import LANGUAGES, phrases, tokens
from engines.routing.asked_words import QUESTION_WORDS

_PHRASES: Final = "small_talk.txt"
_MOST_CHARACTERS = 200
# Of what is said together, the first of these gets the reply.
_KINDS: Final = (
    *("adding", "contents", "abilities", "identity", "wellbeing", "goodbye", "thanks", "greeting"),
    "assent",
)
_REPLIES: Final = {
    "en": {
        "greeting": "Hello. What would you like to know?",
        "wellbeing": "I am ready. What would you like to know?",
        "thanks": "You are welcome.",
        "goodbye": "Goodbye.",
        "assent": "What would you like to know?",
        "identity": (
            "I am kb. I answer questions from documents and business tables, and show where each "
            "answer comes from."
        ),
        "abilities": (
            "Ask me in your own words: I search the documents, query the tables, or both, and show "
            "the passages and the SQL of each answer."
        ),
        "adding": (
            "`kb index PATH` adds the documents of a directory, or one file. Run it again after "
            "changes: nothing is read twice."
        ),
        "contents": "`kb status` shows what is indexed.",
    },
    "fr": {
        "greeting": "Bonjour. Que souhaitez-vous savoir ?",
        "wellbeing": "Je suis prêt. Que souhaitez-vous savoir ?",
        "thanks": "Je vous en prie.",
        "goodbye": "Au revoir.",
        "assent": "Que souhaitez-vous savoir ?",
        "identity": (
            "Je suis kb. Je réponds aux questions à partir de documents et de tables, et je montre "
            "d'où vient chaque réponse."
        ),
        "abilities": (
            "Posez votre question avec vos mots : je cherche dans les documents, j'interroge les "
            "tables, ou les deux, et je montre les passages et le SQL de chaque réponse."
        ),
        "adding": (
            "`kb index CHEMIN` ajoute les documents d'un dossier, ou un fichier. Relancez la "
            "commande après des changements : rien n'est lu deux fois."
        ),
        "contents": "`kb status` montre ce qui est indexé.",
    },
}
_FACTS: Final = {
    "en": ("Indexed documents: {documents}.", "Tables: {tables}."),
    "fr": ("Documents indexés : {documents}.", "Tables : {tables}."),
}
_IN_PASSING: Final = {"wellbeing", "goodbye", "thanks", "greeting", "assent"}
_PAUSE = re.compile(
    rf"(?:[,!?:;\u2026]|\.(?!\s*\d))+\s+|\s+[\u2013\u2014-]+\s+|\s+(?={QUESTION_WORDS})",
    re.IGNORECASE,
)
_AND = re.compile(r"\A(?:and|but|so|et|mais)\s+(?=\S)", re.IGNORECASE)
_ABOUT_SOURCES: Final = {"abilities", "contents"}


@dataclass(frozen=True)
class Sources:
    """What there is to ask."""

    documents: int
    tables: Sequence[str] = ()


def small_talk(question: str, sources: Callable[[], Sources] | None = None) -> str | None:
    """The reply, in the question's language; None for whatever is to be answered.

    `sources` is called only when the reply tells of them.
    """
    if len(question) > _MOST_CHARACTERS:
        return None
    words = [token.folded for token in tokens(question)]
    own = question_language(question)
    for language in sorted(LANGUAGES, key=own.__ne__):
        if kind := _kind(words, language):
            reply = _REPLIES[language][kind]
            told = _told(sources(), language) if sources and kind in _ABOUT_SOURCES else ()
            return " ".join((reply, *told) if kind == "abilities" else (*told, reply))
    return None


def without_greeting(question: str) -> str:
    """The question behind "Hi there!", "Thanks, and" or the like."""
    begin = 0
    for pause in _PAUSE.finditer(question[:_MOST_CHARACTERS]):
        if not _is_said_in_passing(question[begin : pause.start()]):
            break
        begin = pause.end()
    return _AND.sub("", question[begin:], count=1) if begin else question


def _is_said_in_passing(text: str) -> bool:
    words = [token.folded for token in tokens(text)]
    found = (_kinds(words, language) or set() for language in LANGUAGES)
    return any(kinds and kinds <= _IN_PASSING for kinds in found)


def _kind(words: Sequence[str], language: str) -> str | None:
    if len(words) == 1 and words[0] in string.digits:  # the number of a choice that nobody gave
        return "assent"
    found = _kinds(words, language) or ()
    return next((kind for kind in _KINDS if kind in found), None)


def _kinds(words: Sequence[str], language: str) -> set[str] | None:
    """None when a word belongs to no phrase."""
    found: set[str] = set()
    for _, kinds in phrases(words, [language], _PHRASES):
        if kinds is None:
            return None
        found.update(kinds)
    return found


def _told(sources: Sources, language: str) -> list[str]:
    documents, tables = _FACTS[language]
    told = [documents.format(documents=sources.documents)]
    if sources.tables:
        told.append(tables.format(tables=", ".join(sources.tables)))
    return told
