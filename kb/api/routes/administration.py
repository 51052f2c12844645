"""What those who run the server look after: keys, questions to work on, slow answers."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field, model_validator

from kb.api.dependencies import KB
from kb.api.described import Told
from kb.api.guards.access import Administering
from kb.api.json_bodies import StrictBody, Words
from kb.api.json_filters import metadata_filters
from kb.api.openapi_description import problems
from kb.api.plain_json import to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.assembly.caching import DescribedCache, describe_caches
from stores.answers.answer_log import AnswerLog, SlowAnswer
from stores.answers.marks import Mark, Marks
from stores.answers.review import AnswerReview, ReviewItem
from stores.api_keys import ApiKey, ApiKeys, Scope, Subject
from stores.errors import StoreError
from stores.registry.document_list import DocumentList

router = APIRouter(prefix="/api", tags=["administration"])
Days = Annotated[int, Query(ge=1, le=3650)]


class KeyBody(StrictBody):
    """A key to be made; what is left out is as `kb key create` has it."""

    name: Annotated[Words, Field(max_length=190)]
    scope: Scope = "read"
    collections: list[Words] | None = None
    groups: list[Words] | None = None
    only: Subject | None = None
    verifies: bool = False
    expires: Annotated[AwareDatetime, Field(strict=False)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_day: Annotated[int, Field(ge=1)] | None = None
    month_budget: Annotated[float, Field(gt=0)] | None = None


@router.get("/keys")
def list_keys(caller: Administering, kb: KB) -> Told[list[ApiKey]]:  # noqa: ARG001 - they alone
    """All keys, without their secrets."""
    return to_plain(ApiKeys(kb.components.engine).list_keys())


@dataclass(frozen=True)
class NewKey:
    name: str
    key: str


@router.post("/keys", status_code=201, responses=problems(Code.KEY_NOT_MADE))
def make_key(body: KeyBody, caller: Administering, kb: KB) -> Told[NewKey]:  # noqa: ARG001 - as above
    """Make a key, which is told here alone. As soon as there is one, the token of a start ends."""
    wanted = body.model_dump(exclude={"name", "scope", "month_budget"})
    known = {root["name"] for root in kb.components.registry.list_roots()}
    budget = None if body.month_budget is None else Decimal(str(body.month_budget))
    reason = None
    if missing := sorted({*(body.collections or ())} - known):
        reason = f"No indexed directory is named {', '.join(missing)}."
    elif body.verifies and body.only == "documents":
        reason = "Verified queries are of tables: leave out verifies or only."
    elif budget is not None and kb.config.cost.prices is None:
        reason = "A budget needs prices: name a file of them in cost.prices."
    if reason:
        raise Problem(Code.KEY_NOT_MADE, {"reason": reason})
    try:
        secret = ApiKeys(kb.components.engine).create(
            body.name, body.scope, month_budget=budget, **wanted
        )
    except StoreError as error:
        if type(error) is not StoreError:
            raise
        raise Problem(Code.KEY_NOT_MADE, {"reason": str(error)}) from error
    return NewKey(body.name, secret)


@router.delete("/keys/{name:path}", status_code=204, responses=problems(Code.NO_SUCH_KEY))
def revoke_key(name: str, caller: Administering, kb: KB) -> None:  # noqa: ARG001 - as above
    """Refuse a key from now on, and whoever signed in by it."""
    with translate_missing(Code.NO_SUCH_KEY):
        ApiKeys(kb.components.engine).revoke(name)


@dataclass(frozen=True)
class QuestionToReview:
    """A question, null where the log keeps no texts, with how often it was asked and to what end.

    `comments` and `edited_sql` are what people said of its answers and made of their statements.
    """

    id: str
    question: str | None
    asked: int
    unanswered: int
    down: int
    comments: list[str]
    edited_sql: list[str]
    last_at: datetime


@router.get("/review")
def list_review(caller: Administering, kb: KB, days: Days = 90) -> Told[list[QuestionToReview]]:  # noqa: ARG001 - as above
    """Questions whose answers rested on nothing, were rated down, or had their SQL changed."""
    kb.components.books.writer.flush()
    items = AnswerReview(kb.components.engine).list_items(days)
    return to_plain([_describe_item(item) for item in items])


def _describe_item(item: ReviewItem) -> QuestionToReview:
    return QuestionToReview(
        id=item.id,
        question=item.question,
        asked=len(item.answers),
        unanswered=item.unanswered,
        down=item.down,
        comments=[answer.comment for answer in item.answers if answer.comment],
        edited_sql=item.edited,
        last_at=item.last_at,
    )


@router.post("/review/{item_id}/done", status_code=204, responses=problems(Code.NO_SUCH_ITEM))
def finish_review(item_id: str, caller: Administering, kb: KB, days: Days = 90) -> None:
    """Take a question off the list until it is answered poorly again."""
    review = AnswerReview(kb.components.engine)
    with translate_missing(Code.NO_SUCH_ITEM):
        review.mark_done(review.find_item(item_id, days), caller.name)


class MarkBody(StrictBody):
    """A passage that answers a question, by its chunk id, or a whole document as ROOT/PATH."""

    question: Words
    chunk: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    document: Annotated[str, Field(min_length=1, max_length=2000)] | None = None

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> "MarkBody":
        if (self.chunk is None) == (self.document is None):
            raise ValueError("give chunk or document")
        return self


@router.get("/marks")
def list_marks(caller: Administering, kb: KB) -> Told[list[Mark]]:  # noqa: ARG001 - as above
    """Documents that were marked as right for a question, those of one together."""
    return to_plain(Marks(kb.components.engine).list_all())


@dataclass(frozen=True)
class NewMark:
    id: str


@router.post(
    "/marks",
    status_code=201,
    responses=problems(Code.NO_SUCH_PASSAGE, Code.NO_SUCH_DOCUMENT),
)
def make_mark(body: MarkBody, caller: Administering, kb: KB) -> Told[NewMark]:
    """Mark what answers a question; `kb eval --marks` measures searches by it."""
    quote = ""
    if body.chunk is not None:
        nodes = kb.vector_store.get_nodes([body.chunk], metadata_filters({}, caller))
        if not nodes or "path" not in nodes[0].metadata:  # which others wrote into the table
            raise Problem(Code.NO_SUCH_PASSAGE)
        root, path = nodes[0].metadata["root"], nodes[0].metadata["path"]
        quote = nodes[0].get_content()
    else:
        with translate_missing(Code.NO_SUCH_DOCUMENT):
            document = DocumentList(kb.components.engine).find(str(body.document))
        if not caller.may_see(document.root):
            raise Problem(Code.NO_SUCH_DOCUMENT)
        root, path = document.root, document.path
    made = Marks(kb.components.engine).add(body.question, root, path, quote=quote, by=caller.name)
    return NewMark(made)


@router.delete("/marks/{mark_id}", status_code=204, responses=problems(Code.NO_SUCH_MARK))
def remove_mark(mark_id: str, caller: Administering, kb: KB) -> None:  # noqa: ARG001 - as above
    """Take a mark away."""
    with translate_missing(Code.NO_SUCH_MARK):
        Marks(kb.components.engine).remove(mark_id)


@router.get("/caches")
def list_caches(caller: Administering, kb: KB) -> Told[list[DescribedCache]]:  # noqa: ARG001 - as above
    """What is kept for the next time, and how often this process asked for it and found it."""
    return describe_caches(kb.components.caches, kb.config.caches)


@router.delete("/caches", status_code=204)
def clear_caches(caller: Administering, kb: KB) -> None:  # noqa: ARG001 - as above
    """Forget all that is kept by this process, in the database and in Redis."""
    for cache in kb.components.caches:
        cache.place.clear()


@router.get("/slow")
def list_slow_answers(
    caller: Administering,  # noqa: ARG001 - as above
    kb: KB,
    days: Days = 7,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Told[list[SlowAnswer]]:
    """The answers of the last days that took longest; without its text `question` is null."""
    kb.components.books.writer.flush()
    return to_plain(AnswerLog(kb.components.engine).list_slowest(days, limit))
