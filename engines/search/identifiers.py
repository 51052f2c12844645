"""Find names that a question means letter by letter: codes, versions, settings, paths."""

import re
from collections.abc import Iterator

_LONGEST = 200  # characters; the shapes take the square of a word's length to fail
_AROUND = "\"'`„“”«»\u2018\u2019()[]{}<>,;:!?…"
_LABELLED = re.compile(
    r"\b(?:err(?:or|eur|no)?|codes?|status|port|http)[ \t]{1,3}#?(\d{2,9})\b", re.IGNORECASE
)
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        r"[A-Z]{2,5}",  # IP, VAT
        r"@{0,2}\w*[^\W_]_\w+",  # innodb_buffer_pool_size
        r"[A-Z]\w*(?:-\w+)*-\w*\d\w*",  # SKU-12345, CB-121
        r"[^\W\d_]+\d[\w-]*",  # p53, ER1205
        r"0x[\da-fA-F]+|(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{7,40}",  # addresses, digests
        r"v\d+(?:\.\d+)*|\d+(?:\.\d+){2,}(?:-\w+)?",  # v3.8, 10.11.4
        r"[a-z]+(?:[A-Z][a-z\d]+)+",  # getUser
        r"[\w.:]*\w\(\)",  # foo()
        r"[^\W\d]\w*(?:(?:::|->)\w+)+",  # std::vector
        r"--?[^\W\d][\w-]*",  # --dry-run
        r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+",  # name@example.org
        r"[a-z]+://\S+",
        r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@+-]\S*|[\w.-]+(?:/[\w.-]+)*/[\w-]+\.\w+",  # paths
        r"[^\W\d]\w+(?:\.[^\W\d]\w+)+",  # config.yaml, os.path.join
    )
)


def find_identifiers(text: str) -> tuple[str, ...]:
    """Return the identifiers of a text in their order, each once."""
    return tuple(dict.fromkeys([*_find_names(text), *_LABELLED.findall(text)]))


def _find_names(text: str) -> Iterator[str]:
    """Find the words that have the shape of a name.

    In a sentence that is all in capitals, capitals alone make no name.
    """
    words = text.split()
    is_shouted = text.isupper() and len(words) > 3  # noqa: PLR2004 - "CB AND IP" are names
    shapes = _SHAPES[1:] if is_shouted else _SHAPES
    for word in words:
        name = _strip_marks(word)
        if len(name) <= _LONGEST and any(shape.fullmatch(name) for shape in shapes):
            yield name


def _strip_marks(word: str) -> str:
    """Remove the punctuation around a word, but not the parentheses of a call."""
    called = "()" if "()" in word else ""
    name = word.strip(_AROUND).rstrip(".")
    return f"{name}{called}" if called and not name.endswith("()") else name
