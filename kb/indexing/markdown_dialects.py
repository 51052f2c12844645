"""Take out of Markdown what is written for site generators, and keep its words.

GitBook, Docusaurus and MDX, MkDocs, MyST, Hugo, VitePress and Jekyll each have tags of their own.
Every line stays where it is, so that the lines of a chunk are those of the file.
"""

import re
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)")
"""The marks of a line that opens or closes a block of code, and what stands behind them."""
_TEXT_FENCE: Final = re.compile(
    r"\{(?:admonition|note|tip|hint|important|warning|caution|attention|danger|error|seealso"
    r"|dropdown|details|versionadded|versionchanged|deprecated)\}"
)
"""What MyST writes behind the marks of a fence that holds text."""
_MODULE: Final = re.compile(r"import\s[^\n]*?['\"][^'\"\n]+['\"];?\s*$|import\s*\{[^}\n]*$")
_EXPORT: Final = re.compile(r"(?:export|import)\s")
_INDENTED: Final = re.compile(
    r"(?P<indent> *)(?:(?:!!!|\?\?\?\+?) *(?P<kind>[\w -]*?)|===[!+]*) *"
    r"(?:\"(?P<title>[^\"]*)\")? *$"
)
"""An admonition or a tab of MkDocs, whose text is indented below it."""
_COLONS: Final = re.compile(r"(?P<indent>\s*):{3,}\s*(?:\{?(?P<kind>[\w-]+)\}?)?(?P<title>.*)$")
_ALERT: Final = re.compile(r"^(\s*>\s*)\[!(\w+)\]([-+]?)\s*(.*)$")
_ANCHOR: Final = re.compile(r"\s*\{(?::?\s*[#.][^{}\n]*)\}\s*(?=#*\s*$)")
_ATTRIBUTES: Final = re.compile(r"\s*\{:[^{}\n]*\}\s*$")
_MARKUP: Final = re.compile(
    r"(?P<code>(?P<ticks>(?<!`)`+(?!`))(?:[^`]|(?!(?P=ticks)(?!`))`){1,2000}?(?P=ticks)(?!`))"
    r"|(?P<liquid>\{%-?[^%{}]{0,2000}-?%\})"
    r"|(?P<shortcode>\{\{[<%][^{}]{0,2000}[>%]\}\})"
    r"|(?P<component>(?:(?<!\w)<|</)(?P<name>[A-Z][\w.]*)(?P<attributes>(?:\s+(?:[^<>{}\"']|\"[^\"]{0,2000}\"|'[^']{0,2000}'"
    r"|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}\}){0,2000}\}|=>){0,500})?/?)>)"
)
_COMMENTS: Final = (("<!--", "-->"), ("{/*", "*/}"))
_CLOSING: Final = re.compile(r"</([A-Z][\w.]*)\s*>")
_SPOKEN: Final = re.compile(
    r"\b(?:title|label|caption|summary|heading|alt|description)\s*=\s*\{?[\"'`]([^\"'`]*)[\"'`]"
)
"""Attributes that a reader sees."""
_ADDRESS: Final = re.compile(r"\b(?:url|src|href|to)\s*=\s*[\"'](https?:[^\"']*)[\"']")


def simplify_markdown(text: str) -> str:
    r"""Return a text without the tags of dialects, aligned tables and escaped names: `max\_size`.

    Aligned tables would fill the chunks; what is escaped would be hidden from the search.
    """
    lines: list[str] = []
    for is_code, run in _split_at_fences(_unwrap_indented(text.split("\n"))):
        lines += run if is_code or not run else _simplify_lines(run)
    return "\n".join(lines)


def _split_at_fences(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield lines of code and lines of text in turns; a fence that holds text loses its marks."""
    run: list[str] = []
    fence = ""
    holds_text = ""  # the marks of a fence of text that is open
    for line in lines:
        start = line.lstrip()
        marks, words = found.groups() if (found := _FENCE.match(start)) else ("", "")
        if not fence and marks and _TEXT_FENCE.match(words.strip()):
            holds_text = marks
            run.append(_write_label(words.strip().strip("{").replace("}", " ")))
        elif not fence and holds_text and marks.startswith(holds_text) and not words.strip():
            holds_text = ""
            run.append("")
        elif not fence and marks:
            yield False, run
            fence, run = marks, [line]
        elif fence and marks.startswith(fence) and not words.strip():
            yield True, [*run, line]
            fence, run = "", []
        else:
            run.append(line)
    yield bool(fence), run


def _unwrap_indented(lines: list[str]) -> list[str]:
    """Take the indentation away that the text of an admonition or a tab of MkDocs has."""
    unwrapped: list[str] = []
    depths: list[int] = []
    fence = ""
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        while depths and line.strip() and indent < depths[-1] and not fence:
            depths.pop()
        marks, words = found.groups() if (found := _FENCE.match(line.lstrip())) else ("", "")
        if not fence:
            fence = marks
        elif marks.startswith(fence) and not words.strip():
            fence = ""
        if not fence and (found := _INDENTED.match(line)):
            depths.append(indent + 4)
            kind, title = found["kind"] or "", found["title"]
            label = _write_label(title if title is not None else kind.partition(" ")[0])
            unwrapped.append(" " * (indent - 4 * (len(depths) - 1)) + label)
        else:
            unwrapped.append(line[min(indent, 4 * len(depths)) :] if line.strip() else line)
    return unwrapped


def _simplify_lines(lines: list[str]) -> Iterator[str]:
    """Yield lines outside of code as plain Markdown."""
    is_module = False
    text = "\n".join(lines)
    for begin, end in _COMMENTS:
        text = _blank_comments(text, begin, end)
    closed = set(_CLOSING.findall(text))
    plain = _MARKUP.sub(lambda found: _find_words(found, closed), text).split("\n")
    for number, line in enumerate(plain):
        begins = _MODULE.match(line) or (
            _EXPORT.match(line) and re.search(r"[={(]|\bfrom\b", line) and not line.endswith(".")
        )
        before = plain[number - 1] if number else ""
        is_module = bool(line.strip()) and (is_module or bool(begins and not before.strip()))
        yield "" if is_module else _simplify_line(line)


def _blank_comments(text: str, begin: str, end: str) -> str:
    """Take comments out that are closed, and leave their line ends; not those in code spans."""
    parts = []
    at = 0
    while (start := text.find(begin, at)) >= 0 and (stop := text.find(end, start)) >= 0:
        stop += len(end)
        is_code = text[start - 1 : start] == "`"
        parts += [
            text[at:start],
            text[start:stop] if is_code else "\n" * text.count("\n", start, stop),
        ]
        at = stop
    return "".join([*parts, text[at:]])


def _simplify_line(line: str) -> str:
    if line.lstrip().startswith(":::") and (found := _COLONS.match(line)):
        title = found["title"].strip(" []")
        return found["indent"] + _write_label(title or found["kind"] or "")
    if found := _ALERT.match(line):
        return f"{found[1]}{_write_label(found[4] or found[2])}"
    if line.startswith("#"):
        line = _ANCHOR.sub("", line)
    plainer = _ATTRIBUTES.sub("", re.sub(r"(?<=\w)\\_(?=\w)", "_", line))
    aligned = line.lstrip().startswith("|")
    return re.sub(r"(-{3})-+|( ) +", r"\1\2", plainer) if aligned else plainer


def _find_words(found: re.Match[str], closed: set[str]) -> str:
    """Return what of a tag a reader sees, on as many lines as it took.

    A word like <Name> is text unless a tag closes it; `closed` are the names of those.
    """
    tag = found[0]
    if found["code"] or (
        found["component"] and not found["attributes"] and found["name"] not in closed
    ):
        return tag
    words = _SPOKEN.findall(tag)
    addresses = _ADDRESS.findall(tag) if found["liquid"] or found["shortcode"] else []
    label = " ".join([*map(_write_label, filter(str.strip, words)), *addresses])
    return label + "\n" * tag.count("\n")


def _write_label(words: str) -> str:
    """Return a title or the kind of a note, as it is shown over the text."""
    words = words.strip()
    if words.islower() and " " not in words:
        words = words.capitalize()
    return f"**{words}**" if words else ""
