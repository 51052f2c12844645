"""Markdown of models and documents as HTML that can do nothing."""

from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

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
_OVER_EMPTY_LINES: Final = {"bullet_list_open", "ordered_list_open", "code_block"}
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


def measure_finished_blocks(text: str) -> int:
    """Return the length of the blocks of Markdown that no further line can change.

    Lines only ever open and continue blocks, so all but the last one are finished; a line that is
    not whole yet is not counted as one.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    blocks = [
        token
        for token in _MARKDOWN.parse("".join(lines))
        if token.map and token.level == 0 and token.nesting >= 0
    ]
    if not blocks:
        return 0
    begin, end = blocks[-1].map or (0, 0)
    return sum(map(len, lines[: end if _is_finished(blocks[-1], len(lines)) else begin]))


def _is_finished(last: Token, lines: int) -> bool:
    """Whether the last block of so many lines has ended: an empty line ends most of them."""
    begin, end = last.map or (0, 0)
    if last.type == "fence":
        marks = 2
        return end - begin == last.content.count("\n") + marks
    return end < lines and last.type not in _OVER_EMPTY_LINES
