"""A question on its way to the engines, and the values in it that no model is shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from llama_index.core.schema import QueryBundle

from engines.answer import Timings
from stores.errors import EngineError
from stores.values import Value

if TYPE_CHECKING:  # everything knows questions
    from engines.routing.route import Route
    from engines.search.search_run import Search

LONGEST_QUESTION: Final = 20_000
"""Characters: some 5,000 tokens, which leaves room for passages in the windows of most models."""

_NAME: Final = re.compile(r"(?<![\w:]):([a-z]\w*)")


@dataclass(frozen=True)
class Entity:
    """A value of a text column; `name` stands for it, as :name, in front of a model."""

    name: str
    column: str
    value: str


@dataclass(frozen=True)
class Refill:
    """A verified query, by its name, and the values that a conversation gives its parameters."""

    query: str
    values: Mapping[str, Value]


@dataclass
class Question(QueryBundle):
    """What is searched for is `query_str`; what a model that writes SQL reads is `for_tables`.

    `for_tables` holds the user's words alone. A value that came from a document or a row stands in
    it as the :name of an entity, and is bound when the statement runs.
    `language` is that to answer in, where it is not that of `query_str`. `timings` are the steps
    that were taken before it is asked. `troubles` are what the answer has to do without,
    the `database` or the `model`, and why: they are said first. `refill` is the verified query that
    a follow-up such as "and in 2024?" asks for again. A router adds the `route` that it chose,
    whose reason the answer tells, and the `search` that it chose by: no engine need do it again.
    Passages `must_hold` these phrases, as of a question about a name that the rows brought.
    """

    for_tables: str = ""
    entities: tuple[Entity, ...] = field(default_factory=tuple)
    language: str = ""
    timings: Timings = field(default_factory=Timings)
    troubles: Mapping[str, str] = field(default_factory=dict)
    refill: Refill | None = None
    route: "Route | None" = None
    search: "Search | None" = None
    must_hold: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.for_tables = self.for_tables or self.query_str

    @property
    def values(self) -> Mapping[str, str]:
        return {entity.name: entity.value for entity in self.entities}


def check_question(text: str) -> str:
    """Return a question that can be asked. Raises EngineError for an empty and for a huge one."""
    if not text.strip():
        raise EngineError("The question is empty. Ask something.")
    if len(text) > LONGEST_QUESTION:
        raise EngineError(
            f"The question has {len(text):,} characters; {LONGEST_QUESTION:,} are possible. "
            "Index a long text as a document, and ask about it."
        )
    return text


def as_question(asked: QueryBundle) -> Question:
    """Return a question of LlamaIndex as one of kb. Raises EngineError as `check_question` does."""
    if isinstance(asked, Question):
        return asked
    check_question(asked.query_str)
    return Question(
        asked.query_str,
        custom_embedding_strs=asked.custom_embedding_strs,
        embedding=asked.embedding,
    )


def find_names(text: str) -> set[str]:
    """Return the names that stand in a text as :name."""
    return set(_NAME.findall(text))


def write_values(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the values in the place of their :names."""
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)
