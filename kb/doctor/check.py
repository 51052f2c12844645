"""What the doctor finds: one thing that was looked at, and what to change."""

from dataclasses import dataclass
from typing import Final, Literal

MEGABYTE: Final = 2**20
MOST_NAMED: Final = 5  # files or packages
SECONDS: Final = 5.0  # for a server to answer


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was seen and, unless it is ok, what to change."""

    name: str
    state: Literal["ok", "warn", "fail"]
    seen: str
    advice: str = ""


def format_size(number: int) -> str:
    if number >= 1024 * MEGABYTE:
        return f"{number / 1024 / MEGABYTE:.1f} GB"
    if number >= MEGABYTE:
        return f"{number / MEGABYTE:.0f} MB"
    return f"{number / 1024:.0f} kB"
