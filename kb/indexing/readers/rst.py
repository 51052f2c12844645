"""Read reStructuredText, that of Sphinx as well: unknown directives and roles keep their words."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section
from kb.indexing.readers.html import parse_page

_SETTINGS: Final = {
    "report_level": 5,
    "halt_level": 5,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "doctitle_xform": False,
    "initial_header_level": 1,
    "syntax_highlight": "none",
    "embed_stylesheet": False,
    "stylesheet_path": "",
    "_disable_config": True,
}
_DIRECTIVE: Final = re.compile(r"^\s*\.\. (?:\|[^|\n]+\| )?([\w:+.-]+)::", re.MULTILINE)
_ROLE: Final = re.compile(r":([\w:+.-]+):`|`:([\w:+.-]+):")
_WITHOUT_WORDS: Final = {
    *("toctree", "index", "highlight", "currentmodule", "module", "py:module", "py:currentmodule"),
    *("include", "literalinclude", "image", "contents", "sectnum", "raw", "default-role"),
    *("tabularcolumns", "automodule", "autoclass", "autofunction", "program"),
}
_CODE: Final = {"code-block", "sourcecode", "prompt", "testcode", "parsed-literal"}
_TARGET: Final = re.compile(r"(?<=\S)\s*<[^<>]*>$")
_OPTION: Final = re.compile(r":[\w-]+:(?:\s|$)")


class _Silent(Directive):  # type: ignore[misc]  # docutils ships no types
    """A directive that has no words for a reader of its own."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> Sequence[nodes.Node]:
        return []

    def read_content(self) -> list[str]:
        """Return the lines of the content without the options at its beginning."""
        lines = list(self.content)
        while lines and (not lines[0].strip() or _OPTION.match(lines[0])):
            del lines[0]
        return lines


class _Code(_Silent):
    def run(self) -> Sequence[nodes.Node]:
        text = "\n".join(self.read_content())
        return [nodes.literal_block(text, text)]


class _Labelled(_Silent):
    """A directive of an extension: its argument, or else its name, stands over its text."""

    def run(self) -> Sequence[nodes.Node]:
        given = "\n".join(self.arguments).split("\n")
        words = " ".join(line for line in given if not _OPTION.match(line.strip()))
        label = " ".join(words.split()) or self.name.rpartition(":")[2].capitalize()
        around = nodes.container()
        around += nodes.paragraph("", "", nodes.strong("", label))
        if lines := self.read_content():
            content = self.content[-len(lines) :]
            self.state.nested_parse(content, self.content_offset, around)
        return [around]


def read(path: Path) -> Extract:
    text = read_text_file(path)
    _register_names(text)
    tree = publish_doctree(text, settings_overrides=_SETTINGS)
    for kind in (nodes.system_message, nodes.comment):
        for node in list(tree.findall(kind)):
            node.parent.remove(node)
    for node in tree.findall(nodes.literal):
        node["classes"].append("code")  # which the writer makes <code> of
    html = publish_from_doctree(tree, writer="html5", settings_overrides=_SETTINGS)
    return Extract(kind="markdown", sections=(Section(parse_page(html.decode()).markdown),))


def _register_names(text: str) -> None:
    """Register the directives and roles of a text that docutils does not know or would not show."""
    for name in {found.lower() for found in _DIRECTIVE.findall(text)}:
        if name in _WITHOUT_WORDS:
            directives.register_directive(name, _Silent)
        elif name in _CODE:
            directives.register_directive(name, _Code)
        elif name not in en.directives:
            directives.register_directive(name, _Labelled)
    for name in {"".join(found).lower() for found in _ROLE.findall(text)}:
        if name not in en.roles:
            roles.register_local_role(name, _read_role)


def _read_role(  # the arguments are those of docutils
    name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: object,
    options: Mapping[str, Any] | None = None,
    content: Sequence[str] = (),
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Return the words of a role without its target: `title <target>`, `~module.name`, `!name`."""
    del rawtext, lineno, inliner, options, content
    words = _TARGET.sub("", nodes.unescape(text)).lstrip("~!")
    is_prose = name.rpartition(":")[2] in ("ref", "doc", "term", "any", "numref", "menuselection")
    return [nodes.inline("", words) if is_prose else nodes.literal("", words)], []
