"""What the unit tests share."""

import os
from pathlib import Path

import platformdirs
import pytest

from kb.sentence_model import SentenceModel, fetch

CACHE = Path(os.environ.get("KB_CACHE") or platformdirs.user_cache_dir("kb"))


@pytest.fixture(scope="session")
def sentence_model() -> SentenceModel:
    """The real one; fetched by the first run on a machine."""
    return SentenceModel(directory=fetch(CACHE, print))
