"""Answers, passages, reports and states as people read them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engines.answer import Answer, Citation
from engines.shortening import shorten
from kb.cli.terminal import counted, one_line, printable
from stores.chunks.fusion import weighs_vectors

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore

    from kb.doctor import Check
    from kb.indexing.report import IndexReport

_MOST_NAMED = 5  # hard links
_EXCERPT_CHARACTERS = 280
_AFTER_SPACE = re.compile(r"(?<=\s)")
_MARKUP = re.compile(r"(?<!\S)#{1,6}\s+|\*\*")
_STATES = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def show_passages(console: Console, passages: "Sequence[NodeWithScore]") -> None:
    """Each with its rank, title, place, score and beginning."""
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
    """Where each statement comes from; an excerpt that the answer quotes is not shown twice."""
    for cited in citations:
        excerpt = "" if cited.excerpt in besides else cited.excerpt
        _show_source(console, f"[{cited.number}]", cited, excerpt)


def _show_source(console: Console, label: str, source: Citation, excerpt: str) -> None:
    document = one_line(source.document)
    heading = Text.assemble((label, "bold cyan"), " ", (one_line(source.title or document), "bold"))
    where = [document, source.place, f"score {source.score:.2f}"]
    _show_wrapped(console, heading)
    _show_wrapped(console, Text(" · ".join(filter(None, where)), "dim"), indent=4)
    if excerpt:
        words = shorten(one_line(_MARKUP.sub("", excerpt)), _EXCERPT_CHARACTERS)
        _show_wrapped(console, Text(words), indent=4)


def show_answer(console: Console, text: str) -> None:
    """The answer as it is, its lines wrapped between words."""
    for line in printable(text).splitlines():
        _show_wrapped(console, Text(line), hanging=2 if line.startswith("- ") else 0)


def wrapped(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Text that comes in pieces, its lines broken between words; a word waits until it is whole."""
    column, held = 0, ""
    for piece in chain(pieces, [" "]):
        *words, held = _AFTER_SPACE.split(held + piece)
        for word in words:
            if column and column + cell_len(word.rstrip()) >= width:
                yield "\n"
                column = 0
            yield word
            column = 0 if word.endswith("\n") else column + cell_len(word)


def _show_wrapped(console: Console, text: Text, *, indent: int = 0, hanging: int = 0) -> None:
    """`hanging` indents all lines but the first some more."""
    margin = " " * indent
    for line in text.wrap(console, max(console.width - indent - hanging, 20)):
        line.rstrip()
        console.print(Text(margin) + line, soft_wrap=True)
        margin = " " * (indent + hanging)


def show_footing(console: Console, answer: Answer) -> None:
    """Where the answer is from, who wrote it, and what went wrong on the way."""
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
        console.print(Text(f"{branch} could not answer: {one_line(str(reason))}", "yellow"))


def _show_route(console: Console, answer: Answer) -> None:
    if not answer.route:
        return
    reason = one_line(answer.route_reason)
    _show_wrapped(console, Text(f"Route: {answer.route} ({reason})", "dim"))
    if answer.joining and answer.joining.first:
        names = ", ".join(map(one_line, answer.joining.names))
        searched = f", and the documents searched for {names}" if names else ""
        which = "tables" if answer.joining.first == "database" else "documents"
        _show_wrapped(console, Text(f"The {which} were asked first{searched}.", "dim"))


def _strategy(search: Mapping[str, Any]) -> str:
    if not weighs_vectors(search["strategy"]):
        return str(search["strategy"])
    return f"{search['strategy']}, vectors weigh {search['vector_weight']:g}"


def show_search(console: Console, search: Mapping[str, Any]) -> None:
    """How the question was understood and searched for."""
    facts = (
        f"profile {search['profile']}",
        _strategy(search),
        f"{search['kind']} in {search['language'] or 'no known language'}",
        counted(search["candidates"], "candidate"),
        f"id {search['id']}",
    )
    _show_wrapped(console, Text(f"Searched by {' · '.join(facts)}.", "dim"))
    for note in search["notes"]:
        _show_wrapped(console, Text(f"- {one_line(note)}", "dim"), hanging=2)


def show_report(console: Console, report: "IndexReport") -> None:
    counts = {
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
    }
    words = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    written = f"{counted(report.chunks, 'chunk')} written in {report.seconds:.1f} s"
    console.print(Text(f"Documents: {words or 'none found'}. {written}."))
    if report.missing:
        gone = f"Gone from the directory, but still answering: {report.missing}. --prune removes."
        console.print(Text(gone, "yellow"), soft_wrap=True)
    if report.hard_linked:
        named = ", ".join(map(one_line, report.hard_linked[:_MOST_NAMED]))
        more = ", …" if len(report.hard_linked) > _MOST_NAMED else ""
        told = f"Files with other names elsewhere (hard links): {len(report.hard_linked)}"
        console.print(Text(f"{told}: {named}{more}", "yellow"), soft_wrap=True)
    _show_files(console, Text("Passed over:", "yellow"), report.passed_over)
    show_failures(console, report.failed)
    if report.unread:
        again = "Not read again, as they failed before and are unchanged"
        console.print(Text(f"{again}: {report.unread}. --retry reads them.", "yellow"))


def show_failures(console: Console, failures: Sequence[tuple[str, str]]) -> None:
    _show_files(console, Text("Not indexed:", "red"), failures)


def _show_files(console: Console, heading: Text, files: Sequence[tuple[str, str]]) -> None:
    if files:
        console.print(heading)
    for path, reason in files:
        line = Text.assemble((one_line(path), "bold"), f": {one_line(reason)}")
        _show_wrapped(console, line, indent=2)


def show_status(console: Console, status: Mapping[str, Any]) -> None:
    embedding = f"{status['embedding']}, {status['dimension']} dimensions"
    _show_pairs(
        console,
        {
            "Server": f"MariaDB {status['server'].split('-')[0]}",
            "Embedding": embedding,
            "LLM": status["llm"] or "none (answers are quoted)",
            "Documents": f"{status['documents']} in {counted(status['chunks'], 'chunk')}",
        },
    )
    if status["roots"]:
        console.print()
        console.print(_roots(status["roots"]))
    failures = [(f"{each['root']}/{each['path']}", each["reason"]) for each in status["failed"]]
    show_failures(console, failures)


def _roots(roots: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Root", "Documents", "Last indexed (UTC)", "Directory"):
        table.add_column(heading, overflow="fold")
    for root in roots:
        indexed_at = root["indexed_at"].isoformat(" ", "minutes")
        row = (root["name"], str(root["documents"]), indexed_at, root["path"])
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def show_check(console: Console, check: "Check") -> None:
    word, style = _STATES[check.state]
    _show_wrapped(
        console,
        Text.assemble((f"{word:<5}", style), (f"{check.name}: ", "bold"), printable(check.seen)),
        hanging=5,
    )
    if check.advice:
        _show_wrapped(console, Text(f"→ {printable(check.advice)}", style), indent=5)


def show_server(console: Console, state: Mapping[str, Any]) -> None:
    _show_pairs(
        console, {name.replace("_", " ").capitalize(): value for name, value in state.items()}
    )


def _show_pairs(console: Console, pairs: Mapping[str, object]) -> None:
    width = max(map(len, pairs)) + 2
    for name, value in pairs.items():
        console.print(Text.assemble((name.ljust(width), "bold"), _word(value)), soft_wrap=True)


def _word(value: object) -> str:
    words = {True: "yes", False: "no", None: "none"}
    return words[value] if value is None or isinstance(value, bool) else one_line(str(value))
