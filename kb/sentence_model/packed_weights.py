"""Reading multilingual-e5-small from the one file that its package keeps it in, in 4 bits.

The file is its settings, the pieces of the tokenizer with their scores, a map of characters, and
the tensors behind a directory of them; all numbers are little-endian. A matrix has blocks of 32
numbers: one of 16 bits, by which they are multiplied, and 16 bytes, whose lower halves are the
first 16 numbers and whose upper halves the others, each with 8 added.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 32
_MAGIC: Final = b"E5S1"
_BLOCK: Final = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
_IN_BERT: Final = {  # the names that bert_graph.py knows, by those in the file
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_IN_LAYER: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS: Final = {"w": "weight", "b": "bias"}


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix in 4 bits: a row has `halves` of two numbers each, and a scale for each block."""

    halves: NDArray[np.uint8]
    scales: NDArray[np.float16]

    @property
    def shape(self) -> tuple[int, int]:
        rows, blocks = self.scales.shape
        return rows, blocks * BLOCK

    def unpack(self) -> NDArray[np.float32]:
        halves = self.halves.reshape(*self.scales.shape, BLOCK // 2)
        numbers = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32) - 8
        return (numbers * self.scales[..., np.newaxis].astype(np.float32)).reshape(self.shape)


@dataclass(frozen=True)
class PackedModel:
    """The pieces of the tokenizer with their scores, by their numbers, and the weights by name.

    The vectors of the words stay packed, as a graph keeps them.
    """

    pieces: list[tuple[str, float]]
    weights: dict[str, Any]


def read_packed_model(path: Path) -> PackedModel:
    """Read a file. Raises ValueError when it is no such file."""
    content = path.read_bytes()
    file = BytesIO(content)
    magic, _, hidden, _, _, inner, *_ = _unpack(file, "4s I 7i f i")
    if magic != _MAGIC:
        raise ValueError(f"{path} does not begin as packed weights do.")
    pieces = _read_pieces(file)
    _, characters = _unpack(file, "iI")
    file.seek(characters, 1)
    return PackedModel(pieces, dict(_read_tensors(file, content, hidden, inner)))


def _unpack(file: BytesIO, layout: str) -> tuple[Any, ...]:
    packed = struct.Struct(f"<{layout}")
    return packed.unpack(file.read(packed.size))


def _read_pieces(file: BytesIO) -> list[tuple[str, float]]:
    """Read the pieces; before them stand the numbers of four special ones, and their length."""
    count, *_, length = _unpack(file, "5i Q")
    ends = np.frombuffer(file.read(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(file.read(4 * count), "<f4").tolist()
    text = file.read(length)
    texts = (text[start:end].decode() for start, end in pairwise(ends))
    return list(zip(texts, scores, strict=True))


def _read_tensors(
    file: BytesIO, content: bytes, hidden: int, inner: int
) -> Iterator[tuple[str, Any]]:
    """Yield the tensors by the names of a BERT model, those of its layers as float32."""
    (count,) = _unpack(file, "i")
    for _ in range(count):
        (length,) = _unpack(file, "H")
        name = file.read(length).decode()
        is_packed, numbers, start, size = _unpack(file, "B I Q Q")
        raw = content[start : start + size]
        if not is_packed:
            shape = (-1, hidden) if name in ("emb.pos", "emb.type") else (numbers,)
            yield _name_in_bert(name), np.frombuffer(raw, "<f4").reshape(shape)
            continue
        width = inner if name.endswith(".fo.w") else hidden
        blocks = np.frombuffer(raw, _BLOCK).reshape(-1, width // BLOCK)
        halves = np.ascontiguousarray(blocks["halves"]).reshape(len(blocks), width // 2)
        matrix = PackedMatrix(halves, np.ascontiguousarray(blocks["scale"]))
        yield _name_in_bert(name), matrix if name == "emb.word" else matrix.unpack()


def _name_in_bert(name: str) -> str:
    """Name a tensor as bert_graph.py knows it: `l3.q.w` is the query's weight of layer 3."""
    if name in _IN_BERT:
        return _IN_BERT[name]
    layer, part, kind = name.removeprefix("l").split(".")
    return f"encoder.layer.{layer}.{_IN_LAYER[part]}.{_KINDS[kind]}"
