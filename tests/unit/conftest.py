"""What the unit tests share."""

import os
from pathlib import Path

import platformdirs
import pytest

from kb.sentence_model import ModelPair, SentenceModel, fetch
from kb.sentence_model.files import MINILM

CACHE = Path(os.environ.get("KB_CACHE") or platformdirs.user_cache_dir("kb"))


@pytest.fixture(scope="session")
def sentence_model() -> SentenceModel:
    """The real one for English; fetched by the first run on a machine."""
    fetch(CACHE, print)
    return SentenceModel(directory=MINILM.directory(CACHE))


@pytest.fixture(scope="session")
def model_pair() -> ModelPair:
    """The real one of all languages beside it; fetched by the first run on a machine."""
    fetch(CACHE, print)
    return ModelPair(cache=CACHE)
