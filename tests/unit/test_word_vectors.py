from pathlib import Path

import numpy as np
import pytest

from kb.assembly.models import make_embedder
from kb.config.models import EmbeddingConfig
from kb.config.sections import Config


@pytest.fixture(scope="module")
def word_vectors():
    return make_embedder(Config(embedding=EmbeddingConfig(provider="wordllama")))


def test_word_vectors_equal_those_of_wordllama(word_vectors):
    import wordllama  # noqa: PLC0415 - only this test runs its code

    texts = ["How do I return a bicycle?", "La garantie", "a"]
    folder = Path(wordllama.__file__).parent  # where it does not look by itself
    theirs = wordllama.WordLlama.load(cache_dir=folder, disable_download=True).embed(
        texts, norm=True
    )
    assert np.array(word_vectors.get_text_embedding_batch(texts)) == pytest.approx(theirs, abs=1e-5)


def test_every_text_gets_a_unit_word_vector(word_vectors):
    embeddings = np.array(word_vectors.get_text_embedding_batch(["", "  ", "\ud800", "a" * 5000]))
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)


async def test_word_vectors_are_cut_to_the_dimensions_asked_for():
    embedding = EmbeddingConfig(provider="wordllama", dimensions=64)
    embedder = make_embedder(Config(embedding=embedding))
    assert len(await embedder.aget_query_embedding("bicycle")) == 64
