"""The tokens of a statement, cut where MariaDB cuts them.

This one lexer serves whoever looks for parameters in a statement and whoever judges it. It reads
as the sessions do that run statements of others: backslashes escape, and "…" is a text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

Kind: TypeAlias = Literal[
    "space", "comment", "text", "bits", "name", "number", "word", "parameter", "open", "operator"
]
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<comment>--(?=[\x00-\x20\x7f]|\Z)[^\n]* | \#[^\n]* | /\*.*?\*/)
    | (?P<bits>[xX]'[0-9a-fA-F]*' | [bB]'[01]*')
    | (?P<text>(?:[nN]|_utf8mb4)?'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
    | (?P<name>`(?:[^`]|``)+`)
    | (?P<number>(?:0x[0-9a-fA-F]+ | (?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
        (?![\w$.]))
    | (?P<word>[\w$]+)
    | (?P<parameter>(?<!:):[A-Za-z_][A-Za-z0-9_]*(?![\w$:]))
    | (?P<open>['"`].* | /\*.*)
    | (?P<operator><=> | <= | >= | <> | != | << | >> | && | \|\| | := | :: | .)""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement; `text` is as written, so that all of them make the statement again.

    What ends nowhere, as a text without its second quote, is the rest of the statement, `open`.
    """

    kind: Kind
    text: str

    @property
    def is_code(self) -> bool:
        return self.kind not in ("space", "comment")

    @property
    def is_wordlike(self) -> bool:
        """Whether it takes a space, a comment or a sign to tell it from another such token."""
        return self.kind not in ("space", "comment", "open", "operator")

    @property
    def parameter(self) -> str | None:
        return self.text[1:] if self.kind == "parameter" else None


def tokenize_sql(sql: str) -> Iterator[Token]:
    """Cut a statement into all its tokens in order, spaces and comments among them."""
    for found in _TOKEN.finditer(sql):
        yield Token(cast("Kind", found.lastgroup), found[0])
