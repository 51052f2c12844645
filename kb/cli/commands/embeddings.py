"""The commands `kb embeddings status`, `migrate`, `compare`, `switch`, `back` and `clean`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kb.cli.language import gettext, ngettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, say

if TYPE_CHECKING:
    from kb.embeddings import EmbeddingStatus

embeddings = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Change the embedding model while questions are answered.",
)
Rate = Annotated[
    float | None,
    typer.Option(metavar="N", min=0.01, help="At most so many chunks a second.  [default: all]"),
]


@embeddings.command()
def status(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show both models, what is still to be embedded, and about how long that takes.

    The time is measured on a few chunks with the model of next_embedding.
    """
    from dataclasses import asdict

    from kb.cli.print_json import print_json
    from kb.embeddings import read_embedding_status

    with open_knowledge_base(config, expects="documents") as knowledge_base:
        found = read_embedding_status(knowledge_base)
    if as_json:
        print_json(asdict(found))
    else:
        _show_status(found)


def _show_status(found: "EmbeddingStatus") -> None:
    OUT.print(gettext("Answers come from: {model}").format(model=found.model), soft_wrap=True)
    if found.next_model is None:
        OUT.print(gettext("There is no next model: name one as next_embedding."))
        return
    states = {
        None: gettext("Next, not begun: {model}"),
        "next": gettext("Next: {model}"),
        "former": gettext("Former, to go back to: {model}"),
    }
    OUT.print(states[found.state].format(model=found.next_model), soft_wrap=True)
    if found.left is not None:
        left = gettext(
            "To be embedded: {documents} documents, {chunks} chunks, about {tokens} tokens and "
            "{seconds:.0f} s"
        )
        OUT.print(left.format(**vars(found.left), seconds=found.seconds), soft_wrap=True)


@embeddings.command()
def migrate(rate: Rate = None, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Embed all documents with the model of next_embedding, into a second table.

    Questions are answered as before. What was broken off goes on where it was, and what has changed
    meanwhile is caught up: run it again, or switch, which does so too.

    \b
    kb embeddings migrate
    kb embeddings migrate --rate 20
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.progress import show_steps
    from kb.embeddings import migrate_embeddings, read_embedding_status
    from stores.backup.archive import Progress
    from stores.text.translations import Message

    with open_knowledge_base(config, expects="documents") as knowledge_base:
        found = read_embedding_status(knowledge_base)
        if not as_json:
            _show_status(found)
        with show_steps() as show:
            total = found.left.chunks if found.left else 0
            progress = Progress(show, Message("Embedding"), total)

            def count(chunks: int) -> None:
                for _ in range(chunks):
                    progress.advance()

            done = migrate_embeddings(knowledge_base, count, rate)
    if as_json:
        print_json({"documents": done})
    else:
        both = ngettext("Embedded {n} document.", "Embedded {n} documents.", done)
        OUT.print(both.format(n=done))


@embeddings.command()
def compare(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Labelled questions, for kb eval.")],
    config: ConfigPath = None,
) -> None:
    """Measure both models on labelled questions, before or after a switch.

    \b
    kb embeddings compare questions.yaml
    """
    from kb.cli.rendering.evaluations import show_outcomes
    from kb.cli.rendering.progress import show_steps
    from kb.embeddings import open_beside
    from kb.evaluation.search_evaluation import Plan, evaluate_profiles, read_questions

    if not path.exists():
        raise typer.BadParameter(gettext("there is no {path}").format(path=path))
    labelled, plan = read_questions(path), Plan(answers=False, save=False)
    with open_knowledge_base(config, expects="documents") as knowledge_base, show_steps() as show:
        for side in (knowledge_base, open_beside(knowledge_base)):
            outcomes = evaluate_profiles(side, labelled, plan, show)
            OUT.print(side.components.collection.embedding_model, soft_wrap=True)
            show_outcomes(OUT, labelled, plan.k, outcomes)


@embeddings.command()
def switch(config: ConfigPath = None) -> None:
    """Answer from the second table from now on, at once, after it has caught up.

    Processes whose configuration names both models follow with their next question. The former
    table stays, and is the way back.

    \b
    kb embeddings switch
    """
    _switch(config, back=False)


@embeddings.command()
def back(config: ConfigPath = None) -> None:
    """Answer from the former table again, after it has caught up with what changed since.

    \b
    kb embeddings back
    """
    _switch(config, back=True)


def _switch(config: Path | None, *, back: bool) -> None:
    from kb.embeddings import switch_embeddings

    with open_knowledge_base(config, expects="documents") as knowledge_base:
        model = switch_embeddings(knowledge_base, back=back)
    OUT.print(gettext("Answers come from: {model}").format(model=model), soft_wrap=True)


@embeddings.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigPath = None,
) -> None:
    """Remove the table that no answers come from: what was begun, or the way back.

    \b
    kb embeddings clean
    """
    from kb.embeddings import clean_embeddings

    if not yes:
        typer.confirm(gettext("Remove the table that no answers come from?"), abort=True)
    with open_knowledge_base(config, expects="documents") as knowledge_base:
        removed = clean_embeddings(knowledge_base)
    if removed:
        gone = gettext("Removed: {model}")
        OUT.print(gone.format(model=removed.embedding_model), soft_wrap=True)
    else:
        say(gettext("There is no second table."))
