"""What calls of models took."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, TypeAlias

ModelKind: TypeAlias = Literal["llm", "embedding", "reranking"]


@dataclass(frozen=True)
class ModelUse:
    """Calls of one model; `cached_tokens` are those of the prompts that its server knew already.

    Of the calls, `estimated` are those whose tokens were counted here, as no server reported them.
    `cost` is None where it is not known. `class_name` is what the class of LlamaIndex calls itself,
    "" where that is not known.
    """

    kind: ModelKind
    model: str
    calls: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    milliseconds: float = 0.0
    estimated: int = 0
    cost: Decimal | None = None
    class_name: str = ""

    def __add__(self, other: "ModelUse") -> "ModelUse":
        """Add up calls of the same model, before anybody knows their cost."""
        return replace(
            self,
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            milliseconds=round(self.milliseconds + other.milliseconds, 1),
            estimated=self.estimated + other.estimated,
        )


def add_up_by_model(uses: Iterable[ModelUse]) -> list[ModelUse]:
    """Add up the calls of each model, in the order of the first ones."""
    totals: dict[tuple[str, str, str], ModelUse] = {}
    for use in uses:
        key = (use.kind, use.model, use.class_name)
        totals[key] = totals[key] + use if key in totals else use
    return list(totals.values())
