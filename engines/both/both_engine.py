"""Answers from documents and tables together: both are asked, and one may steer the other."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any, Final, Literal, assert_never

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from engines.answer_builder import AnswerBuilder, OnAnswer
from engines.both.deadline import Branch, Outcome, run_branches, run_branches_async
from engines.both.joint_answer import JointAnswer
from engines.documents.document_engine import DocumentQueryEngine
from engines.prompts import chat_prompt
from engines.question import Question, as_question
from engines.routing.route import Route
from engines.search.search_run import Search, collect_searches
from engines.tables.entities import EntityIndex

MOST_NAMES: Final = 5  # that steer a search
_MOST_PASSAGES = 12  # of all searches that names steer, together


@dataclass(frozen=True)
class Deadlines:
    """The seconds after which the answer of each source comes too late."""

    documents: float = 30.0
    database: float = 120.0


_BOTH = Route(route="both", reason="")


@dataclass(frozen=True)
class _Step:
    """What one source is asked: the documents for passages or, with `whole`, for an answer.

    `narrowed` are questions that are asked in the place of `question`.
    """

    source: Literal["documents", "database"]
    question: Question
    narrowed: tuple[Question, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Passages:
    """Passages of the documents, and the searches that found them."""

    nodes: Sequence[NodeWithScore]
    made: Sequence[Search] = ()


# Yields the steps to take at once, and is sent their outcomes.
_Plan = Generator[Sequence[_Step], Mapping[str, Outcome], None]


class JoinedQueryEngine(BaseQueryEngine):
    """Asks documents and tables at once, or one after the other where the route says so.

    Each source has its deadline; one that fails leaves the answer of the other, with a note and
    the error in the metadata. Without an `llm` both answers stand one below the other. `database`
    opens an engine that returns rows and writes no answer, `entities` the names that the tables
    hold; None where they cannot be asked. `route` is that of a question that brings none.
    """

    def __init__(
        self,
        documents: DocumentQueryEngine,
        database: Callable[[], BaseQueryEngine],
        *,
        llm: LLM | None,
        entities: Callable[[], EntityIndex | None] = lambda: None,
        route: Route = _BOTH,
        deadlines: Deadlines = Deadlines(),
        streaming: bool = False,
        on_answer: OnAnswer | None = None,
        instructions: str = "",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._documents = documents
        self._database = database
        self._route = route
        self._llm = llm
        self._entities = entities
        self._deadlines = deadlines
        self._streaming = streaming
        self._on_answer = on_answer
        self._prompt: BasePromptTemplate = chat_prompt("joined", instructions)

    def _get_prompts(self) -> PromptDictType:
        return {"answer": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("answer", self._prompt)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"documents": self._documents}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        joint = self._start_joint_answer(query_bundle)
        plan = self._plan_steps(joint)
        steps = next(plan, None)
        while steps is not None:
            steps = _send_outcomes(plan, run_branches(self._make_branches(steps, self._bind_step)))
        if self._llm is None or not joint.has_evidence:
            return joint.answer.respond(joint.compose_text())
        values = joint.make_prompt_values()
        return joint.answer.write(
            self._llm,
            self._prompt,
            values,
            _join_evidence(values),
            self._documents.quote_passages,
        )

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        joint = self._start_joint_answer(query_bundle)
        plan = self._plan_steps(joint)
        steps = await asyncio.to_thread(next, plan, None)
        while steps is not None:
            outcomes = await run_branches_async(self._make_branches(steps, self._bind_step_async))
            steps = await asyncio.to_thread(_send_outcomes, plan, outcomes)
        if self._llm is None or not joint.has_evidence:
            return await joint.answer.arespond(joint.compose_text())
        values = joint.make_prompt_values()
        return await joint.answer.awrite(
            self._llm,
            self._prompt,
            values,
            _join_evidence(values),
            self._documents.quote_passages,
        )

    def _start_joint_answer(self, asked: QueryBundle) -> JointAnswer:
        question = as_question(asked)
        route = question.route or self._route
        if self._llm is None and route.first == "documents":  # no query takes names from quotes
            route = route.model_copy(update={"first": ""})
        answer = AnswerBuilder(
            question,
            "both",
            route.reason,
            model=self._llm.metadata.model_name if self._llm else None,
            streaming=self._streaming,
            on_answer=self._on_answer,
        )
        return JointAnswer(answer, route)

    def _plan_steps(self, joint: JointAnswer) -> _Plan:
        """Yield the steps that the route asks for, and take their outcomes into the answer."""
        documents = _Step("documents", joint.documents_question, whole=self._llm is None)
        database = _Step("database", joint.database_question)
        match joint.route.first:
            case "database":
                joint.take_outcomes((yield [database]))
                yield from self._search_for_names(joint, documents)
            case "documents":
                joint.take_outcomes((yield [replace(documents, whole=True)]))
                entities = self._entities()
                found = entities.in_text(joint.said_by_documents) if entities else []
                joint.take_outcomes((yield [_Step("database", joint.make_tables_question(found))]))
            case "":
                joint.take_outcomes((yield [documents, database]))
            case _:
                assert_never(joint.route.first)
        joint.note_origins()

    def _search_for_names(self, joint: JointAnswer, documents: _Step) -> _Plan:
        """Search the documents for each name of the rows; without any, for the question alone."""
        names = list(self._find_names_in_rows(joint))
        if names:
            narrowed = tuple(map(joint.make_question_about, names))
            joint.take_outcomes((yield [replace(documents, narrowed=narrowed)]), names)
        if not joint.answer.passages:
            joint.take_outcomes((yield [documents]))

    def _find_names_in_rows(self, joint: JointAnswer) -> Iterator[str]:
        """Yield from each of the first rows the cell that names something."""
        rows = joint.answer.facts.tables.rows[:MOST_NAMES]
        entities = self._entities() if rows else None
        for row in rows:
            texts = [cell for cell in row if isinstance(cell, str) and cell.strip()]
            known = [text for text in texts if entities and entities.find_cell(text)]
            yield from (known or texts)[:1]

    def _make_branches(
        self, steps: Sequence[_Step], bind_step: Callable[[_Step], Callable[[], Any]]
    ) -> dict[str, Branch]:
        seconds = asdict(self._deadlines)
        return {step.source: Branch(bind_step(step), seconds[step.source]) for step in steps}

    def _bind_step(self, step: _Step) -> Callable[[], Any]:
        if step.source == "database":
            return lambda: self._database().query(step.question)
        return lambda: self._ask_documents(step)

    def _bind_step_async(self, step: _Step) -> Callable[[], Any]:
        async def ask_tables() -> RESPONSE_TYPE:
            engine = await asyncio.to_thread(self._database)
            return await engine.aquery(step.question)

        if step.source == "database":
            return ask_tables
        return lambda: self._ask_documents_async(step)

    def _ask_documents(self, step: _Step) -> Passages | list[Any]:
        questions = step.narrowed or (step.question,)
        if step.whole:
            return [self._documents.query(question) for question in questions]
        with collect_searches() as made:
            found = [self._documents.retrieve(question) for question in questions]
        return Passages(_merge_passages(found), made)

    async def _ask_documents_async(self, step: _Step) -> Passages | list[Any]:
        questions = step.narrowed or (step.question,)
        if step.whole:
            return [await self._documents.aquery(question) for question in questions]
        with collect_searches() as made:
            found = [await self._documents.aretrieve(question) for question in questions]
        return Passages(_merge_passages(found), made)


def _join_evidence(values: Mapping[str, str]) -> str:
    """Return what a model answers from, whose addresses the answer may repeat."""
    return f"{values['passages']}\n\n{values['rows']}"


def _send_outcomes(plan: _Plan, outcomes: Mapping[str, Outcome]) -> Sequence[_Step] | None:
    """Send outcomes to a plan, and return its next steps; None at its end."""
    try:
        return plan.send(outcomes)
    except StopIteration:
        return None


def _merge_passages(found: Sequence[Sequence[NodeWithScore]]) -> list[NodeWithScore]:
    """Take the best passage of each search in turn, each passage once."""
    if len(found) == 1:
        return list(found[0])
    merged: dict[str, NodeWithScore] = {}
    for turn in zip_longest(*found):
        for passage in filter(None, turn):
            merged.setdefault(passage.node_id, passage)
    return list(merged.values())[:_MOST_PASSAGES]
