"""Definitions of tables as a backup holds them: each one CREATE TABLE, and nothing else.

Whoever wrote the file may wish the server ill. What is in the parentheses of a CREATE TABLE, the
server itself keeps from doing anything (no subquery, no function that acts or reads files, in
defaults, checks and generated columns); what could stand around them is refused here.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from stores.errors import StoreError
from stores.sql_tokens import Token, tokenize_sql

_ENGINES: Final = {"INNODB", "ARIA", "MYISAM", "MEMORY"}
_NOWHERE: Final = {"SELECT", "UNION", "DIRECTORY", "CONNECTION", "PROCEDURE", "OUTFILE", "DUMPFILE"}
# What may follow the parentheses; a word behind a = is a value.
_OPTION_WORDS: Final = """
ENGINE AUTO_INCREMENT DEFAULT CHARSET COLLATE COMMENT ROW_FORMAT KEY_BLOCK_SIZE PAGE_CHECKSUM
TRANSACTIONAL CHECKSUM STATS_PERSISTENT STATS_AUTO_RECALC STATS_SAMPLE_PAGES PACK_KEYS MIN_ROWS
MAX_ROWS AVG_ROW_LENGTH DELAY_KEY_WRITE PARTITION PARTITIONS SUBPARTITION SUBPARTITIONS BY RANGE
LIST HASH KEY LINEAR COLUMNS VALUES LESS THAN IN MAXVALUE
"""
_OPTIONS: Final = frozenset(_OPTION_WORDS.split())
_COMPRESSED: Final = re.compile(r"/\*M?!\d+ COMPRESSED\*/")  # as SHOW CREATE TABLE prints it


def check_definition(definition: str, table: str) -> None:
    """Check that a text is the CREATE TABLE of this table alone. Raises StoreError."""
    if reason := find_fault(definition, table):
        raise StoreError(f"The definition of the table {table} {reason}, so it is not restored.")


def find_fault(definition: str, table: str) -> str | None:
    """Find why a text is not the CREATE TABLE of this table alone, in words."""
    tokens = [token for token in tokenize_sql(definition) if token.kind != "space"]
    for token in tokens:
        if token.kind == "comment" and not _COMPRESSED.fullmatch(token.text):
            return "holds a comment"
    code = [token for token in tokens if token.is_code]
    head, kinds = [token.text.upper() for token in code[:2]], [token.kind for token in code[2:5]]
    if head != ["CREATE", "TABLE"] or kinds != ["name", "operator", "name"] or code[3].text != "(":
        return "is not a CREATE TABLE with columns"
    if _unquote(code[2].text) != table:
        return "is that of another table"
    return _find_fault_in_code(code)


def _find_fault_in_code(code: list[Token]) -> str | None:
    depth, has_columns = 0, False
    for i, (token, following) in enumerate(pairwise([*code, Token("space", "")])):
        word = token.text.upper() if token.kind == "word" else ""
        before = code[i - 1].text if i else ""
        if token.kind == "open" or token.text == ";":
            return "does not end where it should"
        if word in _NOWHERE or (word == "VALUES" and following.text.upper() not in ("LESS", "IN")):
            return f"holds {word}"
        if token.kind == "name" and following.text == ".":
            return "names a table of another database"
        if word == "ENGINE" and _find_engine(code[i + 1 : i + 3]) not in _ENGINES:
            return f"asks for an engine that is none of {', '.join(sorted(_ENGINES))}"
        if has_columns and depth == 0 and word and before != "=" and word not in _OPTIONS:
            return f"holds {word} after its columns"
        depth += (token.text == "(") - (token.text == ")")
        has_columns = has_columns or (token.text == ")" and depth == 0)
    return None if has_columns and depth == 0 else "does not end where it should"


def _find_engine(following: list[Token]) -> str:
    return next((token.text.upper() for token in following if token.text != "="), "")


def rename_tables(definition: str, names: Mapping[str, str]) -> str:
    """Write a definition that was checked with other names for its table and those it refers to.

    Raises StoreError for a foreign key to a table without another name.
    """
    written, last, is_named = [], "", False
    for token in tokenize_sql(definition):
        text = token.text
        if token.kind == "name" and (last == "REFERENCES" or not is_named):
            name = _unquote(text)
            if name not in names:
                raise StoreError(f"A foreign key leads to the table {name}, which is not there.")
            text, is_named = f"`{names[name]}`", True
        written.append(text)
        last = token.text.upper() if token.is_code else last
    return "".join(written)


def _unquote(name: str) -> str:
    return name[1:-1].replace("``", "`")
