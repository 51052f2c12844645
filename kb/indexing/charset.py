"""Find out in which encoding a file is written, or that it is not text, and decode it."""

import re
import unicodedata
from pathlib import Path

from charset_normalizer import from_bytes

from kb.indexing.document import (
    BOMS,
    MAX_TEXT,
    OLD_OFFICE_REASON,
    TooMuchText,
    UnreadableFile,
)

WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
WESTERN = ("cp1252", "cp850", "mac-roman")
SAMPLE = 100_000
OLD_OFFICE = (bytes.fromhex("d0cf11e0a1b11ae1"), rb"{\rtf")

NOISE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufff0-\ufffc\ufffe\uffff]")
ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
EVERYDAY = re.compile(r"[ \nA-Za-z0-9,.。、，]")  # noqa: RUF001 - East Asian punctuation is meant
WESTERN_LETTERS = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœßúùûüÿªºµ")
MISREAD = re.compile(  # signs of a Western text read by the wrong table
    "[‚†‡ƒˆ˜\ufffd]"  # noqa: RUF001 - the low quote is meant
    r"|(?<=[^\W\d_])[^\w\s'’–—·\x00-\x7f](?=[^\W\d_])"  # noqa: RUF001 - so are quote and dash
    r"|(?<=[a-zà-ÿ])[À-ÖØ-ÞŒŠŽŸ]"
    r"|(?<=[^\W\d_])[¹²³](?=[^\W\d_])"
)


def read_text_file(path: Path) -> str:
    """Return the text of a file in whatever encoding it is; raise UnreadableFile if it has none."""
    if path.stat().st_size > 4 * MAX_TEXT:
        raise TooMuchText
    return decode_text(path.read_bytes())


def decode_text(data: bytes, declared: str | None = None) -> str:
    r"""Return the text of the bytes, with lines that end in `\n`; raise UnreadableFile for none.

    A declared encoding counts when the bytes are not plainly UTF-8 or marked.
    """
    if not data.strip(b"\0 \t\r\n\f\v"):
        raise UnreadableFile("the file is empty")
    if data.startswith(OLD_OFFICE):
        raise UnreadableFile(OLD_OFFICE_REASON)
    text = _try_encodings(data, declared)
    if text is None or _is_noise(text[:SAMPLE]):
        raise UnreadableFile("not a text file")
    return clean_text(text)


def clean_text(text: str) -> str:
    """Make a text storable: in NFC, without control characters and lone surrogates."""
    text = ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = NOISE.sub("", re.sub(r"[\x0b\x0c\x85]", " ", text))
    return unicodedata.normalize("NFC", text)


def _try_encodings(data: bytes, declared: str | None) -> str | None:
    """Decode by a mark, as UTF-8, as declared, or as what reads best; return None for no text."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    text = (
        _decode_strictly(data, "utf-8")
        or _decode_strictly(data, declared)
        or _decode_damaged_utf8(data)
    )
    if b"\0" in data[:SAMPLE] and (text is None or _is_noise(text[:SAMPLE])):
        return _decode_wide(data)
    text = text or _decode_western(data)
    if text:
        return text
    guess = from_bytes(data[:SAMPLE]).best()
    return data.decode(guess.encoding, "replace") if guess else None


def _decode_strictly(data: bytes, encoding: str | None) -> str | None:
    """Return the text, None when the encoding is not given, unknown or wrong."""
    try:
        return data.decode(encoding) if encoding else None
    except (UnicodeError, LookupError):  # LookupError: no such encoding
        return None


def _decode_damaged_utf8(data: bytes) -> str | None:
    """Decode UTF-8 with a few broken characters.

    Text in another encoding hardly ever has characters that are valid in UTF-8.
    """
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    valid = len(text) - len(text.encode("ascii", "ignore")) - broken
    return text if valid > 3 * broken else None


def _decode_wide(data: bytes) -> str | None:
    """Decode UTF-16 or UTF-32 without a mark by the reading with the most everyday characters."""
    readings = {encoding: data[:SAMPLE].decode(encoding, "replace") for encoding in WIDE}
    scores = {
        encoding: len(EVERYDAY.findall(sample))
        for encoding, sample in readings.items()
        if not _is_noise(sample)
    }
    best = max(scores, key=scores.__getitem__, default=None)
    return data.decode(best, "replace") if best else None


def _decode_western(data: bytes) -> str | None:
    """Decode by the first Western encoding in which the text reads well.

    Statistics fail for short French or German, so the letters are looked at.
    """
    for encoding in WESTERN:
        if _reads_well(data[:SAMPLE].decode(encoding, "replace")):
            return data.decode(encoding, "replace")
    return None


def _reads_well(text: str) -> bool:
    """Tell whether the letters beyond ASCII are where a Western language has them."""
    special = [character for character in text if character > "\x7f"]
    accented = [character.lower() for character in special if character.isalpha()]
    plain = sum(character.isascii() and character.isalpha() for character in text)
    foreign = sum(letter not in WESTERN_LETTERS for letter in accented)
    return (
        len(accented) <= plain + 2
        and foreign * 20 <= len(accented)
        and len(MISREAD.findall(text)) * 5 < len(special)
        and not _is_noise(text)
    )


def _is_noise(text: str) -> bool:
    """Tell whether control, unknown and unassigned characters are too many for a text."""
    controls = len(NOISE.findall(ESCAPE_SEQUENCE.sub("", text)))
    unassigned = sum(unicodedata.category(character) in ("Cn", "Co") for character in text[:2000])
    return (
        controls > 1 + len(text) // 100
        or text.count("\ufffd") > 1 + len(text) // 20
        or unassigned > 1 + min(len(text), 2000) // 50
    )
