"""`kb search` and `kb ask`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from kb.cli.filters import metadata_filters
from kb.cli.opening import opened
from kb.cli.options import AsJson, ConfigPath, Filters, Question, TopK
from kb.cli.terminal import OUT, printable, waiting

if TYPE_CHECKING:
    from llama_index.core.base.base_query_engine import BaseQueryEngine

Source = Literal["auto", "documents", "database", "both"]


def search(
    question: Question,
    top_k: TopK = None,
    filters: Filters = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show the passages that match best, by meaning and by words.

    \b
    kb search "espresso too sour"
    kb search "returns" --top-k 3 --filter category=policy --filter "date>=2026"
    """
    from kb.cli.as_json import passage_values, print_json
    from kb.cli.render import show_passages

    with opened(config) as knowledge_base:
        passages = knowledge_base.search(question, top_k, filters=metadata_filters(filters or []))
    if as_json:
        print_json([passage_values(each) for each in passages])
    else:
        show_passages(OUT, passages)


def ask(
    question: Question,
    source: Annotated[Source, typer.Option(help="Where the answer is.")] = "auto",
    top_k: TopK = None,
    filters: Filters = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Answer a question, and show the passages that say so.

    \b
    kb ask "How long can a customer return a machine?"
    kb ask "Comment détartrer la machine ?" --filter language=fr
    kb ask "Which warranty does the Galet have?" --json
    """
    options: dict[str, Any] = {"top_k": top_k, "filters": metadata_filters(filters or [])}
    with opened(config) as knowledge_base:
        if OUT.is_terminal and knowledge_base.llm and not as_json:
            _stream(knowledge_base.query_engine(source, **options, streaming=True), question)
            return
        with waiting("Looking for the answer"):
            response = knowledge_base.ask(question, source, **options)
    if as_json:
        from kb.cli.as_json import answer_values, print_json

        print_json(answer_values(response))
    else:
        _show(str(response.response), response.metadata or {})


def _stream(engine: "BaseQueryEngine", question: str) -> None:
    """Words as they come; the citations are known after the last one."""
    from llama_index.core.base.response.schema import StreamingResponse

    from kb.cli.render import wrapped

    with waiting("Looking for the answer"):
        response = engine.query(question)
    if not isinstance(response, StreamingResponse):  # nothing was found for the model to read
        _show(str(response), response.metadata or {})
        return
    try:
        for word in wrapped(response.response_gen, OUT.width):
            OUT.print(Text(printable(word)), end="", soft_wrap=True)
    finally:
        OUT.print()
    _show_evidence(response.metadata or {})


def _show(text: str, metadata: Mapping[str, Any]) -> None:
    from kb.cli.render import show_answer

    show_answer(OUT, text)
    _show_evidence(metadata, besides=text)


def _show_evidence(metadata: Mapping[str, Any], besides: str = "") -> None:
    from kb.cli.render import show_footing, show_sources

    OUT.print()
    show_sources(OUT, metadata["citations"], besides)
    show_footing(OUT, metadata)
