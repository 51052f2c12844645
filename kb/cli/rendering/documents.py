"""Documents as people read them in a terminal: listed, and one with its passages."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from engines.answer import describe_place, find_sheet
from kb.catalogue import ShownDocument
from kb.cli.language import gettext, translate_message
from kb.cli.rendering.layout import make_table, show_wrapped
from kb.cli.terminal import fit_on_one_line, make_printable
from stores.registry.document_list import ListedDocument, StoredPassage


def show_documents(
    console: Console, documents: Sequence[ListedDocument], total: int, offset: int
) -> None:
    """Show a page of documents; why one failed stands below it."""
    if not documents:
        console.print(gettext("No documents."))
        return
    table = make_table()
    table.add_column(gettext("Document"), overflow="fold")
    table.add_column(gettext("Chunks"), justify="right")
    table.add_column(gettext("Language"))
    table.add_column(gettext("Indexed (UTC)"))
    for document in documents:
        name = Text(fit_on_one_line(f"{document.root}/{document.path}"))
        if document.status == "failed":
            name.append(f"\n  {fit_on_one_line(document.reason or '')}", "red")
        indexed = document.indexed_at.isoformat(" ", "minutes") if document.indexed_at else ""
        table.add_row(name, str(document.chunks), document.language or "", indexed)
    console.print(table)
    if total > len(documents):
        part = gettext("{first} to {last} of {total}; --offset and --limit show others.")
        last = offset + len(documents)
        console.print(Text(part.format(first=offset + 1, last=last, total=total), "dim"))


def show_document(console: Console, shown: ShownDocument) -> None:
    """Show the facts of a document, why it failed, and each passage with its place."""
    document = shown.document
    console.print(Text(fit_on_one_line(f"{document.root}/{document.path}"), "bold"), soft_wrap=True)
    if document.status == "failed":
        failed = gettext("Not read: {reason}").format(reason=document.reason)
        show_wrapped(console, Text(fit_on_one_line(failed), "red"))
    for name, value in _list_facts(shown):
        show_wrapped(console, Text.assemble((f"{name}: ", "dim"), fit_on_one_line(value)))
    for number, passage in enumerate(shown.passages, start=1):
        console.print()
        console.print(Text(_describe_place(number, passage), "cyan"), soft_wrap=True)
        console.print(Padding(Text(make_printable(passage.text)), (0, 0, 0, 2), expand=False))


def _list_facts(shown: ShownDocument) -> Iterator[tuple[str, str]]:
    document = shown.document
    if document.title:
        yield gettext("Title"), document.title
    nowhere = gettext("in the database") if shown.is_kept else gettext("none")
    yield gettext("File"), str(shown.file or nowhere)
    if document.media_type:
        yield gettext("Type"), document.media_type
    if document.language:
        yield gettext("Language"), document.language
    if document.indexed_at:
        yield gettext("Indexed (UTC)"), document.indexed_at.isoformat(" ", "minutes")
    yield gettext("Chunks"), str(document.chunks)


def _describe_place(number: int, passage: StoredPassage) -> str:
    """Say where a passage stands, in the words that its metadata have."""
    metadata = passage.metadata
    parts = [str(metadata[key]) for key in ("headings",) if metadata.get(key)]
    place = describe_place(metadata.get("page"), metadata.get("lines"), find_sheet(metadata))
    parts += filter(None, [translate_message(place)])
    return fit_on_one_line(" · ".join([str(number), *parts]))
