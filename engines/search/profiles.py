"""Search profiles: named ways to search, each for a kind of documents and questions."""

import difflib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from stores.chunks.fusion import Strategy
from stores.errors import ConfigError

DEFAULT: Final = "default"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _metadata_value(value: Any) -> bool | float | str:
    """Return a value as metadata holds it: YAML reads 2024-01-31 as a date, not as a text."""
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, bool | int | float | str):
        raise ValueError("text, a number, true or false")  # noqa: TRY004 - what pydantic expects
    return value


MetadataValue = Annotated[bool | int | float | str, PlainValidator(_metadata_value)]


class _Part(BaseModel):
    """The text below a key is its description in the reference of the configuration."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )


_AnyPart = TypeVar("_AnyPart", bound=_Part)


class Boost(_Part):
    """Passages whose metadata `key` holds `value` score `factor` times as much."""

    key: str
    value: MetadataValue
    factor: Annotated[float, Field(gt=0, le=1000)]


class Recency(_Part):
    """Newer passages first: `weight` of the score halves with every `half_life_days`."""

    key: str = "modified"
    half_life_days: Factor = 180
    weight: Share = 0.2


class Popularity(_Part):
    """Passages whose number in `key` is larger first: `weight` of the score follows it."""

    key: str
    weight: Share = 0.1


class Rerank(_Part):
    """Passages put in order again by a model that reads them."""

    by: str  # "llm", "reranker", or the directory of a cross-encoder
    candidates: Positive = 20


class Profile(_Part):
    """What a search does, from the candidates of each leg to the passages it returns."""

    description: str = ""
    """What the profile is for, in a sentence."""
    strategy: Strategy = "weighted"
    """How the ranking by words and the ranking by vectors become one."""
    vector_weight: Share | None = None
    """The vectors' share, 0 to 1; `null` follows the embedding model and the languages it knows."""
    candidates: Positive = 50
    """Chunks that each ranking brings."""
    both_boost: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How much more a passage counts that both rankings found, as a part of its score."""
    rrf_k: Positive = 60
    """The constant of the strategy `rrf`; a larger one flattens the first places."""
    minimum_score: Share = 0.0
    """Passages below it are left out, 0 to 1."""
    boosts: tuple[Boost, ...] = ()
    """A list of `{key, value, factor}`: passages with that metadata score `factor` times as
    much."""
    recency: Recency | None = None
    """`{key, half_life_days, weight}`: newer passages first, by a date in the metadata."""
    popularity: Popularity | None = None
    """`{key, weight}`: passages with a larger number in the metadata first."""
    diversity: Share | None = None
    """How much likeness to better passages counts against one (MMR), 0 to 1."""
    per_document: Positive | None = None
    """The most passages of one document; `null` for any number."""
    deduplicate: bool = True
    """Leave out passages that repeat a better one."""
    neighbours: Annotated[int, Field(ge=0, le=3)] = 0
    """How far the chunks before and after a passage come along."""
    rerank: Rerank | None = None
    """`{by, candidates}`: order again by the LLM (`llm`), by the model of `reranker`, or by a
    cross-encoder in a local directory."""


def resolve_profile(name: str, own: Mapping[str, Profile]) -> Profile:
    """Return the ready profile of that name, or the default, with the changes of one's own.

    Raises ConfigError.
    """
    if name not in own and name not in READY:
        raise ConfigError(f"There is no search profile {name!r}; {_suggest_names(name, own)}")
    base = READY.get(name) or resolve_profile(DEFAULT, own).model_copy(update={"description": ""})
    return _apply_changes(base, own[name]) if name in own else base


def _suggest_names(name: str, own: Mapping[str, Profile]) -> str:
    names = list(dict.fromkeys((*READY, *own)))
    if near := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {near[0]}? There are {', '.join(names)}."
    return f"there are {', '.join(names)}."


def _apply_changes(base: _AnyPart, changes: _AnyPart) -> _AnyPart:
    """Return `base` with the fields that were set in `changes`, also inside its parts."""
    fields = {}
    for name in changes.model_fields_set:
        old, new = getattr(base, name), getattr(changes, name)
        both = isinstance(old, BaseModel) and isinstance(new, BaseModel)
        fields[name] = _apply_changes(old, new) if both else new
    return base.model_copy(update=fields)


def _load_ready() -> Mapping[str, Profile]:
    text = resources.files("engines.search").joinpath("profiles.yaml").read_text(encoding="utf-8")
    return MappingProxyType(
        {name: Profile.model_validate(fields) for name, fields in yaml.safe_load(text).items()}
    )


READY: Final = _load_ready()
