"""The section on what models cost."""

from typing import Annotated, Literal

from pydantic import Field

from kb.config.section import Money, Positive, RelativePath, Section


class BudgetConfig(Section):
    """The most that models may cost in a calendar month, in the currency of the prices."""

    month: Money | None = None
    """Of all questions and indexing together; `null` for any sum."""
    per_key: Money | None = None
    """Of each key that is not named in `keys`; `null` for any sum."""
    keys: dict[str, Money] = Field(default_factory=dict)
    """Of single keys, by their names: `{website: 20}`."""
    warn_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The part of a budget from which on the log warns, once a month."""
    when_spent: Literal["refuse", "quote"] = "refuse"
    """What becomes of questions then: `refuse` (HTTP 402, `budget_spent`), or `quote`, which
    answers without a language model and says so. Texts are embedded for money in neither case."""

    def find_for_key(self, name: str) -> float | None:
        """Find the budget of a key, None for any sum."""
        return self.keys.get(name, self.per_key)


class CostConfig(Section):
    """What models take and cost: `kb stats` and `kb cost` tell."""

    prices: RelativePath | None = None
    """A file of prices per million tokens, which you keep:
    `{currency: EUR, models: {gpt-4.1-mini: {input: 0.40, cached: 0.10, output: 1.60}}}`. What a
    model costs that it does not name is unknown, but for those that kb runs itself, which cost
    nothing."""
    budget: BudgetConfig | None = None
    """The most that they may cost in a month; `null` for any sum."""
    retention_days: Positive | None = 90
    """Days for which the log of answers is kept; `null` keeps it. What models took each day is
    kept."""
