"""The questions that were answered poorly, as people read them."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from kb.cli.language import gettext
from kb.cli.rendering.layout import make_table
from kb.cli.terminal import fit_on_one_line
from stores.answers.marks import Mark
from stores.answers.review import ReviewItem


def show_items(console: Console, items: Sequence[ReviewItem]) -> None:
    if not items:
        console.print(gettext("No question waits for a review."))
        return
    table = make_table(
        "id", gettext("asked"), gettext("unanswered"), gettext("thumbs down"), gettext("question")
    )
    for item in items:
        counts = (len(item.answers), item.unanswered, item.down)
        table.add_row(item.id, *map(str, counts), Text(_name_question(item)))
    console.print(table)


def show_item(console: Console, item: ReviewItem) -> None:
    console.print(Text(_name_question(item), "bold"), soft_wrap=True)
    for answer in item.answers:
        said = [
            *([gettext("unanswered")] if answer.unanswered else []),
            *([gettext("thumbs down")] if answer.rating == -1 else []),
            *([fit_on_one_line(answer.comment)] if answer.comment else []),
            *([gettext("SQL changed")] if answer.edited_sql else []),
        ]
        when = f"{answer.asked_at:%Y-%m-%d %H:%M} UTC"
        console.print(Text(f"  {when}  {answer.route}  {', '.join(said)}"), soft_wrap=True)
    for sql in item.edited:
        console.print(Text(f"  {fit_on_one_line(sql)}"), soft_wrap=True)
    if item.question:
        hint = gettext(
            "`kb sql QUESTION --save` keeps a verified query for it, `kb index` adds documents; "
            "then `kb review done {item}`."
        )
        console.print(Text(hint.format(item=item.id), "dim"), soft_wrap=True)


def show_marks(console: Console, marks: Sequence[Mark]) -> None:
    if not marks:
        console.print(gettext("No document was marked as right for a question."))
        return
    table = make_table("id", gettext("question"), gettext("document"))
    for mark in marks:
        document = fit_on_one_line(f"{mark.root}/{mark.path}")
        table.add_row(mark.id, Text(fit_on_one_line(mark.question)), Text(document))
    console.print(table)


def _name_question(item: ReviewItem) -> str:
    if item.question is None:
        return gettext("questions whose texts are not kept (retrieval.log is not `full`)")
    return fit_on_one_line(item.question)
