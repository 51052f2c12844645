"""Chunks make sense alone, fit a model, and lose nothing."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode

from kb.indexing.chunks import split_section_into_chunks
from kb.indexing.document import Kind, ReadDocument, Section
from kb.indexing.pieces import CAP, TARGET
from kb.indexing.split import split_document

SENTENCE = "Parcels are delivered within three working days. "
KINDS: list[Kind] = ["markdown", "text", "code", "rows"]


def document(*texts: str, kind: Kind = "markdown", title: str = "Guide", **facts) -> ReadDocument:
    sections = [Section(text, first_line=1) for text in texts]
    return ReadDocument(
        title=title,
        language=facts.get("language", "en"),
        media_type="text/markdown",
        kind=kind,
        sections=tuple(
            replace(each, chunks=tuple(split_section_into_chunks(each, kind))) for each in sections
        ),
        metadata=facts.get("metadata", {}),
    )


def nodes(*texts: str, **facts) -> list[TextNode]:
    return split_document(document(*texts, **facts), "doc")


def texts(*sources: str, **facts) -> list[str]:
    return [node.text for node in nodes(*sources, **facts)]


def headings(*sources: str, **facts) -> list[str | None]:
    return [node.metadata.get("headings") for node in nodes(*sources, **facts)]


def lines(*sources: str, **facts) -> list[str]:
    return [node.metadata["lines"] for node in nodes(*sources, **facts)]


# Nodes


def test_a_node_carries_its_place_and_its_neighbours():
    first, second, third = nodes("# A\n\n" + SENTENCE * 45, metadata={"category": "faq"})
    assert [node.node_id for node in (first, second, third)] == [
        *("doc:00000", "doc:00001", "doc:00002")
    ]
    assert second.metadata == {
        "title": "Guide",
        "headings": "A",
        "lines": "3-3",
        "language": "en",
        "media_type": "text/markdown",
        "category": "faq",
    }
    assert second.ref_doc_id == "doc"
    assert second.prev_node.node_id == first.node_id
    assert second.next_node.node_id == third.node_id
    assert NodeRelationship.PREVIOUS not in first.relationships
    assert NodeRelationship.NEXT not in third.relationships


def test_title_and_headings_alone_precede_the_text_for_models():
    node = nodes("# Guide\n\n## Delivery\n\ntext", metadata={"category": "faq"})[0]
    node.metadata["path"] = "a.md"
    for mode in (MetadataMode.EMBED, MetadataMode.LLM):
        assert node.get_content(mode) == "Guide\nDelivery\n\ntext"


def test_a_heading_that_is_the_title_is_not_repeated():
    assert headings("# Guide\n\ntext") == [None]
    assert headings("# Other\n\ntext") == ["Other"]


def test_pages_are_never_mixed():
    pages = document("one", "two", kind="text")
    sections = [replace(each, page=at) for at, each in enumerate(pages.sections, start=1)]
    found = split_document(replace(pages, sections=tuple(sections)), "doc")
    assert [(node.metadata["page"], node.text) for node in found] == [(1, "one"), (2, "two")]


def test_what_is_unknown_is_absent():
    found = split_document(
        replace(document("text", language=""), sections=(replace(document("text").sections[0]),)),
        "doc",
    )
    assert set(found[0].metadata) == {"title", "lines", "media_type"}


# Headings


def test_each_section_keeps_its_path_of_headings():
    text = "# A\n\n## B\n\n{0}\n\n### C `x`\n\n{0}\n\n## [D](u)\n\n{0}\n\n# E\n\n{0}".format(
        SENTENCE * 10
    )
    assert headings(text) == ["A > B", "A > B > C x", "A > D", "E"]
    assert set(texts(text)) == {(SENTENCE * 10).strip()}
    assert lines(text) == ["1-5", "7-9", "11-13", "15-17"]


def test_underlined_headings_are_headings():
    text = f"Big\n===\n\nSmall\nname\n---\n\n{SENTENCE * 10}\n"
    assert headings(text) == ["Big > Small name"]
    assert lines(text) == ["1-8"]


def test_what_looks_like_a_heading_in_a_fence_a_list_or_a_comment_is_none():
    text = "# A\n\n```sh\n# comment\n```\n\n- # item\n\n<!--\n# hidden\n-->\n\n" + "#" * 7 + " no"
    assert headings(text) == ["A"]
    assert "# comment" in texts(text)[0]


def test_a_heading_without_text_is_kept():
    assert texts("# A\n\n## B\n") == ["## B"]
    assert headings("# A\n\n## B\n") == ["A > B"]
    text = f"# A\n\n{SENTENCE * 10}\n\n# Last"
    assert texts(text) == [(SENTENCE * 10).strip(), "# Last"]


def test_a_heading_as_long_as_a_text_is_text():
    assert headings(f"# {SENTENCE * 10}") == [None]


def test_tiny_sections_are_joined_below_one_heading():
    text = "# A\n\n## B\n\none\n\n## C\n\ntwo\n\n# D\n\nthree"
    assert headings(text) == ["A", "D"]
    assert texts(text) == ["## B\n\none\n\n## C\n\ntwo", "three"]


def test_larger_sections_stay_apart_with_their_own_path():
    text = f"# A\n\n## B\n\n{SENTENCE * 6}\n\n## C\n\n{SENTENCE * 6}"
    assert headings(text) == ["A > B", "A > C"]


def test_the_same_heading_twice_is_kept_twice():
    text = "# A\n\n## Example\n\none\n\n## Example\n\ntwo"
    assert headings(text) == ["A > Example"]
    assert texts(text) == ["one\n\n## Example\n\ntwo"]


# Blocks


def test_paragraphs_are_packed_to_about_the_target():
    sizes = [len(text) for text in texts("\n\n".join([SENTENCE * 5] * 40))]
    assert max(sizes) <= TARGET
    assert min(sizes) > TARGET // 2


def test_a_long_paragraph_is_cut_between_sentences():
    for text in texts(SENTENCE * 90):
        assert text.startswith("Parcels")
        assert text.endswith("days.")


def test_a_monster_line_is_cut_all_the_same():
    assert "".join(texts("x" * 9_999)) == "x" * 9_999
    assert all(text.startswith("word") for text in texts("word " * 2_000))


def test_a_short_rest_joins_the_chunk_before():
    text = f"{(SENTENCE * 19).strip()}\n\n{SENTENCE * 3}"
    assert len(texts(text)) == 1


def test_an_introduction_stays_with_its_fence():
    fence = "```sql\n" + "SELECT 1;\n" * 150 + "```"
    assert texts(f"For example:\n\n{fence}") == [f"For example:\n\n{fence}"]


def test_a_fence_below_the_cap_is_whole():
    fence = "```sql\n" + "SELECT 1;\n\n" * 150 + "```"
    assert fence in texts(f"{SENTENCE * 10}\n\n{fence}\n\n{SENTENCE * 10}")


def test_a_longer_fence_is_cut_at_lines_into_fences():
    body = [f"SELECT {number};" for number in range(500)]
    found = texts("\n".join(["```sql", *body, "```"]))
    assert len(found) > 3
    assert all(text.startswith("```sql\n") and text.endswith("\n```") for text in found)
    inside = [line for text in found for line in text.split("\n")[1:-1]]
    assert inside == body


def test_a_fence_that_never_ends_is_cut_too():
    found = texts("```\n" + "SELECT 1;\n" * 500)
    assert all(text.startswith("```\n") for text in found)


@pytest.mark.parametrize("end", ["\n```", ""])
def test_no_part_of_a_fence_exceeds_the_bound(end):
    info = "x" * 290
    for length in (950, 999, 1_000):
        fence = f"```{info}\n" + "\n".join(["y" * length] * 4) + end
        assert max(map(len, texts(fence))) <= CAP


@pytest.mark.parametrize(
    "fence", ["```" + "x" * 3000, "~~~ " + "word " * 600, "- item\n\n  ```" + "x" * 3000]
)
def test_a_fence_of_one_long_line_without_end_is_cut_anywhere(fence):
    found = texts(f"# T\n\nhello\n\n{fence}")
    assert "hello" in found[0]
    assert len("".join(found)) > 3000 - len(found)
    assert all(len(text) <= CAP for text in found)


def test_a_long_table_repeats_its_header_and_cuts_between_rows():
    rows = [f"| {number} | {SENTENCE}|" for number in range(60)]
    found = texts("\n".join(["Prices:", "| n | text |", "|---|:-:|", *rows, "", "End."]))
    assert found[0].startswith("Prices:\n| n | text |\n|---|:-:|\n| 0 |")
    assert all(text.startswith("| n | text |\n|---|:-:|\n| ") for text in found[1:])
    kept = [line for text in found for line in text.split("\n") if SENTENCE in line]
    assert kept == rows


def test_a_table_below_the_cap_is_whole():
    table = "\n".join(["| n | text |", "|---|---|", *[f"| 1 | {SENTENCE}|"] * 30])
    assert TARGET < len(table) < CAP
    assert any(table in text for text in texts(f"{SENTENCE * 15}\n\n{table}\n\n{SENTENCE * 15}"))


@pytest.mark.parametrize(("rows", "chunks"), [(20, 1), (60, 5)])
def test_a_table_of_html_is_whole_below_the_cap_and_cut_between_rows_above(rows, chunks):
    row = f"<tr><td>1</td><td>{SENTENCE}</td></tr>"
    found = texts(f"<table>{row * rows}</table>")
    assert len(found) == chunks
    assert "".join(found) == f"<table>{row * rows}</table>"
    assert all(text.endswith("</tr>") for text in found[:-1])


def test_a_long_list_is_cut_between_items():
    items = [f"- item {number}: {SENTENCE * 2}\n  - inside\n" for number in range(40)]
    found = texts("".join(items))
    assert len(found) > 3
    assert all(text.startswith("- item") and text.endswith("- inside") for text in found)


def test_a_long_fence_inside_a_list_is_cut_into_fences():
    fence = "  ```sql\n" + "  SELECT 1;\n" * 300 + "  ```\n"
    found = texts(f"- first\n\n{fence}\n- second\n")
    assert len(found) > 2
    assert all("```sql" in text for text in found[:-1])


def test_link_definitions_and_html_are_kept():
    text = "# A\n\n[x]: https://example.org\n\n<div>\nraw\n</div>\n\nSee [x].\n\n[y]: /z\n"
    assert texts(text) == [text.removeprefix("# A\n\n").strip()]


# Other kinds


def test_plain_text_has_no_headings():
    assert texts("# not a heading\n\ntext", kind="text") == ["# not a heading\n\ntext"]


def test_code_is_cut_between_functions():
    functions = [
        f"def f{number}():\n    first = {number}\n\n    return first\n" + "    # more\n" * 30
        for number in range(12)
    ]
    found = texts("\n\n".join(functions), kind="code")
    assert len(found) > 3
    assert all(text.startswith("def f") for text in found)


def test_rows_are_whole_and_sheets_are_headings():
    rows = [f"id: {number}; text: {SENTENCE * 2}" for number in range(40)]
    text = "\n".join(["# Prices", *rows, "# Other", "id: 1"])
    assert set(headings(text, kind="rows")) == {"Prices", "Other"}
    kept = [line for text in texts(text, kind="rows") for line in text.split("\n")]
    assert [line.strip() for line in kept] == [*map(str.strip, rows), "id: 1"]


def test_a_row_too_long_for_a_chunk_repeats_its_first_field():
    found = texts(f"id: 17; text: {SENTENCE * 100}", kind="rows")
    assert len(found) > 3
    assert all(text.startswith("id: 17; ") for text in found)
    assert found[1].startswith("id: 17; … Parcels")


# Whatever the text is

words = st.sampled_from(["Les délais", "a b", "parcel", "x" * 150, "Fin. Et", SENTENCE * 8])
line = st.lists(words, min_size=1, max_size=6).map(" ".join)
block = st.one_of(
    line,
    st.tuples(st.integers(1, 6), line).map(lambda each: "#" * each[0] + " " + each[1]),
    line.map(lambda text: f"{text[:60]}\n==="),
    st.lists(line, min_size=1, max_size=9).map(lambda rows: "\n".join(f"- {row}" for row in rows)),
    st.lists(line, min_size=1, max_size=9).map(lambda rows: "\n".join(f"> {row}" for row in rows)),
    st.lists(line, max_size=30).map(lambda rows: "\n".join(["```sql", *rows, "```"])),
    st.lists(line, max_size=30).map(
        lambda rows: "\n".join(["| a | b |", "|---|---|", *(f"| {row} | x |" for row in rows)])
    ),
    line.map(lambda text: f"<div>\n{text}\n</div>"),
    st.just("[ref]: https://example.org/a"),
    st.just("---"),
)
markdown = st.lists(block, max_size=25).map("\n\n".join)
soup = st.text(alphabet="#-=`|>*:~. \n\tab0é", max_size=400).map(lambda text: text * 9)


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(markdown, soup), kind=st.sampled_from(KINDS))
def test_nothing_is_lost_nothing_is_doubled_and_every_chunk_fits(text, kind):
    section = document(text, kind=kind).sections[0]
    position = 0
    for chunk in section.chunks:
        assert chunk.start >= position
        left_out = re.findall(r"\w+", text[position : chunk.start])
        assert all(word in " ".join(chunk.headings) for word in left_out)
        slice_ = text[chunk.start : chunk.end]
        assert slice_.strip()
        assert len(chunk.opener + slice_ + chunk.closer) <= CAP
        first, last = map(int, chunk.lines.split("-"))
        assert slice_ in "\n".join(text.split("\n")[first - 1 : last])
        position = chunk.end
    assert not text[position:].strip()


@pytest.mark.parametrize("kind", KINDS)
def test_blank_text_has_no_chunks(kind):
    assert texts(" \n\n \n", kind=kind) == []
