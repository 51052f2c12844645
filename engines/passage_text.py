"""Reads the text of a passage with the headings that stand above it."""

from llama_index.core.schema import MetadataMode, NodeWithScore


def text_below_headings(passage: NodeWithScore) -> str:
    """Return the text of a passage below its title and headings, which say what it is about."""
    above = (str(passage.metadata.get(key) or "") for key in ("title", "headings"))
    return " ".join([*above, passage.get_content(MetadataMode.NONE)])
