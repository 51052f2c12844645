"""What all sections of config.yaml share: their base, and the kinds of their values."""

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,}")  # what an address and a header can hold


def _require_web_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("a URL that begins with http:// or https:// and a host")
    try:
        _ = address.port
    except ValueError:  # it would name a part of the address
        raise ValueError("a URL whose port is a number up to 65535") from None
    return value.rstrip("/")


def _resolve_beside_config(path: Path, info: ValidationInfo) -> Path:
    directory: Path = (info.context or {}).get("directory", Path.cwd())
    return directory / path.expanduser()


def _require_token(value: SecretStr | None) -> SecretStr | None:
    if value and not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("at least 16 letters, digits, - and _")
    return value


ApiKey = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]


Token = Annotated[ApiKey, AfterValidator(_require_token)]


BaseUrl = Annotated[str, AfterValidator(_require_web_url)]


RelativePath = Annotated[Path, AfterValidator(_resolve_beside_config)]


Positive = Annotated[int, Field(gt=0)]


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Money = Annotated[float, Field(gt=0, allow_inf_nan=False)]


Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """The text below a key is its description in the reference of the configuration."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
