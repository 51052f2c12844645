"""The embeddings of texts by a sentence model in ONNX Runtime."""

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray
from tokenizers import Tokenizer

from kb.sentence_model.files import (
    ALL_MODELS,
    GRAPH,
    MINILM,
    OTHER_WAY,
    TOKENIZER,
    WEIGHTS,
)
from stores.errors import ModelUnavailable

MAX_TOKENS = 256  # what the model was trained for; it does not see the rest of a longer text
TOKENS_PER_RUN = 1024  # measured: more fall out of the processor's cache

_loading = threading.Lock()


class SentenceModel(BaseEmbedding):
    """Embeddings by a model that `fetch` stored, or by weights of the user.

    The instructions stand before each question and each text, as the model was trained. It can be
    pickled and copied: sessions belong to the process, one for each directory.
    """

    directory: Path
    users_own: bool = False  # taken as it is; what was fetched is loaded only as it was made
    model_name: str = MINILM.name
    embed_batch_size: int = 256  # texts of similar length are run together; more texts fit better
    query_instruction: str = ""
    text_instruction: str = ""

    @property
    def file(self) -> Path:
        """The file that is loaded, with the tokenizer beside it."""
        return self.directory / (WEIGHTS if self.users_own else GRAPH)

    @classmethod
    def class_name(cls) -> str:
        return "SentenceModel"

    def _get_query_embedding(self, query: str) -> list[float]:
        instructed = self.query_instruction + query
        return list(_embed_query_once(self.file, self.model_name, instructed))

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        model = _load_model(self.file, self.model_name)
        instructed = [self.text_instruction + text for text in texts]
        embeddings: list[list[float]] = _embed_texts(*model, instructed).tolist()
        return embeddings

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


@lru_cache(maxsize=1000)
def _embed_query_once(file: Path, model_name: str, query: str) -> tuple[float, ...]:
    """Embed a question once: an answer needs it several times, and people ask the same."""
    return tuple(_embed_texts(*_load_model(file, model_name), [query])[0].tolist())


def _embed_texts(
    session: ort.InferenceSession, tokenizer: Tokenizer, texts: Sequence[str]
) -> NDArray[np.float32]:
    valid_texts = [text.encode(errors="replace").decode() for text in texts]
    encodings = tokenizer.encode_batch(valid_texts)
    tokens = [encoding.ids for encoding in encodings]
    embeddings = np.empty((len(texts), session.get_outputs()[0].shape[1]), np.float32)
    for places in group_by_length([len(ids) for ids in tokens]):
        embeddings[places] = session.run(None, _pad_tokens([tokens[i] for i in places]))[0]
    return embeddings


def group_by_length(lengths: list[int]) -> Iterator[list[int]]:
    """Group the places of texts to run together, shortest first.

    A group has at most TOKENS_PER_RUN tokens with its padding.
    """
    run: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if run and (len(run) + 1) * lengths[place] > TOKENS_PER_RUN:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _pad_tokens(tokens: list[list[int]]) -> dict[str, NDArray[np.int64]]:
    ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
    mask = np.zeros_like(ids)
    for row, row_ids in enumerate(tokens):
        ids[row, : len(row_ids)] = row_ids
        mask[row, : len(row_ids)] = 1
    return {"ids": ids, "mask": mask}


def _load_model(file: Path, name: str) -> tuple[ort.InferenceSession, Tokenizer]:
    with _loading:
        return _load_unlocked(file, name)


@cache
def _load_unlocked(file: Path, name: str) -> tuple[ort.InferenceSession, Tokenizer]:
    tokenizer = file.with_name(TOKENIZER)
    if not file.exists():
        raise ModelUnavailable(
            f"The embedding model is not in {file.parent}. Run `kb setup` to fetch it. {OTHER_WAY}"
        )
    try:
        if file.name == GRAPH:
            _require_originals(name, file, tokenizer)
            return open_session(str(file)), _open_tokenizer(tokenizer)
        return open_session(_make_graph(file)), _open_tokenizer(tokenizer)
    except ModelUnavailable:
        raise
    except Exception as error:  # ONNX Runtime and tokenizers raise bare Exceptions
        raise ModelUnavailable(
            f"The embedding model in {file.parent} cannot be read ({type(error).__name__}). "
            f"Delete the directory and run `kb setup`. {OTHER_WAY}"
        ) from error


def _require_originals(name: str, *paths: Path) -> None:
    [fetched] = [model for model in ALL_MODELS if model.name == name]
    for path in paths:
        if not fetched.is_original(path):
            raise ModelUnavailable(
                f"{path} is not what `kb setup` made: its SHA-256 is another, so it is not loaded. "
                "Run `kb setup`, which fetches it again."
            )


def open_session(graph: str | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = _count_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _make_graph(weights: Path) -> bytes:
    from kb.sentence_model.bert_graph import make_graph  # noqa: PLC0415 - onnx takes .4 s to import

    return make_graph(weights)


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_tokenizer(path: Path) -> Tokenizer:
    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
