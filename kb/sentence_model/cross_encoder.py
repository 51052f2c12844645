"""Scores of passages beside a question, by a cross-encoder in ONNX Runtime."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from kb.sentence_model.sentence_embedding import group_by_length, open_session
from stores.errors import ModelUnavailable

TOKENIZER = "tokenizer.json"
_GRAPHS = ("model.onnx", "onnx/model.onnx")  # as models are published
_MAX_TOKENS = 512  # that all cross-encoders of the kind of BERT have; passages are shorter
_dispatcher = get_dispatcher(__name__)


def find_graph(directory: Path) -> Path | None:
    """Find the file that ONNX Runtime runs in the directory of a model."""
    return next((directory / name for name in _GRAPHS if (directory / name).is_file()), None)


class CrossEncoder(BaseNodePostprocessor):
    """Scores passages by the files of a user: a graph of ONNX, and its tokenizer.

    It returns all passages that it is given, best first, with the model's own numbers. Raises
    ModelUnavailable.
    """

    graph: Path

    @classmethod
    def class_name(cls) -> str:
        return "CrossEncoder"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("a reranker needs the question")
        question, name = query_bundle.query_str, self.graph.parent.name
        _dispatcher.event(
            ReRankStartEvent(
                query=question,
                nodes=nodes,
                top_n=len(nodes),
                model_name=name,
                tags={"class_name": self.class_name()},
            )
        )
        texts = [each.node.get_content(MetadataMode.EMBED) for each in nodes]
        scores = _score_texts(*_load_model(self.graph), question, texts)
        judged = [
            NodeWithScore(node=nodes[place].node, score=float(scores[place]))
            for place in np.argsort(-scores, kind="stable")
        ]
        _dispatcher.event(ReRankEndEvent(nodes=judged))
        return judged


@cache
def _load_model(graph: Path) -> tuple[ort.InferenceSession, Tokenizer]:
    try:
        session = open_session(str(graph))
        tokenizer: Tokenizer = Tokenizer.from_file(str(_find_tokenizer(graph)))
    except Exception as error:  # ONNX Runtime and tokenizers raise bare Exceptions
        raise ModelUnavailable(
            f"The cross-encoder {graph} cannot be loaded ({type(error).__name__}). Put its whole "
            f"{graph.name} and {TOKENIZER} there, or choose another."
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MAX_TOKENS)
    return session, tokenizer


def _find_tokenizer(graph: Path) -> Path:
    beside = graph.with_name(TOKENIZER)
    return beside if beside.is_file() else graph.parent.parent / TOKENIZER


def _score_texts(
    session: ort.InferenceSession, tokenizer: Tokenizer, question: str, texts: list[str]
) -> NDArray[np.float32]:
    pairs = [(_make_valid(question), _make_valid(text)) for text in texts]
    encodings = tokenizer.encode_batch(pairs)
    scores = np.empty(len(texts), np.float32)
    for places in group_by_length([len(encoding.ids) for encoding in encodings]):
        logits = session.run(None, _pad(session, [encodings[place] for place in places]))[0]
        if logits.shape != (len(places), 1):
            raise ModelUnavailable(
                f"The cross-encoder gives an answer of shape {logits.shape} for {len(places)} "
                "passages; one score of each is needed. Choose a model that ranks."
            )
        scores[places] = logits[:, 0]
    return scores


def _make_valid(text: str) -> str:
    """Replace halves of characters, which the tokenizer refuses."""
    return text.encode(errors="replace").decode()


def _pad(session: ort.InferenceSession, encodings: list[Encoding]) -> dict[str, NDArray[np.int64]]:
    """Bring encodings to one length, as those inputs that the graph has."""
    length = max(len(encoding.ids) for encoding in encodings)
    kinds = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {
        wanted.name: np.array(
            [
                (values := getattr(encoding, kinds[wanted.name])) + [0] * (length - len(values))
                for encoding in encodings
            ],
            np.int64,
        )
        for wanted in session.get_inputs()
    }
