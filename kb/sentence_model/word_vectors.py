"""The static word vectors of WordLlama: a hundred times faster than a sentence model, and weaker.

Only the files of its package are used. Its code looks for its tokenizer in a folder that it does
not have, downloads it then, and makes NaN of an empty text.
"""

import asyncio
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from stores.errors import ConfigError

WEIGHTS = Path("weights/l2_supercat_256.safetensors")
TOKENIZER = Path("tokenizers/l2_supercat_tokenizer_config.json")
Dimensions = Literal[64, 128, 256]  # what the vectors were trained to be cut to


class WordVectors(BaseEmbedding):
    """Embeddings that are the mean of the vectors of a text's word pieces, L2-normalised."""

    model_name: str = "l2_supercat"
    embed_batch_size: int = 256
    dimensions: Dimensions = 256

    @classmethod
    def class_name(cls) -> str:
        return "WordVectors"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        tokenizer, vectors = _load_vectors()
        ids = tokenizer.encode(text.encode(errors="replace").decode(), add_special_tokens=False).ids
        mean = vectors[ids, : self.dimensions].sum(axis=0)
        length = np.linalg.norm(mean)
        if length == 0:
            mean[0] = length = np.float32(1)  # an empty text is like no other
        embedding: list[float] = (mean / length).tolist()
        return embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)


def find_files() -> tuple[Path, Path]:
    """Return the files of the tokenizer and the weights.

    Raises ConfigError unless the package is installed.
    """
    package = find_spec("wordllama")
    if package is None or package.origin is None:
        raise ConfigError(
            "embedding.provider is wordllama, which is not installed. "
            "Run `pip install 'mariadb-kb[wordllama]'`, or choose another provider."
        )
    folder = Path(package.origin).parent
    return folder / TOKENIZER, folder / WEIGHTS


@cache
def _load_vectors() -> tuple[Tokenizer, NDArray[np.float32]]:
    tokenizer_file, weights_file = find_files()
    tokenizer: Tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, load_file(weights_file)["embedding.weight"].astype(np.float32)
