"""The commands `kb search` and `kb ask`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from engines.answer import Answer, answer_of
from kb.assembly.answer_sources import Source
from kb.cli.language import gettext
from kb.cli.opening import Expected, open_knowledge_base
from kb.cli.options import (
    AsJson,
    ConfigPath,
    Exact,
    Explain,
    Filters,
    ModelChoice,
    NoCache,
    Profile,
    Question,
    TopK,
)
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, make_printable, say, show_waiting
from kb.filter_options import metadata_filters

if TYPE_CHECKING:
    from llama_index.core.base.base_query_engine import BaseQueryEngine


def search(
    question: Question,
    top_k: TopK = None,
    profile: Profile = None,
    filters: Filters = None,
    exact: Exact = True,
    no_cache: NoCache = False,
    explain: Explain = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show the passages that match best, by meaning and by words.

    \b
    kb search "espresso too sour"
    kb search "returns" --top-k 3 --filter category=policy --filter "date>=2026"
    kb search "error E31" --profile logs --explain
    """
    with open_knowledge_base(config, profile=profile, expects="documents") as knowledge_base:
        from engines.search.search_run import collect_searches

        with collect_searches() as made:
            passages = knowledge_base.search(
                question,
                top_k,
                filters=metadata_filters(filters or []),
                profile=profile,
                exact=exact,
                cached=not no_cache,
            )
        has_documents = knowledge_base.components.registry.has_documents()
    if not has_documents:
        say(gettext("Nothing is indexed yet: `kb index PATH` adds documents."), "yellow")
    found = made[-1].summary()
    if as_json:
        from kb.answer_json import passages_to_values
        from kb.cli.print_json import print_json

        values = passages_to_values(question, passages)
        print_json({"search": found, "passages": values} if explain else values)
    else:
        from kb.cli.rendering.answers import show_passages, show_search

        show_passages(OUT, question, passages)
        if explain or not passages:
            show_search(OUT, found)
        elif found["id"]:
            helped = gettext("Did it help? kb feedback {id} --up, or --down")
            OUT.print(Text(helped.format(id=found["id"]), "dim"))


def ask(
    question: Question,
    source: Annotated[Source, typer.Option(help="Where the answer is; auto chooses.")] = "auto",
    top_k: TopK = None,
    profile: Profile = None,
    filters: Filters = None,
    exact: Exact = False,
    model: ModelChoice = None,
    no_cache: NoCache = False,
    explain: Explain = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Answer from documents, tables or both, and show the evidence.

    \b
    kb ask "How long can a customer return a machine?"
    kb ask "Quel était le chiffre d'affaires de 2025 ?"
    kb ask "What do our three best customers complain about?" --source both
    kb ask "Which warranty does the Galet have?" --filter language=en --json
    """
    options: dict[str, Any] = {
        "top_k": top_k,
        "filters": metadata_filters(filters or []),
        "profile": profile,
        "exact": exact,
        "model": model,
        "cached": not no_cache,
    }
    expects: Expected = "documents" if source == "documents" else "sources"
    opening = open_knowledge_base(config, profile=profile, model=model, expects=expects)
    with opening as knowledge_base:
        if OUT.is_terminal and knowledge_base.components.llm and not as_json:
            engine = knowledge_base.query_engine(source, **options, streaming=True)
            _exit_if_source_failed(_show_streamed_answer(engine, question, explain))
            return
        with show_waiting(gettext("Looking for the answer")):
            response = knowledge_base.ask(question, source, **options)
    answer = answer_of(response)
    if as_json:
        from kb.answer_json import answer_to_values
        from kb.cli.print_json import print_json

        print_json(answer_to_values(answer))
    else:
        _show_whole_answer(answer, explain)
    _exit_if_source_failed(answer)


def _exit_if_source_failed(answer: Answer) -> None:
    """End with an exit code when a source failed, or could not even be asked."""
    if answer.errors:
        was_tried = answer.route == "database" and answer.tables.attempts
        raise typer.Exit(ExitCode.FAILED if was_tried else ExitCode.PARTLY_DONE)


def _show_streamed_answer(engine: "BaseQueryEngine", question: str, explain: bool) -> Answer:
    """Ask, and show the words as they come; the citations are known after the last one."""
    from llama_index.core.base.response.schema import StreamingResponse

    from kb.cli.rendering.answers import show_failures
    from kb.cli.rendering.layout import wrap_pieces

    with show_waiting(gettext("Looking for the answer")):
        response = engine.query(question)
    if not isinstance(response, StreamingResponse):  # nothing was found for the model to read
        answer = answer_of(response)
        _show_whole_answer(answer, explain)
        return answer
    known = answer_of(response)
    show_failures(OUT, known)
    try:
        for word in wrap_pieces(response.response_gen, OUT.width):
            OUT.print(Text(make_printable(word)), end="", soft_wrap=True)
    finally:
        OUT.print()
    answer = answer_of(response)
    if answer.errors != known.errors:  # the model failed once it was to write
        OUT.print()
        show_failures(OUT, answer)
    _show_evidence(answer, explain)
    return answer


def _show_whole_answer(answer: Answer, explain: bool) -> None:
    from kb.cli.rendering.answers import show_answer, show_failures

    show_failures(OUT, answer)
    show_answer(OUT, answer.text)
    _show_evidence(answer, explain)


def _show_evidence(answer: Answer, explain: bool) -> None:
    from kb.cli.rendering.answers import show_search
    from kb.cli.rendering.chat_sessions import show_evidence

    OUT.print()
    show_evidence(OUT, answer)
    if explain and answer.search:
        show_search(OUT, answer.search)
