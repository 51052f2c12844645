"""Who may see what: groups, and the conditions by which statements heed them.

A `Groups` of None stands for who sees everything, as who has started kb does.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

from stores.sql import statements

EVERYONE: Final = "everyone"
NAME_CHARACTERS: Final = 190
Groups = frozenset[str]

_SQL = statements("audiences.sql")
_VERSION: Final = sa.text(_SQL["version"])


def join_groups(names: Iterable[str]) -> Groups:
    """Return the groups of a person, of which `everyone` is always one."""
    return frozenset({EVERYONE, *names})


def require_visible(groups: str) -> str:
    """Write what is required of a row of kb_document; `groups` names a value of `bind_groups`."""
    return _SQL["visible"].format(groups=groups)


def require_visible_document(column: str, groups: str) -> str:
    """Write what is required of a column that names a document, likewise."""
    return _SQL["visible_documents"].format(column=column, visible=require_visible(groups))


def bind_groups(groups: Groups) -> str:
    """Write groups as a statement binds them."""
    return json.dumps(sorted(groups), ensure_ascii=False)


def read_version(connection: Any) -> int:
    """Read how often audiences were changed without their documents."""
    [row] = connection.execute(_VERSION, {})
    return int(row.version)
