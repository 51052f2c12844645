"""Answers and passages as people read them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from engines.answer import Answer, Citation, Joining, find_sheet
from engines.shortening import cut_between_words
from kb.cli.language import gettext, ngettext, translate_message
from kb.cli.rendering.layout import show_wrapped
from kb.cli.terminal import fit_on_one_line, make_printable
from stores.chunks.fusion import weighs_vectors
from stores.text.translations import Message

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore

_EXCERPT_CHARACTERS = 280
_SHOWN_CHARACTERS = _EXCERPT_CHARACTERS + 4  # with the signs of what is left out
_KINDS = {
    "question": Message("question"),
    "keywords": Message("keywords"),
    "identifier": Message("identifier"),
}
_MARKUP = re.compile(r"(?<!\S)#{1,6}\s+|\*\*")


def show_passages(console: Console, question: str, passages: "Sequence[NodeWithScore]") -> None:
    """Show each passage with its rank, title, place, score and what it has of the question."""
    if not passages:
        console.print(gettext("Nothing found."))
    from engines.documents.hits import find_excerpts

    excerpts = find_excerpts(question, passages, _EXCERPT_CHARACTERS)
    for rank, (passage, excerpt) in enumerate(zip(passages, excerpts, strict=True), start=1):
        metadata = passage.metadata
        found = Citation(
            number=rank,
            document=metadata.get("path") or passage.node_id,
            title=metadata.get("title") or "",
            page=metadata.get("page"),
            lines=metadata.get("lines"),
            sheet=find_sheet(metadata),
            score=passage.get_score(),
        )
        _show_source(console, f"{rank}.", found, excerpt)


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
    score = gettext("score {score:.2f}").format(score=source.score)
    where = [document, translate_message(source.place), score, describe_finding(source)]
    show_wrapped(console, heading)
    show_wrapped(console, Text(" · ".join(filter(None, where)), "dim"), indent=4)
    if excerpt:
        words = cut_between_words(fit_on_one_line(_MARKUP.sub("", excerpt)), _SHOWN_CHARACTERS)
        show_wrapped(console, Text(words), indent=4)


def describe_finding(source: Citation) -> str:
    """Say that an answer does not cite a source, and how kb came to it; "" for a cited one."""
    return gettext("not cited, found by the words of the answer") if source.inferred else ""


def show_answer(console: Console, text: str) -> None:
    """Show an answer as it is, its lines wrapped between words."""
    for line in make_printable(text).splitlines():
        show_wrapped(console, Text(line), hanging=2 if line.startswith("- ") else 0)


def show_footing(console: Console, answer: Answer) -> None:
    """Show where the answer is from, and who wrote it."""
    _show_route(console, answer)
    seconds = answer.timings.seconds
    if answer.model:
        written = gettext("Written by {model} in {seconds:.1f} s.")
        console.print(Text(written.format(model=answer.model, seconds=seconds), "dim"))
    elif answer.citations:
        quoted = gettext(
            "Quoted in {seconds:.1f} s; with an LLM in config.yaml, answers are written."
        )
        console.print(Text(quoted.format(seconds=seconds), "dim"))


def show_failures(console: Console, answer: Answer) -> None:
    """Show which sources failed, and why: it stands before an answer that lacks them."""
    for branch, reason in answer.errors.items():
        show_wrapped(console, Text(describe_failure(branch, str(reason)), "yellow"))


def describe_failure(branch: str, reason: str) -> str:
    """Say which source of an answer failed, and why."""
    failure = gettext("{branch} could not answer: {reason}")
    return failure.format(branch=branch, reason=fit_on_one_line(reason))


def _show_route(console: Console, answer: Answer) -> None:
    if not answer.route:
        return
    reason = fit_on_one_line(answer.route_reason)
    route = gettext("Route: {route} ({reason})").format(route=answer.route, reason=reason)
    show_wrapped(console, Text(route, "dim"))
    match answer.joining:
        case None | Joining(first=None):
            return
        case Joining(first="documents"):
            order = gettext("The documents were asked first.")
        case Joining(names=[]):
            order = gettext("The tables were asked first.")
        case Joining(names=names):
            order = gettext("The tables were asked first, and the documents searched for {names}.")
            order = order.format(names=", ".join(map(fit_on_one_line, names)))
    show_wrapped(console, Text(order, "dim"))


def _describe_strategy(search: Mapping[str, Any]) -> str:
    if not weighs_vectors(search["strategy"]):
        return str(search["strategy"])
    return gettext("{strategy}, vectors weigh {weight:g}").format(
        strategy=search["strategy"], weight=search["vector_weight"]
    )


def show_search(console: Console, search: Mapping[str, Any]) -> None:
    """Show how the question was understood and searched for."""
    kind = (
        gettext("{kind} in {language}")
        if search["language"]
        else gettext("{kind} in no known language")
    )
    candidates = ngettext("{n} candidate", "{n} candidates", search["candidates"])
    facts = (
        gettext("profile {name}").format(name=search["profile"]),
        _describe_strategy(search),
        kind.format(kind=translate_message(_KINDS[search["kind"]]), language=search["language"]),
        candidates.format(n=search["candidates"]),
        gettext("id {id}").format(id=search["id"]),
    )
    searched = gettext("Searched by {facts}.").format(facts=" · ".join(facts))
    show_wrapped(console, Text(searched, "dim"))
    for note in search["notes"]:
        show_wrapped(
            console, Text(f"- {fit_on_one_line(translate_message(note))}", "dim"), hanging=2
        )
