"""The command `kb index`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import ERR, OUT, say

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from kb.indexing.report import IndexReport


Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        exists=True,
        help="Directories or files.  [default: documents.path of the configuration]",
    ),
]
DirectoryName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What to call the directory.  [default: its own name]"),
]
Prune = Annotated[
    bool | None,
    typer.Option(
        "--prune/--keep",
        " /--no-prune",
        help="Remove documents whose files are gone, even when nothing is found at all; or "
        "keep them.  [default: remove them, unless nothing is found]",
        show_default=False,
    ),
]
Retry = Annotated[
    bool,
    typer.Option("--retry/--no-retry", help="Read what failed before, though it is unchanged."),
]
ByWorkers = Annotated[
    bool,
    typer.Option("--workers", help="Have processes of `kb worker` read and write what changed."),
]
Uploads = Annotated[
    bool,
    typer.Option(
        "--uploads",
        help="Index the files that were uploaded, as after an upgrade that reads more of them.",
    ),
]
Estimate = Annotated[
    bool,
    typer.Option(
        "--estimate",
        help="Only say how much would be embedded, and what that costs by cost.prices.",
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Go on, and index what changes as it changes.")
]
Minutes = Annotated[
    float,
    typer.Option(
        metavar="MINUTES",
        min=0.01,
        help="With --watch, how often everything is looked at besides.",
    ),
]


@dataclass(frozen=True)
class IndexOptions:
    """How a directory is indexed; `prune` removes what is gone in any case, False keeps it."""

    name: str | None = None
    prune: bool | None = None
    retry: bool = False
    workers: bool = False


def index(
    paths: Paths = None,
    name: DirectoryName = None,
    prune: Prune = None,
    retry: Retry = False,
    workers: ByWorkers = False,
    uploads: Uploads = False,
    estimate: Estimate = False,
    watch: Watch = False,
    every: Minutes = 15,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Index directories: what is new or changed, and nothing twice.

    A file that cannot be read never stops the run: it is listed at the end with its reason, read
    again when it has changed, and the exit code is 3, unless an earlier run has told the same.
    Files that hold keys or passwords, as the configuration does, are passed over, and so are
    pictures, programs and folders that tools make. Documents whose files are gone are removed, and
    those whose files have moved follow them.

    \b
    kb index ~/handbook
    kb index ~/handbook --keep          documents stay whose files are gone
    kb index ~/work/docs --name work    when two directories have the same name
    kb index ~/handbook ~/manuals       several, one after the other
    kb index ~/handbook --watch         go on until Ctrl-C
    kb index ~/handbook --estimate      what it would cost, before it costs anything
    kb index ~/handbook --workers       with what `kb worker` runs elsewhere
    kb index --uploads                  what was uploaded, where it has to be read again
    """
    options = IndexOptions(name, prune, retry, workers)
    _refuse_contradictions(paths, options, uploads=uploads, estimate=estimate, watch=watch)
    places: Sequence[Path | None] = paths or [None]
    with open_knowledge_base(config) as knowledge_base:
        if estimate:
            for path in places:
                _show_estimate(knowledge_base, path, name, as_json)
            return
        if watch:
            from kb.cli.commands.watching import watch_directories

            watch_directories(knowledge_base, paths or [], options, every, as_json=as_json)
        if uploads:
            runs = iter([index_uploads_with_progress(knowledge_base, options)])
        else:
            runs = (index_with_progress(knowledge_base, path, options) for path in places)
        if _show_reports(runs, as_json, are_several=len(places) > 1):
            raise typer.Exit(ExitCode.PARTLY_DONE)


def _refuse_contradictions(
    paths: list[Path] | None, options: IndexOptions, *, uploads: bool, estimate: bool, watch: bool
) -> None:
    if options.name and paths and len(paths) > 1:
        raise typer.BadParameter(gettext("it names one directory"), param_hint="'--name'")
    if uploads and (paths or options.name or watch):
        raise typer.BadParameter(gettext("it goes without a path, --name and --watch"))
    if estimate and (watch or uploads or options.prune or options.retry or options.workers):
        raise typer.BadParameter(gettext("it goes with paths and --name"), param_hint="--estimate")


def _show_reports(runs: Iterator["IndexReport"], as_json: bool, *, are_several: bool) -> bool:
    """Show the report of each run when it has ended; tell whether anything failed anew."""
    from kb.answer_json import report_to_values
    from kb.cli.print_json import print_json
    from kb.cli.rendering.state import show_report

    have_new_failures = False
    for report in runs:
        have_new_failures |= report.has_new_failures
        if as_json:
            print_json(report_to_values(report), indent=None if are_several else 2)
        else:
            show_report(OUT, report)
    return have_new_failures


def _show_estimate(
    knowledge_base: "KnowledgeBase", path: Path | None, name: str | None, as_json: bool
) -> None:
    """Show what indexing would have embedded, and what that costs, where its price is known."""
    from dataclasses import asdict

    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_index_progress
    from kb.cli.rendering.state import show_failures
    from kb.prices import find_cost
    from stores.answers.model_use import ModelUse

    with show_index_progress(ERR) as show:
        found = knowledge_base.estimate(path, name=name, on_progress=show, say=say)
    embed_model = knowledge_base.components.embed_model
    model, prices = embed_model.model_name, knowledge_base.components.books.prices
    class_name = embed_model.class_name()
    used = ModelUse("embedding", model, prompt_tokens=found.tokens, class_name=class_name)
    price = find_cost(used, prices)
    currency = prices.currency if prices else None
    if as_json:
        cost = None if price is None else float(price)
        print_json({**asdict(found), "model": model, "cost": cost, "currency": currency})
        return
    told = gettext(
        "{documents} documents to read, {chunks} chunks; to embed: {texts} texts, some "
        "{tokens} tokens of {model}. Cost: {cost}. Nothing was embedded or written."
    )
    written = gettext("unknown") if price is None else f"{price:.4f} {currency or ''}".strip()
    OUT.print(Text(told.format(**vars(found), model=model, cost=written)))
    show_failures(OUT, found.failed)


def index_with_progress(
    knowledge_base: "KnowledgeBase",
    path: Path | None,
    options: IndexOptions,
) -> "IndexReport":
    """Index a directory, by default that of the configuration, and show how far it is."""
    from kb.cli.rendering.progress import show_index_progress
    from kb.indexing.indexing_run import Scope

    if directory := path or knowledge_base.config.documents.path:
        say(gettext("Indexing {directory}").format(directory=directory))
    with keep_what_was_indexed(), show_index_progress(ERR) as show:
        return knowledge_base.index(
            path,
            name=options.name,
            keep=options.prune is False,
            prune=options.prune is True,
            scope=Scope(retry=options.retry),
            by_workers=options.workers,
            on_progress=show,
            say=say,
        )


def index_uploads_with_progress(
    knowledge_base: "KnowledgeBase", options: IndexOptions
) -> "IndexReport":
    """Index the uploaded files, wherever they are kept, and show how far it is.

    Raises StoreError when serve.uploads is not the directory that the servers share.
    """
    from kb.catalogue import UPLOADS
    from kb.cli.rendering.progress import show_index_progress
    from kb.indexing.indexing_run import Scope
    from kb.shared_uploads import find_shared_directory

    shared = find_shared_directory(knowledge_base.components.engine, knowledge_base.config)
    if shared:
        shared.require_shared()
        return index_with_progress(knowledge_base, shared.path, replace(options, name=UPLOADS))
    say(gettext("Indexing {directory}").format(directory=UPLOADS))
    with keep_what_was_indexed(), show_index_progress(ERR) as show:
        return knowledge_base.index_uploads(
            keep=options.prune is False,
            scope=Scope(retry=options.retry),
            by_workers=options.workers,
            on_progress=show,
            say=say,
        )


@contextmanager
def keep_what_was_indexed() -> Iterator[None]:
    """Say at an interruption that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        say(gettext("What was indexed so far is kept; the next run goes on from there."))
        raise
