"""Answers and passages as people read them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from engines.answer import Answer, Citation
from engines.shortening import shorten
from kb.cli.rendering.layout import show_wrapped
from kb.cli.terminal import count_of, fit_on_one_line, make_printable
from stores.chunks.fusion import weighs_vectors

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore

_EXCERPT_CHARACTERS = 280
_MARKUP = re.compile(r"(?<!\S)#{1,6}\s+|\*\*")


def show_passages(console: Console, passages: "Sequence[NodeWithScore]") -> None:
    """Show each passage with its rank, title, place, score and beginning."""
    if not passages:
        console.print("Nothing found.")
    for rank, passage in enumerate(passages, start=1):
        metadata = passage.metadata
        found = Citation(
            number=rank,
            document=metadata.get("path") or passage.node_id,
            title=metadata.get("title") or "",
            page=metadata.get("page"),
            lines=metadata.get("lines"),
            score=passage.get_score(),
        )
        _show_source(console, f"{rank}.", found, passage.get_content())


def show_sources(console: Console, citations: Iterable[Citation], besides: str = "") -> None:
    """Show where each statement comes from.

    An excerpt that the answer in `besides` quotes is not shown twice.
    """
    for cited in citations:
        excerpt = "" if cited.excerpt in besides else cited.excerpt
        _show_source(console, f"[{cited.number}]", cited, excerpt)


def _show_source(console: Console, label: str, source: Citation, excerpt: str) -> None:
    document = fit_on_one_line(source.document)
    heading = Text.assemble(
        (label, "bold cyan"), " ", (fit_on_one_line(source.title or document), "bold")
    )
    where = [document, source.place, f"score {source.score:.2f}"]
    show_wrapped(console, heading)
    show_wrapped(console, Text(" · ".join(filter(None, where)), "dim"), indent=4)
    if excerpt:
        words = shorten(fit_on_one_line(_MARKUP.sub("", excerpt)), _EXCERPT_CHARACTERS)
        show_wrapped(console, Text(words), indent=4)


def show_answer(console: Console, text: str) -> None:
    """Show an answer as it is, its lines wrapped between words."""
    for line in make_printable(text).splitlines():
        show_wrapped(console, Text(line), hanging=2 if line.startswith("- ") else 0)


def show_footing(console: Console, answer: Answer) -> None:
    """Show where the answer is from, who wrote it, and what went wrong on the way."""
    _show_route(console, answer)
    seconds = answer.timings.seconds
    if answer.model:
        console.print(Text(f"Written by {answer.model} in {seconds:.1f} s.", "dim"))
    elif answer.citations:
        console.print(
            Text(
                f"Quoted in {seconds:.1f} s; with an LLM in config.yaml, answers are written.",
                "dim",
            )
        )
    for branch, reason in answer.errors.items():
        console.print(Text(f"{branch} could not answer: {fit_on_one_line(str(reason))}", "yellow"))


def _show_route(console: Console, answer: Answer) -> None:
    if not answer.route:
        return
    reason = fit_on_one_line(answer.route_reason)
    show_wrapped(console, Text(f"Route: {answer.route} ({reason})", "dim"))
    if answer.joining and answer.joining.first:
        names = ", ".join(map(fit_on_one_line, answer.joining.names))
        searched = f", and the documents searched for {names}" if names else ""
        which = "tables" if answer.joining.first == "database" else "documents"
        show_wrapped(console, Text(f"The {which} were asked first{searched}.", "dim"))


def _describe_strategy(search: Mapping[str, Any]) -> str:
    if not weighs_vectors(search["strategy"]):
        return str(search["strategy"])
    return f"{search['strategy']}, vectors weigh {search['vector_weight']:g}"


def show_search(console: Console, search: Mapping[str, Any]) -> None:
    """Show how the question was understood and searched for."""
    facts = (
        f"profile {search['profile']}",
        _describe_strategy(search),
        f"{search['kind']} in {search['language'] or 'no known language'}",
        count_of(search["candidates"], "candidate"),
        f"id {search['id']}",
    )
    show_wrapped(console, Text(f"Searched by {' · '.join(facts)}.", "dim"))
    for note in search["notes"]:
        show_wrapped(console, Text(f"- {fit_on_one_line(note)}", "dim"), hanging=2)
