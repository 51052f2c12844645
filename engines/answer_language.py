"""The language to answer in, and the words that kb itself says in it."""

from engines.question import Question
from engines.search.query_analysis import query_language

PHRASES = {
    "en": {
        "nothing_indexed": (
            "No indexed document could be searched for this. Is there a filter that none passes? "
            "`kb status` shows what is indexed, `kb index PATH` adds documents."
        ),
        "not_found": "The documents do not say.",
        "extracts": "From the documents:",
        "from_tables": "From the tables:",
        "verified_route": "a verified query answers it",
        "documents_failed": "(The documents could not be asked: {reason})",
        "database_failed": "(The tables could not be asked: {reason})",
    },
    "fr": {
        "nothing_indexed": (
            "Aucun document indexé n'a pu être consulté pour cette question. Un filtre les "
            "écarte-t-il tous ? `kb status` montre ce qui est indexé, `kb index CHEMIN` ajoute des "
            "documents."
        ),
        "not_found": "Les documents ne le disent pas.",
        "extracts": "D'après les documents :",
        "from_tables": "D'après les tables :",
        "verified_route": "une requête vérifiée y répond",
        "documents_failed": "(Les documents n'ont pas pu être consultés : {reason})",
        "database_failed": "(Les tables n'ont pas pu être interrogées : {reason})",
    },
}


def phrase(name: str, question: str | Question) -> str:
    """What kb says, in the language of the question."""
    return PHRASES[question_language(question)][name]


def question_language(question: str | Question) -> str:
    """One of the languages that kb speaks itself, English for a question in any other."""
    asked = question if isinstance(question, Question) else Question(question)
    language = asked.language or query_language(asked.query_str)
    return language if language in PHRASES else "en"
