"""Whether a built site needs no other host: no script, style, font or picture comes from one."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"\s]*", re.IGNORECASE)
LOADING = {"src", "srcset", "data", "poster", "action"}


class LoadedAddresses(HTMLParser):
    """What a page makes a browser fetch by itself; where a reader may go is another matter."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = LOADING | ({"href"} if tag in ("link", "use", "base") else set())
        self.found += [value for name, value in attrs if name in wanted and value]


def foreign_addresses(site: Path) -> list[str]:
    """Each address of another host that a page or a style of the site loads, with its file."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = LoadedAddresses()
        text = page.read_text("utf-8")
        parser.feed(text)
        loaded = [address for address in parser.found if ELSEWHERE.match(address)]
        found += [f"{page}: {address}" for address in loaded + IN_STYLES.findall(text)]
    for style in sorted(site.rglob("*.css")):
        found += [f"{style}: {address}" for address in IN_STYLES.findall(style.read_text("utf-8"))]
    return found


if __name__ == "__main__":
    if not list(Path(sys.argv[1]).rglob("*.html")):
        sys.exit(f"There is no site in {sys.argv[1]}.")
    if found := foreign_addresses(Path(sys.argv[1])):
        sys.exit("The site loads from other hosts:\n" + "\n".join(found))
