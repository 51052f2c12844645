"""Markdown of models and documents as HTML that can do nothing."""

from typing import Final

import nh3
from markdown_it import MarkdownIt

from engines.visible_text import make_visible

# Neither images nor links: what an answer rests on is linked by the numbers of its citations.
_TAGS: Final = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"),
    *("strong", "em", "s", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"),
}
_MARKDOWN: Final = MarkdownIt(
    "commonmark", {"html": False, "linkify": False, "breaks": True}
).enable(["table", "strikethrough"])
_MARKDOWN.disable("reference")  # [1] stays a citation, whatever `[1]: …` says
# Every link is read as one, and so dropped.
_MARKDOWN.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005 - its interface
_CELLS: Final = {"th": {"align"}, "td": {"align"}}
_LEVELS: Final = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}  # below the page's


def as_html(text: str) -> str:
    """Return Markdown as HTML; HTML in it is text, a link its label, an image nothing."""
    tokens = _MARKDOWN.parse(make_visible(text))
    for token in tokens:
        token.tag = _LEVELS.get(token.tag, token.tag)
        if style := token.attrGet("style"):  # of the cells of a table, which the policy forbids
            token.attrSet("align", str(style).removeprefix("text-align:"))
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return nh3.clean(html, tags=_TAGS, attributes={"ol": {"start"}, **_CELLS})
