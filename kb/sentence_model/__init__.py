"""The model all-MiniLM-L6-v2, run by ONNX Runtime: fetched once at set-up, then used offline."""

from kb.sentence_model.fetch_model import fetch
from kb.sentence_model.sentence_embedding import SentenceModel

__all__ = ["SentenceModel", "fetch"]
