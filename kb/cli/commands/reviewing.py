"""The commands `kb review list`, `show` and `done`."""

import getpass
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT

if TYPE_CHECKING:
    from stores.answers.review import ReviewItem

review = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Work on the questions that were answered poorly.",
)
_COLUMNS: Final = ("id", "question", "asked", "unanswered", "down", "last_at")
Days = Annotated[int, typer.Option(metavar="N", min=1, max=36_500, help="Of the last N days.")]
ItemId = Annotated[str, typer.Argument(metavar="ID", help="The id of a question, as listed.")]


@review.command("list")
def list_questions(
    days: Days = 90,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List questions whose answers rested on nothing or were rated down.

    The same question stands there once, the most frequent first; --json has what people said of it.

    \b
    kb review list
    kb review list --days 7 --csv
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.review import show_items
    from kb.csv_text import as_csv
    from stores.answers.review import AnswerReview

    if csv and as_json:
        raise typer.BadParameter(gettext("it goes without --json"), param_hint="'--csv'")
    with open_only_database(config) as (engine, _):
        items = AnswerReview(engine).list_items(days)
    if as_json:
        print_json([_describe_item(item) for item in items])
    elif csv:
        described = map(_describe_item, items)
        rows = ([item[column] for column in _COLUMNS] for item in described)
        sys.stdout.write(as_csv(_COLUMNS, rows, escape_formulas=True))
    else:
        show_items(OUT, items)


@review.command()
def show(item: ItemId, days: Days = 90, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show when a question was answered poorly, and what people said.

    \b
    kb review show 3f5c0a9b71d2
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.review import show_item
    from stores.answers.review import AnswerReview

    with open_only_database(config) as (engine, _):
        found = AnswerReview(engine).find_item(item, days)
    if as_json:
        print_json(_describe_item(found))
    else:
        show_item(OUT, found)


@review.command()
def done(item: ItemId, days: Days = 90, config: ConfigPath = None) -> None:
    """Take a question off the list, until it is answered poorly again.

    \b
    kb review done 3f5c0a9b71d2
    """
    from stores.answers.review import AnswerReview

    with open_only_database(config) as (engine, _):
        answers = AnswerReview(engine)
        answers.mark_done(answers.find_item(item, days), _find_user())
    OUT.print(gettext("Done: {item}.").format(item=item))


@review.command()
def mark(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="The question, as somebody would ask it.")
    ],
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="The document that answers it, as ROOT/PATH.")
    ],
    quote: Annotated[str, typer.Option(metavar="TEXT", help="Its words that answer it.")] = "",
    config: ConfigPath = None,
) -> None:
    """Mark a document as right for a question; `kb eval --marks` measures searches by it.

    \b
    kb review mark "How long can a machine be returned?" documents/policies/returns-policy.md
    """
    from stores.answers.marks import Marks
    from stores.registry.document_list import DocumentList

    with open_only_database(config) as (engine, _):
        found = DocumentList(engine).find(document)
        made = Marks(engine).add(question, found.root, found.path, quote=quote, by=_find_user())
    OUT.print(gettext("Marked: {mark}.").format(mark=made))


@review.command()
def marks(
    as_yaml: Annotated[
        bool,
        typer.Option("--yaml", help="Print labelled questions, which `kb eval` reads."),
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """List what was marked as right.

    \b
    kb review marks
    kb review marks --yaml > questions.yaml
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.review import show_marks
    from stores.answers.marks import Marks

    with open_only_database(config) as (engine, _):
        found = Marks(engine).list_all()
    if as_json:
        print_json([asdict(each) for each in found])
    elif as_yaml:
        from kb.evaluation.marked_questions import write_marked_questions

        sys.stdout.write(write_marked_questions(found))
    else:
        show_marks(OUT, found)


@review.command()
def unmark(
    mark: Annotated[str, typer.Argument(metavar="ID", help="The id of a mark, as listed.")],
    config: ConfigPath = None,
) -> None:
    """Take a mark away.

    \b
    kb review unmark 3f5c0a9b71d2
    """
    from stores.answers.marks import Marks

    with open_only_database(config) as (engine, _):
        Marks(engine).remove(mark)
    OUT.print(gettext("Done: {item}.").format(item=mark))


def _find_user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _describe_item(item: "ReviewItem") -> dict[str, Any]:
    return {
        "id": item.id,
        "question": item.question,
        "asked": len(item.answers),
        "unanswered": item.unanswered,
        "down": item.down,
        "last_at": item.last_at,
        "edited_sql": item.edited,
        "answers": [asdict(answer) for answer in item.answers],
    }
