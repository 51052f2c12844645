"""A question on its way to the engines, and the values in it that no model is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llama_index.core.schema import QueryBundle

from engines.answer import Timings
from stores.verified_queries import Value


@dataclass(frozen=True)
class Entity:
    """A value of a text column; `name` stands for it, as :name, in front of a model."""

    name: str
    column: str
    value: str


@dataclass
class Question(QueryBundle):
    """What is searched for is `query_str`; what a model that writes SQL reads is `for_tables`.

    `for_tables` holds the user's words alone. A value that came from a document or a row stands in
    it as the :name of an entity, and is bound when the statement runs.
    `language` is that to answer in, where it is not that of `query_str`. `route_reason` says why
    the source was chosen that is asked, `timings` what took time before it is asked.
    """

    for_tables: str = ""
    entities: tuple[Entity, ...] = field(default_factory=tuple)
    language: str = ""
    route_reason: str = ""
    timings: Timings = field(default_factory=Timings)

    def __post_init__(self) -> None:
        self.for_tables = self.for_tables or self.query_str

    @property
    def values(self) -> Mapping[str, Value]:
        return {entity.name: entity.value for entity in self.entities}


def as_question(asked: QueryBundle) -> Question:
    if isinstance(asked, Question):
        return asked
    return Question(
        asked.query_str,
        custom_embedding_strs=asked.custom_embedding_strs,
        embedding=asked.embedding,
    )
