"""The embedding models run by ONNX Runtime: fetched once at set-up, then used offline."""

from kb.sentence_model.fetch_model import fetch
from kb.sentence_model.model_pair import ModelPair
from kb.sentence_model.sentence_embedding import SentenceModel

__all__ = ["ModelPair", "SentenceModel", "fetch"]
