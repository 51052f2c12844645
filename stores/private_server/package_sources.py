"""The Debian archive that this machine already uses, seen as another release; pure text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

RELEASE = "trixie"
"""The first Debian release with MariaDB 11.8."""

SUITE = re.compile(
    r"(?:buster|bullseye|bookworm|trixie|forky|duke|sid|(?:old)*stable|testing|unstable)"
    r"(?P<part>|-updates|-security|/updates)"
)
PARTS = {"": "", "-updates": "-updates", "-security": "-security", "/updates": "-security"}
ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)"
)
# How a source is trusted and for which processors; all else is of no use here.
KEPT_OPTIONS = {
    "arch": "Architectures",
    "architectures": "Architectures",
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
}


@dataclass(frozen=True)
class AptSource:
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        fields = {
            "Types": "deb",
            "URIs": " ".join(self.uris),
            "Suites": " ".join(self.suites),
            "Components": " ".join(self.components),
            "Targets": "Packages",
            **dict(self.options),
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())


def rewrite_sources(sources: Iterable[AptSource]) -> str:
    """The Debian sources among these, rewritten to RELEASE; empty when there is none."""
    rewritten = [new for source in sources if (new := _to_release(source)) is not None]
    if not any(RELEASE in source.suites for source in rewritten):
        return ""
    return "\n".join(map(str, rewritten))


def parse_list(text: str) -> Iterator[AptSource]:
    """The one-line format: `deb [option=value] URI suite component…`."""
    for line in text.splitlines():
        match = ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match:
            options = (word.partition("=") for word in (match["options"] or "").split())
            yield AptSource(
                (match["uri"],),
                (match["suite"],),
                tuple(match["components"].split()),
                _choose_options((name, value.replace(",", " ")) for name, _, value in options),
            )


def parse_deb822(text: str) -> Iterator[AptSource]:
    """The format of `.sources` files: stanzas of `Name: value` with continuation lines."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = dict(_split_fields(stanza))
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            yield AptSource(
                tuple(fields.get("uris", "").split()),
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                _choose_options(fields.items()),
            )


def _split_fields(stanza: str) -> Iterator[tuple[str, str]]:
    for field in re.split(r"\n(?=\S)", stanza.strip("\n")):
        name, _, value = field.partition(":")
        yield name.strip().lower(), value.strip()


def _choose_options(options: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (KEPT_OPTIONS[name.lower()], value)
        for name, value in options
        if name.lower() in KEPT_OPTIONS
    )


def _to_release(source: AptSource) -> AptSource | None:
    """The same source for RELEASE; None when it is not Debian's own.

    Others use Debian's suite names too. They are told apart by their component, key or address.
    """
    uris = tuple(uri for uri in source.uris if "debian" in uri.lower())
    found = filter(None, map(SUITE.fullmatch, source.suites))
    suites = tuple(dict.fromkeys(RELEASE + PARTS[match["part"]] for match in found))
    key = dict(source.options).get("Signed-By", "debian")
    if not uris or not suites or "main" not in source.components or "debian" not in key:
        return None
    return replace(source, uris=uris, suites=suites, components=("main",))
