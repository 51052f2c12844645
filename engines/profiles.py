"""Search profiles: named ways to search, each for a kind of documents and questions."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stores.fusion import Strategy

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Boost(_Part):
    """Passages whose metadata `key` holds `value` score `factor` times as much."""

    key: str
    value: str | int | float | bool
    factor: Factor


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
    """Passages put in order again: by the LLM, or by a cross-encoder in a local directory."""

    by: str  # "llm", or the path of a cross-encoder
    candidates: Positive = 20


class Profile(_Part):
    """What a search does, from the candidates of each leg to the passages it returns.

    `vector_weight` None follows the embedding model and the languages it knows. Scores and
    `minimum_score` are in 0..1.
    """

    description: str = ""
    strategy: Strategy = "weighted"
    vector_weight: Share | None = None
    candidates: Positive = 50
    both_boost: Annotated[float, Field(ge=0, le=1)] = 0.0
    rrf_k: Positive = 60
    minimum_score: Share = 0.0
    boosts: tuple[Boost, ...] = ()
    recency: Recency | None = None
    popularity: Popularity | None = None
    diversity: Share | None = None
    per_document: Positive | None = None
    deduplicate: bool = True
    neighbours: Annotated[int, Field(ge=0, le=3)] = 0
    rerank: Rerank | None = None
