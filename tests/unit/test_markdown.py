"""Markdown as HTML that can do nothing."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kb.api.safe_html import as_html

TAG = re.compile(r"<(/?[a-z0-9]+)([^>]*)>")
HARMLESS = re.compile(
    r"/?(p|br|hr|h[1-6]|blockquote|ul|ol|li|strong|em|s|code|pre|table|thead|tbody|tr|th|td)"
)
HARMLESS_ATTRIBUTE = re.compile(r' (start="\d+"|align="(left|center|right)")')
HOSTILE = st.lists(
    st.sampled_from(
        [
            *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>"),
            *("![a](http://evil.example/a.png)", "![a][1]", "[1]: http://evil.example", "[x]("),
            *("javascript:alert(1)", ")", "<javascript:alert(1)>", "&#106;avascript:", "](", "`"),
            *("\n\n", "| a |\n| -: |\n", "**", "~~~\n", "    ", "> ", "1. ", "<!--", "-->", "\x00"),
            *("<style>*{}</style>", "<a href=//evil.example>", "style='x'", '"', "'", "é"),
        ]
    ),
    max_size=12,
).map("".join)


@given(HOSTILE | st.text())
@example("<iframe srcdoc='<script>alert(1)</script>'>")
@example("[x](javascript:alert(1)) ![y](data:image/svg+xml,<svg>)")
def test_no_text_becomes_a_tag_or_an_attribute_that_does_anything(text: str) -> None:
    for name, attributes in TAG.findall(as_html(text)):
        assert HARMLESS.fullmatch(name)
        assert not attributes or HARMLESS_ATTRIBUTE.fullmatch(attributes)


def test_blocks_emphasis_code_and_tables_are_shown() -> None:
    html = as_html("# A\n\n- **b** `c`\n\n3. d\n\n| e |\n| - |\n| ~~f~~ |\n\n```\n<g>\n```")
    for part in (
        *("<h3>A</h3>", "<strong>b</strong>", "<code>c</code>", '<ol start="3">'),
        *("<th>e</th>", "<s>f</s>", "&lt;g&gt;"),
    ):
        assert part in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[see](http://evil.example)", "<p>see</p>\n"),
        ("[see](javascript:alert(1))", "<p>see</p>\n"),
        ("<http://evil.example>", "<p>http://evil.example</p>\n"),
        ("a ![b](http://evil.example/b.png)", "<p>a </p>\n"),
        ("<b>c</b>", "<p>&lt;b&gt;c&lt;/b&gt;</p>\n"),
        ("two\nlines", "<p>two<br>\nlines</p>\n"),
        ("a \u202egpj.exe", "<p>a gpj.exe</p>\n"),
    ],
)
def test_links_are_their_labels_images_nothing_and_html_is_text(text: str, html: str) -> None:
    assert as_html(text) == html


def test_the_number_of_a_citation_stays_one_whatever_the_text_defines() -> None:
    assert "[1]" in as_html("It is so [1].\n\n[1]: http://evil.example")
