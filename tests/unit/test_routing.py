"""The choice of a route: by a model, by evidence, or as it was asked for."""

import json
import threading
from typing import Any

import pytest
from fake_models import ScriptedLLM
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from model_server import NO_CHOICES, SERVER_ERROR, FakeModels, Fault

from engines.answer import Answer
from engines.question import Question, as_question
from engines.routing.choice import Routing
from engines.routing.route import Route
from engines.routing.router import RoutedQueryEngine
from engines.small_talk import reply_to_small_talk
from stores.errors import EngineError, ModelUnavailable, StoreUnavailable

EVIDENCE = Route(route="both", reason="words of both")
DATABASE = {"route": "database", "reason": "It asks for a count."}
DIVIDED = {
    "route": "both",
    "reason": "Names, then words.",
    "first": "database",
    "documents_question": "What do they complain about?",
    "database_question": "Who are our best customers?",
}


class Asked(BaseQueryEngine):
    """Remembers what it is asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked: list[Question] = []

    def _query(self, query_bundle: QueryBundle) -> Response:
        self.asked.append(as_question(query_bundle))
        return Response("Fine.", [], Answer(route="documents").metadata())

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return self._query(query_bundle)

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}


class Weighed:
    """Evidence that is the same for each question, in doubt unless it is `sure`."""

    def __init__(self, sure: Route | None = None, tables: str = "") -> None:
        self.weighed: list[str] = []
        self._sure, self._tables = sure, tables

    def outline_tables(self) -> str:
        return self._tables

    def weigh(self, question: Question, search: Any) -> tuple[Route, bool]:
        self.weighed.append(question.query_str)
        return self._sure or EVIDENCE, bool(self._sure)


class Chosen(Routing):
    """Gives the route alone."""

    def choose(self, question: Question) -> Any:
        return super().choose(question).route

    async def achoose(self, question: Question) -> Any:
        return (await super().achoose(question)).route


def routing(
    llm: Any = None,
    *,
    documents: str = "",
    asks_both: bool = False,
    **evidence: Any,
) -> Chosen:
    return Chosen(
        Unasked(),
        lambda: Weighed(**evidence),
        llm=llm,
        documents=documents,
        asks_both=asks_both,
    )


class Unasked(BaseRetriever):
    """Is handed on to evidence that does not search."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        raise NotImplementedError


def router(evidence: Weighed, engine: BaseQueryEngine) -> RoutedQueryEngine:
    return RoutedQueryEngine(
        Routing(Unasked(), lambda: evidence),
        documents=engine,
        database=lambda: engine,
        both=engine,
        small_talk=reply_to_small_talk,
    )


def client(protocol: str, fake: FakeModels) -> Any:
    match protocol:
        case "openai":
            return OpenAILike(
                model="fake",
                api_base=fake.openai_url,
                api_key="k",
                is_chat_model=True,
                max_retries=0,
            )
        case "ollama":
            return Ollama(model="fake", base_url=fake.url, context_window=8192)
    return None


def test_a_model_chooses_from_what_the_sources_hold():
    llm = ScriptedLLM(replies=[json.dumps(DATABASE)])
    chosen = routing(llm, documents="manuals {x}", tables="- orders (id)").choose(
        Question("How many orders {y}?")
    )
    assert chosen == Route(**DATABASE)
    (written,) = llm.prompts
    for told in ("manuals {x}", "- orders (id)", "How many orders {y}?"):
        assert told in written


@pytest.mark.parametrize("broken", ["I would ask the database.", '{"route": "web"}', "", "{}"])
async def test_an_unreadable_choice_is_asked_for_once_more(broken):
    llm = ScriptedLLM(replies=[broken, json.dumps(DATABASE)] * 2)
    assert routing(llm).choose(Question("How many?")) == Route(**DATABASE)
    assert await routing(llm).achoose(Question("How many?")) == Route(**DATABASE)


@pytest.mark.parametrize(
    "reply",
    [
        "```json\n{}\n```",
        "```\n{}",
        "<think>Is it {{documents}}?</think>\n{}",
        "Hm.</think>```json\n{}```",
    ],
)
@pytest.mark.parametrize("protocol", ["openai", "ollama", "in process"])
def test_a_choice_in_markdown_or_behind_a_thought_is_read_at_once(reply, protocol):
    written = reply.replace("{}", json.dumps(DIVIDED)).replace("{{", "{").replace("}}", "}")
    with FakeModels(written) as fake:
        llm = client(protocol, fake) or ScriptedLLM(replies=[written])
        assert routing(llm).choose(Question("How many?")) == Route(**DIVIDED)


@pytest.mark.parametrize(
    ("written", "first", "part"),
    [
        ({"first": "none", "documents_question": None, "database_question": ["?"]}, "", ""),
        ({"first": None}, "", DIVIDED["documents_question"]),
        ({"first": {"a": 1}, "documents_question": 3}, "", ""),
        ({"route": " Both ", "first": "Database"}, "database", DIVIDED["documents_question"]),
    ],
)
def test_a_route_that_divides_badly_is_still_a_route(written, first, part):
    llm = ScriptedLLM(replies=[json.dumps({**DIVIDED, **written})])
    chosen = routing(llm).choose(Question("How many?"))
    assert (chosen.route, chosen.first, chosen.documents_question) == ("both", first, part)


def test_the_schema_that_is_sent_has_no_defaults():
    assert "default" not in json.dumps(Route.model_json_schema())


@pytest.mark.parametrize("protocol", ["openai", "ollama"])
@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_without_structured_output_leaves_the_choice_to_the_evidence(
    protocol, status
):
    refusal = Fault(status, body='{"error": {"message": "format is not supported"}}')
    with FakeModels(*[refusal] * 3) as fake:
        llm = client(protocol, fake)
        assert routing(llm).choose(Question("How many?")).route == "both"
        assert (await routing(llm).achoose(Question("How many?"))).route == "both"
        asked_for = routing(llm, asks_both=True).choose(Question("How many?"))
        assert asked_for.reason == "documents and database were asked for"
    assert len(fake.requests) == 3


async def test_after_two_unreadable_choices_the_evidence_decides():
    llm = ScriptedLLM(reply=lambda _: "no")
    for chosen in (
        routing(llm).choose(Question("How many?")),
        await routing(llm).achoose(Question("How many?")),
    ):
        assert chosen.route == "both"
        assert chosen.reason == "the model's choice could not be read; words of both"
    assert len(llm.prompts) == 4


async def test_without_a_model_the_evidence_decides():
    assert routing().choose(Question("How many?")) is EVIDENCE
    assert await routing().achoose(Question("How many?")) is EVIDENCE


@pytest.mark.parametrize("route", ["documents", "database", "both"])
async def test_a_model_is_not_asked_what_the_evidence_is_sure_of(route):
    sure = Route(route=route, reason="clear")
    llm = ScriptedLLM()
    assert routing(llm, sure=sure).choose(Question("How many?")) is sure
    assert await routing(llm, sure=sure).achoose(Question("How many?")) is sure
    assert llm.prompts == []


async def test_a_question_for_both_is_divided_by_the_model():
    llm = ScriptedLLM(replies=[json.dumps(DIVIDED), json.dumps(DATABASE), "?", "?"])
    chosen = routing(llm, asks_both=True)
    told = "documents and database were asked for"
    undivided = Route(route="both", reason=told)
    divided = chosen.choose(Question("What do our best customers complain about?"))
    assert divided == Route(**{**DIVIDED, "reason": told})
    assert chosen.choose(Question("How many?")) == undivided
    assert await chosen.achoose(Question("How many?")) == undivided
    assert routing(asks_both=True).choose(Question("How many?")) == undivided


@pytest.mark.parametrize(
    ("question", "told"),
    [("How many?", "no tables can be asked: gone"), ("Combien y en a-t-il ?", "aucune table")],
)
def test_tables_in_trouble_leave_the_documents_and_ask_no_model(question, told):
    def fail() -> Any:
        raise StoreUnavailable("gone")

    llm = ScriptedLLM()
    route = Routing(Unasked(), fail, llm=llm).choose(Question(question)).route
    assert route.route == "documents"
    assert route.reason.startswith(told)
    assert llm.prompts == []


async def test_where_the_tables_cannot_tell_both_sources_are_asked_and_no_model():
    class Away(Weighed):
        def weigh(self, question: Question, search: Any) -> tuple[Route, bool]:
            raise StoreUnavailable("gone")

    llm = ScriptedLLM()
    chosen = Routing(Unasked(), Away, llm=llm)
    for choice in chosen.choose(Question("How many?")), await chosen.achoose(Question("How many?")):
        assert choice.route.route == "both"
        assert choice.route.reason == "the sources could not be compared: gone"
    assert llm.prompts == []


@pytest.mark.parametrize("protocol", ["openai", "ollama"])
async def test_real_clients_predict_a_route(protocol):
    with FakeModels(json.dumps(DIVIDED), json.dumps(DATABASE)) as fake:
        llm = client(protocol, fake)
        assert routing(llm).choose(Question("Who?")).first == "database"
        assert (await routing(llm).achoose(Question("How many?"))).route == "database"
    assert "documents_question" in json.dumps(fake.requests[0].body)


@pytest.mark.parametrize("fault", [SERVER_ERROR, NO_CHOICES])
def test_a_model_that_fails_is_told_of(fault):
    with FakeModels(fault, fault, fault) as fake:
        llm = client("openai", fake)
        with pytest.raises(ModelUnavailable, match="Choosing where to look failed"):
            routing(llm).choose(Question("How many?"))


async def test_a_question_is_asked_without_its_greeting():
    engine, evidence = Asked(), Weighed()
    routed = router(evidence, engine)
    routed.query("Hi there! Who are our best customers?")
    await routed.aquery("Bonjour, CB-121")
    routed.query(Question("Merci, et Ada ?", for_tables="Merci, et :name ?", language="fr"))
    assert evidence.weighed == ["Who are our best customers?", "CB-121", "Ada ?"]
    assert [each.query_str for each in engine.asked] == evidence.weighed
    assert engine.asked[2].for_tables == ":name ?"
    assert [each.language for each in engine.asked] == ["en", "", "fr"]


async def test_what_small_talk_tells_of_the_sources_is_looked_up_beside_the_event_loop():
    asked_in = []

    def reply(_: str) -> str:
        asked_in.append(threading.current_thread())
        return "There are three documents."

    engine = Asked()
    routed = RoutedQueryEngine(
        Routing(Unasked(), Weighed),
        documents=engine,
        database=lambda: engine,
        both=engine,
        small_talk=reply,
    )
    assert str(await routed.aquery("What can you do?")) == "There are three documents."
    assert threading.current_thread() not in asked_in
    assert len(asked_in) == 1


async def test_small_talk_says_in_its_language_that_nothing_was_searched():
    routed = router(Weighed(), Asked())
    assert routed.query("hello").metadata["route_reason"] == "nothing had to be looked up"
    told = await routed.aquery("Merci beaucoup")
    assert (told.metadata["route"], told.metadata["route_reason"]) == (
        None,
        "il n'y avait rien à chercher",
    )


@pytest.mark.parametrize(
    ("question", "reason"),
    [("", "is empty"), ("   ", "is empty"), ("\n", "is empty"), ("word " * 4001, "20,005 char")],
)
async def test_a_question_that_is_empty_or_huge_is_refused(question, reason):
    routed = router(Weighed(), Asked())
    with pytest.raises(EngineError, match=f"The question .*{reason}"):
        routed.query(question)
    with pytest.raises(EngineError, match=f"The question .*{reason}"):
        await routed.aquery(question)
