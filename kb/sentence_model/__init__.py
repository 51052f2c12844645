"""all-MiniLM-L6-v2 on this machine, by ONNX Runtime: fetched once at set-up, then run offline."""

from kb.sentence_model.fetch_model import fetch
from kb.sentence_model.sentence_embedding import SentenceModel

__all__ = ["SentenceModel", "fetch"]
