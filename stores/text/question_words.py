"""The words that begin a question, by language."""

from typing import Final

QUESTION_WORDS: Final = {
    "en": (
        r"(?:what|which|who|whose|why|how|when|where|is|are|was|were|does|do|did|has|have|can|could"
        r"|may|must|should)\b"
    ),
    "fr": r"(?:qu\w+|pourquoi|comment|combien|où|est-ce|peut-on|y a-t-il)\b",
}
