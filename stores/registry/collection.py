"""A collection: a chunk table and the one embedding model whose vectors are in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import CollectionMismatch
from stores.sql import statements

FIRST_TABLE: Final = "kb_chunk"
_SQL = statements("registry.sql")


@dataclass(frozen=True)
class Collection:
    name: str
    chunk_table: str
    embedding_model: str
    dimension: int

    @property
    def memory_table(self) -> str:
        """The table of what chats remember, whose vectors are of the same model."""
        return f"kb_memory_{self.name}{self.chunk_table.removeprefix(FIRST_TABLE)}"


def open_collection(
    engine: sa.Engine,
    embedding_model: str,
    measure_dimension: Callable[[], int],
    name: str = "default",
) -> Collection:
    """Open the collection of that name, created with this model if there is none.

    Raises CollectionMismatch when it was built with another model.
    """
    collection = find_collection(engine, name)
    if collection is None:
        _add_collection(engine, Collection(name, FIRST_TABLE, embedding_model, measure_dimension()))
        collection = find_collection(engine, name)
    if collection is None or collection.embedding_model != embedding_model:
        built_with = collection.embedding_model if collection else "nothing"
        raise CollectionMismatch(
            f"The collection {name!r} was built with the embedding model {built_with}; "
            f"config.yaml now names {embedding_model}. Their vectors do not compare. Set "
            "`embedding` back, or go to the other model with `kb embeddings`."
        )
    return collection


def find_collection(
    engine: sa.Engine, name: str = "default", *, attempts: int = 8
) -> Collection | None:
    row = read_snapshot(
        engine,
        lambda connection: connection.execute(
            sa.text(_SQL["collection"]), {"name": name}
        ).one_or_none(),
        attempts=attempts,
    )
    return Collection(**row._asdict()) if row else None


def _add_collection(engine: sa.Engine, collection: Collection) -> None:
    run_transaction(
        engine,
        lambda connection: connection.execute(sa.text(_SQL["add_collection"]), vars(collection)),
    )
