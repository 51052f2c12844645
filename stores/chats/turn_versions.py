"""The versions of a turn: what was asked in its place, and which way through them is current."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from stores.chats.chat_messages import SQL

_BEGINNING: Final = 0  # the parent of a first turn


@dataclass(frozen=True)
class Ways:
    """How the turns of a session follow each other, by their numbers.

    `ids` are those of the turns, `parents` the turns before them, `current` those of the way that
    was chosen.
    """

    ids: Mapping[int, str]
    parents: Mapping[int, int]
    current: Sequence[int]

    @property
    def end(self) -> int:
        """The turn behind which the next question stands."""
        return self.current[-1] if self.current else _BEGINNING

    def find_parent(self, turn_id: str) -> int | None:
        """Find the turn before one of an id; None for an id that no turn has."""
        number = self._find_number(turn_id)
        return None if number is None else self.parents[number]

    def list_versions(self) -> dict[str, list[str]]:
        """List the ids of all turns in the place of each, the first one first."""
        of_place = defaultdict(list)
        for number, parent in self.parents.items():
            of_place[parent].append(self.ids[number])
        return {turn_id: versions for versions in of_place.values() for turn_id in versions}

    def lead_to(self, parent: int) -> list[int]:
        """List the turns of the way to one, which is the last of them."""
        way = []
        while parent != _BEGINNING:
            way.append(parent)
            parent = self.parents[parent]
        return way[::-1]

    def lead_through(self, turn_id: str) -> list[int] | None:
        """List the turns of the way through one: to it, and on by the last version of each place.

        None for an id that no turn has.
        """
        number = self._find_number(turn_id)
        if number is None:
            return None
        way = self.lead_to(number)
        while following := [each for each, parent in self.parents.items() if parent == way[-1]]:
            way.append(max(following))
        return way

    def _find_number(self, turn_id: str) -> int | None:
        return next((number for number, known in self.ids.items() if known == turn_id), None)


def read_ways(connection: sa.Connection, session_id: str) -> Ways:
    """Read how the turns of a session follow each other."""
    rows = connection.execute(SQL["ways"], {"session": session_id}).all()
    parents: dict[int, int] = {}
    for row in rows:
        # An old turn follows the one before, and so does one whose parent was deleted.
        nearest = [each for each in parents if row.parent is None or each <= row.parent]
        parents[row.number] = max(nearest, default=_BEGINNING)
    current = [row.number for row in rows if row.is_current]
    return Ways({row.number: row.id for row in rows}, parents, current)


def choose_way(connection: sa.Connection, session_id: str, way: Sequence[int]) -> None:
    """Make the turns of a way current; what is remembered of others is forgotten, by the caller."""
    values: dict[str, Any] = {"session": session_id, "positions": list(way) or [-1]}
    connection.execute(SQL["choose_way"], values)
    connection.execute(SQL["set_window"], {"session": session_id})
    connection.execute(SQL["set_memory"], {"session": session_id, "memory": None})
