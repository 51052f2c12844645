"""The section on what is kept for the next time."""

from kb.config.section import Positive, Seconds, Section


class EmbeddingsCacheConfig(Section):
    """Embeddings of questions, which each process keeps for itself."""

    mb: Positive = 16
    """Their size, beyond which those used least lately go."""
    seconds: Seconds = 3600
    """For how long one is kept."""


class CachesConfig(Section):
    """What is kept for the next time."""

    embeddings: EmbeddingsCacheConfig | None = EmbeddingsCacheConfig()
    """Embeddings of questions; `null` embeds each anew."""
