"""Making the tokenizer.json of unigram models, of which SentencePiece's are protocol buffers."""

import base64
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

_PIECE, _NORMALIZER = 1, 3  # fields of the model
_TEXT, _SCORE = 1, 2  # fields of a piece
_CHARACTER_MAP = 2  # of the normalizer
_SPACE: Final = "\u2581"
Pieces = Sequence[tuple[str, float]]
"""The texts of pieces with their scores, by their numbers."""


def make_tokenizer(path: Path) -> bytes:
    """Return the tokenizer of the library tokenizers for a unigram model with its special pieces.

    Raises ValueError when the file is no such model.
    """
    pieces: list[tuple[str, float]] = []
    character_map = b""
    for field, value in _read_fields(path.read_bytes()):
        if field == _PIECE:
            piece = dict(_read_fields(value))
            (score,) = struct.unpack("<f", piece.get(_SCORE, bytes(4)))
            pieces.append((piece[_TEXT].decode(), score))
        elif field == _NORMALIZER:
            character_map = dict(_read_fields(value)).get(_CHARACTER_MAP, b"")
    characters = base64.b64encode(character_map).decode()
    normalizer = {"type": "Precompiled", "precompiled_charsmap": characters}
    return _write_tokenizer(pieces, [normalizer], unknown=0, begin=1, end=2)


def make_multilingual_tokenizer(pieces: Pieces) -> bytes:
    """Return the tokenizer of XLM-RoBERTa's pieces, which multilingual-e5-small has.

    Control characters are nothing, those of layout a space, and others as NFKC has them.
    """
    normalizers: list[dict[str, Any]] = [
        {
            "type": "Replace",
            "pattern": {"Regex": "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"},
            "content": "",
        },
        {
            "type": "Replace",
            "pattern": {"Regex": "[\\s\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"},
            "content": " ",
        },
        {"type": "NFKC"},
    ]
    return _write_tokenizer(pieces, normalizers, unknown=3, begin=0, end=2)


def _write_tokenizer(
    pieces: Pieces,
    normalizers: Sequence[dict[str, Any]],
    *,
    unknown: int,
    begin: int,
    end: int,
) -> bytes:
    """Write a tokenizer with the normalizers of its own and the numbers of its special pieces."""
    special = {number: pieces[number][0] for number in (unknown, begin, end)}
    markers = [{"SpecialToken": {"id": special[number], "type_id": 0}} for number in (begin, end)]
    described: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],  # no text may name the special pieces
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                *normalizers,
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": _SPACE,
            "prepend_scheme": "always",
            "split": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [markers[0], {"Sequence": {"id": "A", "type_id": 0}}, markers[1]],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                special[number]: {
                    "id": special[number],
                    "ids": [number],
                    "tokens": [special[number]],
                }
                for number in (begin, end)
            },
        },
        "decoder": None,
        "model": {
            "type": "Unigram",
            "unk_id": unknown,
            "vocab": pieces,
            "byte_fallback": False,
        },
    }
    return json.dumps(described).encode()


def _read_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers of a message's fields with their bytes; integers are passed over."""
    at = 0
    while at < len(message):
        tag, at = _read_number(message, at)
        match tag & 7:  # the type of the field
            case 0:
                _, at = _read_number(message, at)
                continue
            case 1:
                length = 8
            case 2:
                length, at = _read_number(message, at)
            case 5:
                length = 4
            case other:
                raise ValueError(f"The file has a field of type {other}, as no model has it.")
        yield tag >> 3, message[at : at + length]
        at += length


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, seven bits a byte, and the place behind it."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return number, at
