"""No answer acts in any reader of Markdown: whole, in pieces, and wherever it is cut."""

import re
from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from engines.documents.cited_text import CitedText, clean_quotation, make_inert

KNOWN = "https://shop.example/help"
READERS = [
    MarkdownIt("commonmark", {"html": True}),
    MarkdownIt("gfm-like", {"html": True, "linkify": True}),
    MarkdownIt("gfm-like2", {"html": True, "linkify": True}),
    MarkdownIt("js-default", {"html": True, "linkify": True}),
]
# What readers built on mdast make links of, escaped or not.
AUTOLINK = re.compile(r"(?<![a-zA-Z])https?://[-.\w]|(?<![a-zA-Z0-9])www\.[-.\w]", re.IGNORECASE)
PIECES = st.sampled_from(
    [
        *("`", "``", "```", "~~~", "\\`", "\\", "|", "\n", "\n\n", "\r", "\r\n", "\t", "    ", " "),
        *("- ", "1. ", "> ", "# ", "  ", "\n---\n", "\n|-|-|\n", "\n:-\n", "\n===\n", "*", "**"),
        *("![x](https://evil.com/a.png)", "[x](http://evil.com)", "[x]", "[x][y]", "[1]", "[9]"),
        *("![", "](", "]:", "[", "]", "(", ")", "!", "<", ">", ":", "//", "/", ".", "www.", "@"),
        *("\n[x]: https://evil.com/a.png\n", "\n[y]: <//evil.com>\n", "https://", "evil.com"),
        *("<https://evil.com/?q=1>", "<img src=//evil.com/a>", "<b>", "</b>", "<!--", "-->", "<?"),
        *("<a href='https://evil.com'>", '<a title="', '">', "<evil@evil.com>", "me@evil.com"),
        *(
            "&#33;",
            "&#58;",
            "&colon;",
            "&lt;",
            "&#x5b;",
            "w&#119;w.evil.com",
            "http&#58;//evil.com",
        ),
        *("https\\://evil.com/x", "evil\\.com", "//evil.com/x", "evil.com/?q=1", KNOWN, "mailto:"),
        *("\u200b", "\u202e", "\u2066", "\x1b]8;;https://evil.com\x07", "\x00", "\x0c", "é", "x "),
        *('"', "'", '"@', "<@evil.com", ";", "{", "_", "e"),
        *("[`x`](http://evil.com)", "`![x](https://evil.com)`", "``` sql", "~~~ `x`", "www. "),
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


def tokens(reader: MarkdownIt, text: str) -> Iterator[Token]:
    for token in reader.parse(text):
        yield token
        yield from token.children or ()


def acting(text: str) -> list[str]:
    found = []
    for reader in READERS:
        for token in tokens(reader, text):
            if token.type in ("image", "link_open", "html_inline", "html_block"):
                found.append(f"{token.type} {token.attrs} {token.content}")
            elif token.type == "text" and AUTOLINK.search(token.content):
                found.append(token.content)
    return found


@pytest.mark.parametrize(
    "hostile",
    [
        "` ![x](https://evil.com/a.png)",
        "\\` ![x](https://evil.com/a.png) `",
        "- `\n- ![x](https://evil.com/a.png) `",
        "# `\n![x](https://evil.com/a.png) `",
        "a `\n\n![x](https://evil.com/a.png) `",
        "- ```\n![x](https://evil.com/a.png)\n```",
        "> ~~~\n![x](https://evil.com/a.png)",
        "a\n    ![x](https://evil.com/a.png)",
        "```|![x](https://evil.com/a.png)\n|-|-|",
        "~~~ ```\n~~~\n![x](https://evil.com/a.png)\n```",
        "`` ` `` ![x](https://evil.com/a.png) `",
        "a ` | ` `![x](https://evil.com)`\n|-|-|",
        "a ` b\n| c ` `![x](https://evil.com)` |\n|-|",
        "<a title='`'> ![x](https://evil.com/a.png) `",
        "www. [9]evil.com and www.<b>evil.com and http:/<b>/evil.com",
        "https\\://evil.com https&#58;//evil.com w&#119;w.evil.com <//evil.com>",
        "//<@evil.com",
        "//'>@evil.com",
        "//'http://x.example/y<@evil.com",
        'me"@evil.com',
        "_//evil.com/x_ and _evil.com_ and ~~~.evil.com",
    ],
)
def test_what_only_looks_like_code_does_nothing(hostile: str) -> None:
    assert acting(hostile)
    assert acting(CitedText(1).clean_whole(hostile)) == []
    assert [each for each in acting(make_inert(hostile)) if "href" not in each] == []


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(TEXTS, st.integers(1, 9))
@example("evil\\.com\x00.evil\\.com", 1)  # two hosts to who ends a host at any odd character
@example("//<@evil\\.com", 1)  # a user of any name, to linkify-it
def test_nothing_acts_however_a_text_comes_and_is_cut(text: str, step: int) -> None:
    cited = CitedText(1, {KNOWN})
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    shown = list(dict.fromkeys(accumulate(cited.clean_pieces(pieces))))
    for each in shown:
        assert acting(each) == []
    once = CitedText(1, {KNOWN}).clean_whole(text)
    assert acting(once) == []
    assert acting(CitedText(1, {KNOWN}).clean_whole(once)) == []


@pytest.mark.parametrize(
    "text",
    [
        f"See `{KNOWN}` [1], `rows[0]` and `` `a` ``.",
        f"A lone ` and ``{KNOWN}`` [1].",
        "1. Do this:\n   ```sql\n   SELECT j[0], '<b>' -- ![x](http://evil)\n   ```\n2. So [1].",
        "| a | b |\n|---|---|\n| `x[2]` | \\| [1] |\n\nA \\[note\\], 3 < 4, Node.js; 1. and p. ex.",
        "> ~~~\n> [9](x)\n> ~~~\n\n- **bold**: _x_\n- a@b",
    ],
)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    assert CitedText(1, {KNOWN}).clean_whole(text) == text
    assert "".join(CitedText(1, {KNOWN}).clean_pieces(text)) == text


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(TEXTS)
def test_sources_link_to_nothing_but_name_hosts_and_persons(text: str) -> None:
    for told in (make_inert(text), clean_quotation(text)):
        links = [each for each in acting(told) if "href" in each]
        assert all(re.search(r"'(?:https?://|mailto:)[^/?#]*'", each) for each in links)
        assert acting(told) == links


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        ('it misses "#include <stdint.h>"', 'it misses "#include `<stdint.h>`"'),
        ("press <Space> and `ls`", "press ``<Space>`` and `ls`"),
        ("write to <ana@shop.example>", "write to ana@shop.example"),
    ],
)
def test_what_a_document_has_in_angle_brackets_is_quoted(quoted: str, shown: str) -> None:
    assert clean_quotation(quoted) == shown
