"""Tags of site generators go, their words stay, and each line stays where it was."""

import pytest
from growth import grows_with_the_square

from kb.indexing.markdown_dialects import simplify_markdown
from kb.indexing.read import read_document


@pytest.mark.parametrize(
    ("written", "read"),
    [
        # GitBook
        ('{% hint style="warning" %}\nUnplug it.\n{% endhint %}', "\nUnplug it.\n"),
        ('{% tab title="Linux" %}\nRun it.\n{% endtab %}', "**Linux**\nRun it.\n"),
        ('{% embed url="https://x.org/v" %}', "https://x.org/v"),
        # Docusaurus, VitePress, MDX
        (":::note\nUnplug it.\n:::", "**Note**\nUnplug it.\n"),
        (":::warning[Hot steam]\nWait.\n:::", "**Hot steam**\nWait.\n"),
        ("::: tip Two hints\nWait.\n:::", "**Two hints**\nWait.\n"),
        ("import Tabs from 'a';\nimport {\n  A,\n} from './a';\n\nText", "\n\n\n\n\nText"),
        ("export const size = {\n  a: 1,\n};\n\nText", "\n\n\n\nText"),
        ('<Tabs>\n<Tab label="Linux">\nRun.\n</Tab>\n</Tabs>', "\n**Linux**\nRun.\n\n"),
        ('<Card\n  title="Hub"\n  icon={<Icon name="x" />}\n/>\nText', "**Hub**\n\n\n\nText"),
        ("Press <Key>Esc</Key> twice.", "Press Esc twice."),
        ("A <Value x={() => ({a: {b: 1}})} /> stays.", "A  stays."),
        ("{/* a\nnote */}Text", "\nText"),
        ("Write `<!-- x -->`.", "Write `<!-- x -->`."),
        ("<!-- a\nnote -->Text", "\nText"),
        ("## Prices {#prices}", "## Prices"),
        ("## Prices {/* #prices */}", "## Prices "),
        # MkDocs
        ('!!! warning "Hot"\n    Wait.\n\n    Go.\n\nText', "**Hot**\nWait.\n\nGo.\n\nText"),
        ("??? note\n    Wait.", "**Note**\nWait."),
        ('!!! danger ""\n    Wait.', "\nWait."),
        ('=== "Linux"\n\n    ```sh\n    ls\n    ```', "**Linux**\n\n```sh\nls\n```"),
        ('=== "Linux"\n    Run.\n=== "Mac"\n    Open.', "**Linux**\nRun.\n**Mac**\nOpen."),
        ("!!! note\n    !!! tip\n        Wait.\n    Go.\nX", "**Note**\n**Tip**\nWait.\nGo.\nX"),
        ("# Prices { .top #prices }", "# Prices"),
        ("A paragraph.\n{: .lead }", "A paragraph.\n"),
        # MyST, GitHub, Hugo, Jekyll
        ("```{note}\nWait.\n```", "**Note**\nWait.\n"),
        ("> [!WARNING]\n> Wait.", "> **WARNING**\n> Wait."),
        ('{{< note title="Hot" >}}\nWait.\n{{< /note >}}', "**Hot**\nWait.\n"),
        ("{% include a.md %}\nText", "\nText"),
    ],
)  # fmt: skip
def test_tags_go_and_words_stay_on_their_lines(written, read):
    assert simplify_markdown(written) == read
    assert written.count("\n") == read.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "```jsx\nimport A from 'a';\n<Tabs>\n{% hint %}\n:::note\n```",
        'Write `{% hint %}` or ``<Tabs label="`">`` there.',
        "~~~\n!!! note\n    Text\n~~~",
        "import taxes are paid by the buyer.",
        "export licences are needed (see below).",
        "The class List<String> and a < B > c.",
        "Say <Name> or <FILE> there.",
        "{{ name }} is filled in, {a} too.",
        "=== is an operator",
        "Wow!!! note this",
        "    indented code",
        "<details>\n<summary>More</summary>\n\nText\n\n</details>",
        "# C {sharp}",
        "a : b ::: c",
    ],
)
def test_text_and_code_stay(text):
    assert simplify_markdown(text) == text


@pytest.mark.parametrize(
    "begin",
    ["<A b={", "{% ", "<!-- ", "{/* ", "`", "` `` ", "<A b='", "<A ", "> [!", "::: ", "</A"],
)
def test_the_time_for_tags_that_nobody_closes_grows_with_the_text(begin):
    assert not grows_with_the_square(simplify_markdown, begin * 40_000)


def test_lines_of_a_chunk_are_those_of_the_file(tmp_path):
    text = (
        "---\ntitle: Hub\n---\nimport A from 'a';\n\n# Start {#start}\n\n:::tip\nPlug it in.\n:::\n"
    )
    (tmp_path / "a.mdx").write_text(text)
    ((chunk,),) = (section.chunks for section in read_document(tmp_path / "a.mdx").sections)
    assert (chunk.headings, chunk.lines) == (("Start",), "6-9")
