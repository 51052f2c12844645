"""reStructuredText and AsciiDoc: headings, tables and code are told, and no word is lost."""

from pathlib import Path

import pytest

from kb.indexing.read import ReadDocument, read_document

RST = """
Handbook
========

.. _start:
.. a comment

Start
-----

See :ref:`prices <prices>`, :doc:`/faq`, :py:func:`~kb.index` and |name|.

.. |name| replace:: the Hub

.. note:: Unplug it.

.. versionadded:: 2.1
   It can steam.

.. custom-box:: Hot steam
   :width: 3

   Wait for a *minute*.

.. code-block:: sh
   :linenos:

   ls -l

.. toctree::
   faq

+------+-------+
| Part | Price |
+======+=======+
| Hose | 4     |
+------+-------+

.. list-table:: Sizes
   :header-rows: 1

   * - Size
     - Cups
   * - S
     - 2
"""

ADOC = """= Handbook
Ada <ada@example.org>
:product: Hub
:toc:

// a comment
[[start]]
== Start with {product}

NOTE: Unplug it. See <<prices,the prices>> and https://x.org/a[our shop].

[WARNING]
====
Hot *steam*, `*not bold*`.
====

.How to list
[source,sh]
----
ls // no comment
== no heading
----

* One
** Two
. First
term:: What it means

include::other.adoc[]

[cols="1,1"]
|===
|Part |Price

|Hose |4
|===

[cols="2*"]
|===
|a
|b
c
|d
|e
|===

////
hidden
////
image::logo.png[The logo]
"""


def read(path: Path, text: str) -> ReadDocument:
    path.write_text(text, encoding="utf-8")
    return read_document(path)


def test_rst_of_sphinx_becomes_markdown_with_all_its_words(tmp_path):
    document = read(tmp_path / "a.rst", RST)
    text = document.sections[0].text
    assert document.title == "Handbook"
    assert "## Start" in text
    assert "See prices, /faq, `kb.index` and the Hub." in text
    for words in ("Unplug it.", "2.1", "It can steam.", "**Hot steam**", "Wait for a *minute*."):
        assert words in text
    assert "```\nls -l\n```" in text
    assert "| Part | Price |\n| --- | --- |\n| Hose | 4 |" in text
    assert "| Size | Cups |\n| --- | --- |\n| S | 2 |" in text
    for markup in ("::", ":ref:", "toctree", "faq\n\n+", "comment", "width", "linenos", "==="):
        assert markup not in text


def test_rst_reads_no_other_file(tmp_path):
    (tmp_path / "secret.txt").write_text("hush")
    ways = (
        "include:: secret.txt",
        "csv-table::\n   :file: secret.txt",
        "raw:: html\n   :file: secret.txt",
    )
    text = "\n\n.. ".join(["Text", *ways])
    assert "hush" not in read(tmp_path / "a.rst", text).sections[0].text


def test_asciidoc_becomes_markdown_line_by_line(tmp_path):
    document = read(tmp_path / "a.adoc", ADOC)
    text = document.sections[0].text
    assert document.title == "Handbook"
    for words in (
        "## Start with Hub",
        "**Note:** Unplug it. See the prices and [our shop](https://x.org/a).",
        "**Warning**\n\nHot **steam**, `*not bold*`.",
        "**How to list**\n\n```sh\nls // no comment\n== no heading\n```",
        "- One\n   - Two\n1. First\n**term**: What it means",
        "| Part | Price |\n| --- | --- |\n| Hose | 4 |",
        "| a | b c |\n| --- | --- |\n| d | e |",
        "The logo",
    ):
        assert words in text
    for markup in ("comment\n[", "[[", "|===", "include::", "hidden", ":toc:", "cols", "===="):
        assert markup not in text


@pytest.mark.parametrize("name", ["a.rst", "a.adoc"])
def test_any_text_at_all_is_read(tmp_path, name):
    assert read(tmp_path / name, "Plain words, |with| `odd :signs:` *of* {many} [kinds").sections
    assert read(tmp_path / name, ".. x::\n\n ..  y::\n----\n|===\n").media_type.startswith("text/")
