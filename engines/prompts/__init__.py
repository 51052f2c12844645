"""Every prompt, one a file."""

from functools import cache
from importlib import resources


@cache
def prompt(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()
