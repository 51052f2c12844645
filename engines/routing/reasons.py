"""Why a question goes where it goes, in its language."""

from collections.abc import Sequence
from typing import Final

from engines.answer import RouteName
from engines.routing.weighing import Weighed
from engines.tables.schema_words import Named
from stores.text.translations import load_translations

_NAMED_WORDS: Final = 3
_PHRASES: Final = {
    "en": {
        "both_asked": "documents and database were asked for",
        "only_documents": "there are only documents",
        "no_tables": "no tables can be asked: {error}",
        "tables_failed": "where to look could not be seen from the tables: {error}",
        "not_verified": "{reason}; no verified query answers it, so the documents are asked too",
        "unreadable": "the model's choice could not be read; {reason}",
        "no_search": "nothing had to be looked up",
        "it": "it {does}",
        "both": "{tables}; {documents}",
        "and": " and ",
        "quoted": "“{word}”",
        "names": "names {words} of the tables",
        "hold": "the documents hold {words}",
        "not_for_documents": "nothing in it speaks for the documents",
        "not_for_tables": "it names little that the tables hold",
        "count": "asks for a count",
        "ranking": "asks for a ranking",
        "measure": "asks for a measure",
        "grouping": "asks for a breakdown",
        "listing": "asks for a list",
        "choice": "asks for a choice",
        "comparison": "asks for a comparison",
        "explaining": "asks for an explanation",
        "permission": "asks what is possible or allowed",
        "telling": "asks what is said or written",
        "personal": "asks for somebody's own case",
    },
    "fr": {
        "both_asked": "les documents et la base ont été demandés",
        "only_documents": "il n'y a que des documents",
        "no_tables": "aucune table ne peut être interrogée : {error}",
        "tables_failed": "les tables n'ont pas pu dire où chercher : {error}",
        "not_verified": (
            "{reason} ; aucune requête vérifiée n'y répond, donc les documents sont consultés aussi"
        ),
        "unreadable": "le choix du modèle était illisible ; {reason}",
        "no_search": "il n'y avait rien à chercher",
        "it": "elle {does}",
        "both": "{tables} ; {documents}",
        "and": " et ",
        "quoted": "«\u00a0{word}\u00a0»",
        "names": "nomme {words} dans les tables",
        "hold": "les documents contiennent {words}",
        "not_for_documents": "rien n'y parle pour les documents",
        "not_for_tables": "elle nomme peu de ce que les tables contiennent",
        "count": "demande un nombre",
        "ranking": "demande un classement",
        "measure": "demande une mesure",
        "grouping": "demande une répartition",
        "listing": "demande une liste",
        "choice": "demande un choix",
        "comparison": "demande une comparaison",
        "explaining": "demande une explication",
        "permission": "demande ce qui est possible ou permis",
        "telling": "demande ce qui est dit ou écrit",
        "personal": "demande un cas personnel",
    },
}
_ASKS_TABLES: Final = {
    *("count", "ranking", "measure", "grouping", "listing", "choice", "comparison"),
}
_ASKS_DOCUMENTS: Final = {"explaining", "permission", "telling", "personal"}


def reason(name: str, language: str, **values: object) -> str:
    return _PHRASES[language][name].format(**values)


def why(route: RouteName, weighed: Sequence[Weighed], language: str) -> str:
    """In words of the user, quoted."""
    speaks = max(weighed, key=lambda each: (each.verified, each.for_tables))
    tells = max(weighed, key=lambda each: each.for_documents)
    reasons = {
        "database": _why_tables(speaks, language),
        "documents": _why_documents(tells, language),
    }
    return reasons.get(route) or reason(
        "both", language, tables=reasons["database"], documents=reasons["documents"]
    )


def _why_tables(part: Weighed, language: str) -> str:
    if part.verified:
        return load_translations(language).gettext("a verified query answers it")
    does = []
    if named := _named(part):
        does.append(reason("names", language, words=_quoted(named, language)))
    if part.strongest and part.strongest.kind in _ASKS_TABLES:
        does.append(reason(part.strongest.kind, language))
    if not does:
        return reason("not_for_documents", language)
    return reason("it", language, does=reason("and", language).join(does))


def _named(part: Weighed) -> Sequence[str]:
    """Words of names of tables and columns, those of tables first; else values."""
    known = [each for each in part.asked.named if each[1] >= Named.COLUMN]
    words = [text for text, _ in sorted(known, key=lambda each: -each[1])]
    return words or part.names


def _why_documents(part: Weighed, language: str) -> str:
    asks = (cue.kind for cue in part.asked.cues if cue.kind in _ASKS_DOCUMENTS)
    reasons = [reason("it", language, does=reason(kind, language)) for kind in asks][:1]
    if part.held:
        reasons.append(reason("hold", language, words=_quoted(part.held, language)))
    return reason("and", language).join(reasons) or reason("not_for_tables", language)


def _quoted(found: Sequence[str], language: str) -> str:
    words = list(dict.fromkeys(found))[:_NAMED_WORDS]
    return ", ".join(reason("quoted", language, word=word) for word in words)
