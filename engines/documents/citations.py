"""Writes passages with numbers for a model, and cites them in an answer."""

from collections.abc import Sequence
from gettext import NullTranslations

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.answer import Citation, find_sheet
from engines.shortening import cut_between_words
from engines.visible_text import make_visible
from stores.text.translations import Message

_EXCERPT_CHARACTERS = 300


def number_passages(passages: Sequence[NodeWithScore]) -> str:
    """Write the passages for a model, each below its number, counted from 1."""
    return "\n\n".join(
        f"[{number}] {_join_headings(passage)}\n{passage.get_content(MetadataMode.NONE)}"
        for number, passage in enumerate(passages, start=1)
    )


def make_citation(number: int, passage: NodeWithScore, excerpt: str | None = None) -> Citation:
    """Make the citation of a passage; without an excerpt it quotes the beginning of the passage."""
    metadata = passage.metadata
    text = " ".join(passage.get_content(MetadataMode.NONE).split())
    return Citation(
        number=number,
        document=metadata.get("path") or passage.node.ref_doc_id or passage.node_id,
        title=make_visible(str(metadata.get("title") or metadata.get("path") or "")),
        page=metadata.get("page"),
        lines=metadata.get("lines"),
        sheet=find_sheet(metadata),
        score=round(passage.get_score(), 4),
        excerpt=make_visible(excerpt or cut_between_words(text, _EXCERPT_CHARACTERS)),
        root=metadata.get("root"),
        chunk=passage.node_id,
    )


def name_passage(passage: NodeWithScore, texts: NullTranslations) -> str:
    """Name a passage on one line: its title, its document, and its place in words of `texts`."""
    cited = make_citation(0, passage)
    place = cited.place
    told = place.say_in(texts) if isinstance(place, Message) else place
    parts = (" ".join(part.split()) for part in (cited.title, cited.document, told))
    return " · ".join(dict.fromkeys(filter(None, parts)))


def _join_headings(passage: NodeWithScore) -> str:
    """Write title, headings and path of a passage on one line, each text once."""
    metadata, hidden = passage.metadata, passage.node.excluded_llm_metadata_keys
    above = (metadata.get(key) for key in ("title", "headings") if key not in hidden)
    parts = (*above, metadata.get("path"))
    return " · ".join(dict.fromkeys(str(part) for part in parts if part))
