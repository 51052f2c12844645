"""The default embedding model: an English one and one of many languages, side by side."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from kb.sentence_model import ModelPair
from kb.sentence_model.unigram_tokenizer import make_tokenizer

# By encoder_reference, from the weights of the package: every 32nd number.
GOLDEN = json.loads(Path(__file__).with_name("encoder_vectors.json").read_text("utf-8"))
QUESTIONS = {
    "en": "How many days do I have to send a parcel back?",
    "fr": "Combien de jours ai-je pour renvoyer un colis ?",
    "de": "Wie viele Tage habe ich, um ein Paket zurückzuschicken?",
    "es": "¿Cuántos días tengo para devolver un paquete?",
    "it": "Quanti giorni ho per rispedire un pacco?",
    "pt": "Quantos dias tenho para devolver uma encomenda?",
    "nl": "Hoeveel dagen heb ik om een pakket terug te sturen?",
}
NEAR, FAR = "Goods can be returned within 30 days.", "The battery of the lamp is charged by USB."


def test_the_encoder_gives_what_its_weights_say(model_pair):
    _, encoder = model_pair.parts
    embeddings = np.array(encoder.get_text_embedding_batch(list(GOLDEN)))
    assert embeddings.shape == (len(GOLDEN), 512)
    assert embeddings[:, ::32] == pytest.approx(np.array(list(GOLDEN.values())), abs=2e-5)


@pytest.mark.parametrize("language", QUESTIONS)
def test_a_question_in_any_language_is_near_its_answer_in_english(model_pair, language):
    question = np.array(model_pair.get_query_embedding(QUESTIONS[language]))
    near, far = np.array(model_pair.get_text_embedding_batch([NEAR, FAR]))
    assert question @ near > question @ far + 0.1


@pytest.mark.parametrize("language", QUESTIONS)
def test_the_language_of_a_question_weighs_the_halves(model_pair, language):
    question = np.array(model_pair.get_query_embedding(QUESTIONS[language]))
    english = 0.7 if language == "en" else 0.15
    expected = english / np.hypot(english, 1 - english)
    assert np.linalg.norm(question[:384]) == pytest.approx(expected, abs=1e-5)
    assert np.linalg.norm(question) == pytest.approx(1)


def test_texts_have_both_halves_alike(model_pair):
    embeddings = np.array(model_pair.get_text_embedding_batch(["", "a text", "\ud800", "x" * 5000]))
    assert embeddings.shape == (4, 896)
    assert np.linalg.norm(embeddings[:, :384], axis=1) == pytest.approx(0.5**0.5, abs=1e-5)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)


def test_company_changes_no_embedding(model_pair):
    texts = [f"word {'again ' * n}" for n in range(40, 0, -1)]
    together = np.array(model_pair.get_text_embedding_batch(texts))
    alone = np.array([model_pair.get_text_embedding(text) for text in (texts[0], texts[-1])])
    assert together[[0, -1]] == pytest.approx(alone, abs=1e-5)


async def test_it_pickles_and_embeds_beside_an_event_loop(model_pair):
    copy: ModelPair = pickle.loads(pickle.dumps(model_pair))
    assert await copy.aget_query_embedding("a") == model_pair.get_query_embedding("a")
    assert await copy.aget_text_embedding("a") == model_pair.get_text_embedding("a")


# --- the tokenizer --------------------------------------------------------------------------


def encode_bytes(field: int, content: bytes) -> bytes:
    """A field of a message of protocol buffers, shorter than 128 bytes."""
    return bytes([field << 3 | 2, len(content)]) + content


def encode_piece(text: str, score: float) -> bytes:
    kind = bytes([3 << 3, 1])  # an integer, which is passed over
    number = bytes([2 << 3 | 5]) + struct.pack("<f", score)
    return encode_bytes(1, encode_bytes(1, text.encode()) + number + kind)


def test_a_sentencepiece_model_becomes_a_tokenizer(tmp_path, model_pair):
    pieces = ["<unk>", "<s>", "</s>", "\u2581bi", "cycle", "\u2581a"]
    model = b"".join(encode_piece(piece, -n) for n, piece in enumerate(pieces))
    (tmp_path / "sp.model").write_bytes(model)
    made = json.loads(make_tokenizer(tmp_path / "sp.model"))
    known = json.loads((model_pair.parts[1].directory / "tokenizer.json").read_text("utf-8"))
    made["normalizer"] = known["normalizer"]  # too long to be written here
    tokenizer = Tokenizer.from_str(json.dumps(made))
    assert tokenizer.encode("  a   bicycle? ").ids == [1, 5, 3, 4, 0, 2]


def test_what_is_no_sentencepiece_model_is_refused(tmp_path):
    (tmp_path / "sp.model").write_bytes(b"\x0f\x00")
    with pytest.raises(ValueError, match="a field of type 7"):
        make_tokenizer(tmp_path / "sp.model")
