"""Judges which search serves a question of a conversation: as asked, or joined to the one before.

No grammar tells a follow-up from a question that stands alone; what the searches find does. The
joined search gives higher scores for the words of the question before alone, so each search judges
the best passage of the other. "And in the Fern ward?" after a question about visits is a follow-up:
the passage that the joined search finds is nearly the best of the search as asked too, or holds its
words, while the joined search does not find the other's. For a question of its own it is the
reverse. On a draw nothing is joined, nor where the joined search scores less than half as high, for
what answers a question of its own may stand in several documents.
"""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore

from engines.documents.asked_words import CountWords
from engines.documents.extract import find_quotes
from engines.passage_text import text_below_headings
from engines.search.search_run import collect_searches, knows_languages
from stores.text.text_language import detect_question_language
from stores.text.words import stem_words

CANDIDATES: Final = 24  # passages of a search that can judge one of the other
_AS_WELL: Final = 0.5  # of its best score, that a search must give to the best of the other
_CLEARLY: Final = 0.1


class JoinedSearch:
    """Searches for both; `retriever` should give CANDIDATES passages.

    `embed_model` compares sentences with a question; `languages` are those that it knows.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        embed_model: BaseEmbedding,
        count_words: CountWords | None = None,
        languages: Collection[str] | None = None,
    ) -> None:
        self._retriever = retriever
        self._embed_model = embed_model
        self._languages = languages
        self._count_words = count_words

    def is_better(self, joined: str, asked: str) -> bool:
        """Tell whether the search for both questions finds more than that as asked.

        Raises ModelUnavailable, StoreUnavailable, UnsupportedFilter.
        """
        names = set(stem_words(asked, detect_question_language(asked)))
        if not names:  # Why? And how much?
            return True
        with collect_searches() as made:
            as_asked = self._retriever.retrieve(asked)
            as_joined = self._retriever.retrieve(joined)
        if not as_asked or not as_joined:
            return bool(as_joined)
        if as_asked[0].node_id == as_joined[0].node_id:
            searched = {search.query.language for search in made}
            is_bare = len(names) == 1  # Who makes them?
            return is_bare and not find_quotes(
                asked,
                as_asked,
                self._embed_model,
                adaptive=knows_languages(self._languages, searched),
                count_words=self._count_words,
            )
        if as_joined[0].get_score() < _AS_WELL * as_asked[0].get_score():
            return False
        by_asked = max(_judge_passage(as_asked, as_joined[0]), _find_share(names, as_joined[0]))
        by_joined = _judge_passage(as_joined, as_asked[0])
        return by_asked >= max(_AS_WELL, by_joined + _CLEARLY)


def _judge_passage(passages: Sequence[NodeWithScore], other: NodeWithScore) -> float:
    """Return a passage's score in a search as a part of its best one; 0 where it was not found."""
    scores = {passage.node_id: passage.get_score() for passage in passages}
    return scores.get(other.node_id, 0.0) / (passages[0].get_score() or 1.0)


def _find_share(names: AbstractSet[str], passage: NodeWithScore) -> float:
    """Return the part of the words that a passage holds: few words say little by their meaning."""
    text = text_below_headings(passage)
    language = passage.metadata.get("language") or detect_question_language(text)
    return len(names & set(stem_words(text, language))) / len(names)
