"""The :names that stand for values in front of a model that writes SQL.

Such a value came from a row or a document, and may hold instructions: no such model reads it.
"""

import re
from collections.abc import Mapping

import sqlalchemy as sa

from engines.prompts import load_prompt
from engines.question import Question
from stores.binding import list_parameters
from stores.connection import read_error_number
from stores.errors import QueryFailed, UnsafeQuery
from stores.sql_tokens import tokenize_sql
from stores.values import Value

_NAME = re.compile(r"'(?:[\w$]+\.)*([\w$]+)'")
_NO_COLUMN = 1054
_ABOUT_NAMES = {1052, _NO_COLUMN, 1055, 1056, 1146, 1305}  # of columns, tables and functions alone


def explain_names(question: Question) -> str:
    """Explain to the model what the :names of a question stand for; nothing when it has none."""
    lines = [f"- :{entity.name} is a value of {entity.column}" for entity in question.entities]
    return load_prompt("sql_names").format(names="\n".join(lines)) if lines else ""


def bind_values(sql: str, question: Question) -> Mapping[str, Value]:
    """Return the values of a statement's :names. Raises QueryFailed with what to write instead."""
    names, known = list_parameters(sql), question.values
    if unknown := next((name for name in names if name not in known), None):
        stand = f"only {', '.join(f':{name}' for name in known)} do" if known else "no :name does"
        raise QueryFailed(
            f":{unknown} stands for no value of the question; {stand}. "
            "What the question writes out is written out in the statement."
        )
    rest = " ".join(token.text for token in tokenize_sql(sql) if token.parameter is None)
    if quoted := next((name for name in known if re.search(rf":{name}\b", rest)), None):
        raise QueryFailed(
            f":{quoted} stands in quotes or a comment, where it is no value. Write it bare, and "
            f"CONCAT('%', :{quoted}, '%') for a part of a text."
        )
    return {name: known[name] for name in names}


def lacks_column(error: Exception) -> bool:
    """Tell whether a statement failed as it names a column that there is not."""
    cause = error.__cause__
    return isinstance(cause, sa.exc.DBAPIError) and read_error_number(cause.orig) == _NO_COLUMN


def reason_for_the_model(error: UnsafeQuery | QueryFailed, sql: str) -> str:
    """Say why a statement failed, without what the server quotes of cells and of bound values.

    A driver may write the latter into the statement, so that a syntax error repeats them.
    """
    message, cause = str(error), error.__cause__  # only the server's errors have one
    number = read_error_number(cause.orig) if isinstance(cause, sa.exc.DBAPIError) else None
    if cause is None or number in _ABOUT_NAMES:
        return message
    told, _, quoted = message.partition("'")
    quoted, end, _ = quoted.rpartition("'")
    if told == message or (quoted and quoted in sql):
        return message
    if not end:  # a value's own sign, behind a part of the value
        which = f" with error {number}" if number else ""
        return f"MariaDB refused the statement{which}; its reason holds a value."
    words = set(re.findall(r"[\w$]+", sql))
    named = [f"'{name}'" for name in _NAME.findall(message) if name in words]
    return told + ", ".join(dict.fromkeys(named))
