"""The files of the model: their names, their digests and where they are."""

import hashlib
from pathlib import Path

MODEL_NAME = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
GRAPH = "graph-1.onnx"  # what is made of the weights; the number counts the versions of graph.py
SHA256 = {
    # of the original, at revision 1110a243
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    # of what graph.py makes of it, with every version of onnx that was tried
    GRAPH: "600de50ce4e2420b69fa05d66fa9ecf8a1cc115fb2ba2ec1760efd0e2b4ff15f",
}
OTHER_WAY = (
    f"Or put the files {WEIGHTS} and {TOKENIZER} of {MODEL_NAME} into a directory "
    "and name it as embedding.model in config.yaml."
)


def model_directory(cache: Path) -> Path:
    return cache / "models" / MODEL_NAME


def is_fetched(cache: Path) -> bool:
    """Tell whether the files are there, as they were made."""
    paths = [model_directory(cache) / name for name in (GRAPH, TOKENIZER)]
    return all(path.is_file() and is_original(path) for path in paths)


def is_original(path: Path) -> bool:
    return compute_sha256(path) == SHA256[path.name]


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
    return MODEL_NAME if digest == SHA256[WEIGHTS] else f"{directory.name}-{digest[:8]}"
