"""The copy of a statement that the parser reads: tokens in a form that no lexer cuts otherwise.

Comments are left out; a made-up word stands for every text, every bound value and every name that
is not of plain letters. What the parser finds can differ from what MariaDB reads by grammar alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import sqlglot
from sqlglot import exp

from engines.tables.parser_log import silence_parser
from stores.errors import UnsafeQuery
from stores.sql_tokens import Token
from stores.values import Value

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDLIKE = re.compile(r"\w[\w.+-]*")


@dataclass
class ParserCopy:
    """`texts` are what the made-up words for texts and values stand for, without quotes.

    `shown` is what each made-up word is called: the text or name itself, and :name for a value,
    which no message may tell.
    """

    words: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)

    def add_text(self, text: str, shown: str) -> None:
        stand_in = f"t{len(self.shown)}"
        self.texts[stand_in], self.shown[stand_in] = text, shown
        self.words.append(f"'{stand_in}'")

    def add_name(self, name: str) -> None:
        stand_in = f"n{len(self.shown)}"
        self.shown[stand_in] = name
        self.words.append(f"`{stand_in}`")

    def parse_query(self) -> exp.Query | None:
        """Return the syntax tree with the names as they are; None unless it is that of one query.

        Raises UnsafeQuery when the parser cuts the words otherwise, sqlglot's errors.
        """
        sql = " ".join(self.words)
        cut = sqlglot.tokenize(sql, read="mysql")
        if _list_wordlike(self.words) != _list_wordlike(
            word for token in cut for word in token.text.split()
        ):
            raise UnsafeQuery(
                "The statement was refused: MariaDB and the parser would cut it differently."
            )
        with silence_parser():
            parsed = sqlglot.parse(sql, read="mysql")
        found = [statement for statement in parsed if statement is not None]
        if len(found) != 1 or not isinstance(found[0], exp.Query):
            return None
        for name in found[0].find_all(exp.Identifier):
            if name.quoted:
                name.set("this", self.shown[name.name])
        return found[0]

    def describe_place(self, error: sqlglot.ParseError) -> str:
        """Say near which word of the statement the parser gave up, as the end of a sentence."""
        word = (error.errors[0].get("highlight") or "").strip("'`") if error.errors else ""
        if word[:1].isdecimal():  # it may be a value
            return " near a number"
        return f" near {self.shown.get(word, word)[:50] or 'its end'!r}"


def copy_for_parser(code: Sequence[Token], values: Mapping[str, Value]) -> ParserCopy:
    """Copy tokens without spaces and comments; `values` are those of the :names."""
    copy = ParserCopy()
    for token in code:
        if token.parameter:
            _add_value(copy, token.parameter, values[token.parameter])
        elif token.kind == "name":
            copy.add_name(token.text[1:-1].replace("``", "`"))
        elif token.kind == "text":
            copy.add_text(text := _decode_text(token.text), text)
        elif token.kind == "bits" or token.text.startswith("0x"):
            copy.add_text(_decode_bits(token.text), token.text)
        elif token.kind == "word" and not _PLAIN.fullmatch(token.text):
            copy.add_name(token.text)
        elif token.kind == "number" and token.text[0] == ".":
            copy.words.append(f"0{token.text}")
        else:
            copy.words.append(token.text)
    return copy


def _list_wordlike(words: Iterable[str]) -> list[str]:
    bare = (word.strip("'`").upper() for word in words)
    return list(filter(_WORDLIKE.fullmatch, bare))


def _add_value(copy: ParserCopy, name: str, value: Value) -> None:
    match value:
        case None:
            copy.words.append("NULL")
        case int() if 0 <= value < 2**63:
            copy.words.append(str(int(value)))
        case int() | float() | Decimal():
            copy.words.append("0.5")  # no whole number, where a length is asked for
        case _:
            copy.add_text(str(value), f":{name}")


def _decode_text(text: str) -> str:
    """Return what a text in quotes says, but for line breaks that are written as letters."""
    quote = text[-1]
    inner = text[text.index(quote) + 1 : -1].replace(quote * 2, quote)
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _decode_bits(text: str) -> str:
    """Return the text that x'41', b'1000001' and 0x41 are where a text is wanted."""
    digits = text[2:].rstrip("'") or "0"
    number = int(digits, 2 if text[0] in "bB" else 16)
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big").decode("latin-1")
