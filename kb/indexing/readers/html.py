"""Read HTML as Markdown without scripts, navigation and pictures."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag, XMLParsedAsHTMLWarning
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from kb.indexing.charset import decode_text
from kb.indexing.document import Extract, Section

CLUTTER = (
    "script, style, template, noscript, nav, svg, iframe, object, head, "
    "[hidden], [role=navigation], [role=search]"
)

TECHNICAL = {"viewport", "robots", "googlebot", "generator", "referrer"}


@dataclass(frozen=True)
class Page:
    """What an HTML page says and declares."""

    title: str
    language: str
    markdown: str
    metadata: dict[str, str]


def read(path: Path) -> Extract:
    page = parse_page(decode_page(path.read_bytes()))
    return Extract(
        kind="markdown",
        sections=(Section(page.markdown),),
        property_title=page.title,
        language=page.language,
        metadata=page.metadata,
    )


def decode_page(data: bytes) -> str:
    return decode_text(data, EncodingDetector.find_declared_encoding(data, is_html=True))


def parse_page(html: str) -> Page:
    """Parse HTML and return its main content as Markdown, with what the page declares."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML reads well as HTML
        soup = BeautifulSoup(re.sub(r"\A\s*<\?xml[^>]*>", "", html), "lxml")
    root = soup.find("html")
    title = soup.find("title")
    return Page(
        title=title.get_text(" ", strip=True) if title else "",
        language=str(root.get("lang") or root.get("xml:lang") or "") if root else "",
        metadata=_find_page_metadata(soup),
        markdown=_soup_to_markdown(soup),
    )


def _find_page_metadata(soup: BeautifulSoup) -> dict[str, str]:
    """Return what the author declares about the page, not what is said to browsers and robots."""
    declared = {
        str(meta.get("name")).lower(): str(meta.get("content") or "").strip()
        for meta in soup.select("head meta[name]")
    }
    return {
        name: content
        for name, content in declared.items()
        if content and name.isidentifier() and name not in TECHNICAL
    }


def _soup_to_markdown(soup: BeautifulSoup) -> str:
    for element in soup.select(CLUTTER):
        element.decompose()
    for image in soup.find_all("img"):
        image.replace_with(str(image.get("alt") or ""))
    for link in soup.find_all("a"):
        if not str(link.get("href") or "").startswith(("http:", "https:", "mailto:")):
            link.unwrap()
    main = soup.find("main")
    content = main if main and main.get_text(strip=True) else soup
    return re.sub(r"\n\s*\n\s*\n", "\n\n", str(CONVERTER.convert_soup(content))).strip()


def _find_code_language(pre: Tag) -> str:
    element = pre.find("code") or pre
    names = [str(name) for name in element.get_attribute_list("class")]
    return next((name[9:] for name in names if name.startswith("language-")), "")


CONVERTER = MarkdownConverter(
    heading_style="atx",
    bullets="-",
    escape_asterisks=False,
    escape_underscores=False,
    table_infer_header=True,
    code_language_callback=_find_code_language,
)
