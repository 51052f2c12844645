"""The command `kb demo`: the main job on the sample data."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from engines.answer import answer_of
from kb.cli.commands.indexing import IndexOptions, index_with_progress
from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.terminal import ERR, OUT, kb_command, say

if TYPE_CHECKING:
    from kb.app import KnowledgeBase


def demo() -> None:
    """See it work, on sample data.

    Sets up, indexes the documents of a small online shop and answers four questions. Takes a
    minute or two the first time, seconds later. Safe to repeat.
    """
    from kb.assembly.setup import set_up
    from kb.cli.rendering.state import show_report
    from kb.sample_shop import QUESTIONS, load_shop, sample_config, sample_directory

    config, file = sample_config(), sample_directory() / "config.yaml"
    shop = gettext("The documents and the database of a small online shop, in {directory}")
    say(shop.format(directory=file.parent / "data"))
    set_up(config, say)
    load_shop(config)
    tables = gettext("The shop's tables are in the database {name}")
    say(tables.format(name=config.tables.database))
    with open_knowledge_base(file) as knowledge_base:
        show_report(ERR, index_with_progress(knowledge_base, None, IndexOptions(prune=True)))
        for question in QUESTIONS:
            _ask_and_show(knowledge_base, question)
    _say_what_next(file)


def _ask_and_show(knowledge_base: "KnowledgeBase", question: str) -> None:
    from kb.cli.rendering.answers import show_answer, show_sources
    from kb.cli.rendering.rows import show_rows

    answer = answer_of(knowledge_base.ask(question))
    OUT.print()
    OUT.print(Text.assemble((gettext("Question: "), "dim"), (question, "bold")))
    OUT.print()
    show_answer(OUT, answer.text)
    OUT.print()
    show_rows(OUT, answer.tables, in_words=bool(answer.model))
    show_sources(OUT, answer.citations, besides=answer.text)


def _say_what_next(file: Path) -> None:
    kb = kb_command(file)
    OUT.print()
    OUT.print(Text(gettext("Try next"), "bold"))
    for line in (
        f'  {kb} ask "How long do I have to send something back?"',
        f'  {kb} search "espresso too sour" --filter language=en',
        f'  {kb} ask "Who are our three best customers, and what do they complain about?"',
        f"  {kb} chat",
        f"  {kb} status",
        gettext("With your own documents: kb init, then kb index PATH."),
        gettext(
            "With a language model (llm in config.yaml), answers are written instead of quoted."
        ),
    ):
        OUT.print(line, soft_wrap=True)
