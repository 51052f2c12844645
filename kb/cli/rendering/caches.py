"""What is kept for the next time, as people read it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from kb.cli.language import gettext
from kb.cli.rendering.layout import make_table


def show_descriptions(console: Console, described: Sequence[Mapping[str, Any]]) -> None:
    if not described:
        console.print(gettext("Nothing is kept: `caches` of config.yaml switches it on."))
        return
    table = make_table("", gettext("place"), gettext("values"), "MB", gettext("seconds"))
    for each in described:
        size = "-" if each["bytes"] is None else f"{each['bytes'] / 1e6:.1f}"
        values = "-" if each["values"] is None else str(each["values"])
        most = f"{size} / {each['mb']}" if each["place"] != "redis" else size
        table.add_row(each["kind"], each["place"], values, most, f"{each['seconds']:g}")
    console.print(table)
