"""What calls of models cost, by a file that the operator keeps: no price comes with kb."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kb.mistakes import describe_all_mistakes
from stores.answers.model_use import ModelUse
from stores.errors import ConfigError

_MILLION: Final = 1_000_000
_Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
_EXAMPLE: Final = (
    "{currency: EUR, models: {gpt-4.1-mini: {input: 0.40, cached: 0.10, output: 1.60}}}"
)
# Models that run in a process of kb, as their classes call themselves. One of a server, such as
# Ollama's, may run elsewhere and be paid for.
RUN_BY_KB: Final = frozenset(
    {
        "CrossEncoder",
        "HuggingFaceEmbedding",
        "HuggingFace_LLM",
        "LlamaCpp",
        "LlamaCppEmbedding",
        "ModelPair",
        "SentenceModel",
        "WordVectors",
    }
)


class ModelPrice(BaseModel):
    """The price of a million tokens; without `cached` those cost as the others of a prompt do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: _Money
    output: _Money | None = None
    cached: _Money | None = None


class Prices(BaseModel):
    """Prices by the name of a model, all in one currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    models: Mapping[str, ModelPrice]


def find_cost(use: ModelUse, prices: Prices | None) -> Decimal | None:
    """Find what calls of a model cost, in the currency of the prices.

    It is nothing for a model without a price that kb itself runs on this machine, and None for any
    other, also for words without a price.
    """
    price = prices.models.get(use.model) if prices else None
    if price is None:
        return Decimal() if use.class_name in RUN_BY_KB else None
    if use.completion_tokens and price.output is None:
        return None
    cached = price.input if price.cached is None else price.cached
    total = (
        (use.prompt_tokens - use.cached_tokens) * price.input
        + use.cached_tokens * cached
        + use.completion_tokens * (price.output or Decimal())
    )
    return total / _MILLION


def load_prices(file: Path | None) -> Prices | None:
    """Load the prices of a file, None where none is named. Raises ConfigError."""
    if file is None:
        return None
    try:
        # A price that is read as a float would not be what the file says.
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts alone
        return Prices.model_validate(data)
    except OSError as error:
        raise ConfigError(
            f"cost.prices is {file}, which cannot be read: {error.strerror}. Write it: {_EXAMPLE}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text. Write it anew: {_EXAMPLE}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {error}. It looks like {_EXAMPLE}") from error
    except ValidationError as error:
        mistakes = describe_all_mistakes(error, data, whole="the file")
        raise ConfigError(
            f"{file} is no file of prices: {mistakes}. Per million tokens it looks like {_EXAMPLE}"
        ) from error
