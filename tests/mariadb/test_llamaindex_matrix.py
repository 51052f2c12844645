"""What LlamaIndex puts around a store, a retriever and an engine works around ours, both ways."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding, ScriptedLLM
from llama_index.core import (
    Document,
    PromptTemplate,
    Settings,
    StorageContext,
    VectorStoreIndex,
    get_response_synthesizer,
    load_index_from_storage,
)
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.callbacks import (
    CBEventType,
    LlamaDebugHandler,
    TokenCountingHandler,
)
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
)
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.evaluation import (
    FaithfulnessEvaluator,
    RelevancyEvaluator,
    RetrieverEvaluator,
)
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    SentenceSplitter,
    SentenceWindowNodeParser,
    get_leaf_nodes,
)
from llama_index.core.objects import ObjectIndex
from llama_index.core.postprocessor import (
    MetadataReplacementPostProcessor,
    PrevNextNodePostprocessor,
    SimilarityPostprocessor,
)
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import (
    AutoMergingRetriever,
    BaseRetriever,
    QueryFusionRetriever,
    RecursiveRetriever,
    RouterRetriever,
    TransformRetriever,
    VectorIndexAutoRetriever,
)
from llama_index.core.schema import IndexNode, NodeWithScore, TextNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import FunctionTool, QueryEngineTool, RetrieverTool
from llama_index.core.vector_stores import MetadataInfo, VectorStoreInfo
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from model_server import FakeModels
from nodes import stored_ids
from pydantic import BaseModel

from engines.answer import answer_of
from kb import KnowledgeBase
from kb.config.sections import Config
from stores import MariaDBVectorStore

EMBEDDING = HashEmbedding()
SPLITTER = SentenceSplitter(chunk_size=64, chunk_overlap=0)
DOCUMENTS = [
    Document(id_="returns", text="Returned goods are refunded.", metadata={"topic": "money"}),
    Document(id_="kettle", text="Descale the kettle with vinegar.", metadata={"topic": "care"}),
    Document(id_="lamp", text="The lamp takes two batteries.", metadata={"topic": "care"}),
]
ASKED = "How do I descale the kettle?"
T = TypeVar("T")

pytestmark = [
    pytest.mark.parametrize("how", ["sync", "async"]),
    pytest.mark.filterwarnings(  # what the workflows of LlamaIndex look at
        "ignore:The .__fields.*is deprecated:pydantic.PydanticDeprecatedSince20",
        "ignore:is_running called from within a step:DeprecationWarning",
        "ignore:Accessing the .model_:pydantic.PydanticDeprecatedSince211",
    ),
]


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, "advice", embed_dim=EMBEDDING.dimensions)


@pytest.fixture(autouse=True)
def no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of LlamaIndex's classes ask for a default model that they never use."""
    monkeypatch.setattr(Settings, "_llm", ScriptedLLM())


@pytest.fixture
def index(store: MariaDBVectorStore) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(
        DOCUMENTS,
        storage_context=StorageContext.from_defaults(vector_store=store),
        transformations=[SPLITTER],
        embed_model=EMBEDDING,
    )


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels(default="Use vinegar [1].") as models:
        models.dimensions = EMBEDDING.dimensions
        yield models


@pytest.fixture
def kb(database: sa.URL, models: FakeModels) -> Iterator[KnowledgeBase]:
    """A knowledge base without a language model, whose answers are quotations."""
    with open_knowledge_base(database, models) as kb:
        yield kb


@pytest.fixture
def kb_with_model(database: sa.URL, models: FakeModels) -> Iterator[KnowledgeBase]:
    with open_knowledge_base(database, models, llm=model_of(models)) as kb:
        yield kb


def model_of(models: FakeModels) -> dict[str, Any]:
    return {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}


def open_knowledge_base(database: sa.URL, models: FakeModels, **sections: Any) -> KnowledgeBase:
    url = database.render_as_string(hide_password=False)
    config = {"database": {"url": url}, "embedding": model_of(models), **sections}
    kb = KnowledgeBase.open(Config.model_validate(config))
    assert kb.add(DOCUMENTS, root="advice").added == 3
    return kb


def call(how: str, work: Callable[[], T], later: Callable[[], Awaitable[T]]) -> T:
    async def wait() -> T:
        return await later()

    return work() if how == "sync" else asyncio.run(wait())


def ask(how: str, engine: Any, question: str = ASKED) -> Any:
    return call(how, lambda: engine.query(question), lambda: engine.aquery(question))


def say(how: str, chat: BaseChatEngine, message: str) -> Any:
    return call(how, lambda: chat.chat(message), lambda: chat.achat(message))


def retrieve(how: str, retriever: BaseRetriever, question: str = ASKED) -> list[NodeWithScore]:
    return call(how, lambda: retriever.retrieve(question), lambda: retriever.aretrieve(question))


def sources(found: list[NodeWithScore]) -> list[str | None]:
    return [each.node.ref_doc_id for each in found]


def says(*answers: tuple[str, str], default: str = "No idea.") -> ScriptedLLM:
    """A model that answers with the second of the first pair whose first is in the prompt."""
    return ScriptedLLM(
        reply=lambda prompt: next((said for part, said in answers if part in prompt), default)
    )


def short_memory() -> ChatMemoryBuffer:
    """LlamaIndex's default memory leaves a connection to SQLite open."""
    return ChatMemoryBuffer.from_defaults(token_limit=2000)


# Retrievers ---------------------------------------------------------------------------------------


def test_leaves_are_merged_into_their_parent(store: MariaDBVectorStore, how: str) -> None:
    text = " ".join(f"Sentence {number} is about the kettle." for number in range(60))
    nodes = HierarchicalNodeParser.from_defaults(chunk_sizes=[256, 64]).get_nodes_from_documents(
        [Document(text=text, id_="long")]
    )
    context = StorageContext.from_defaults(vector_store=store)
    context.docstore.add_documents(nodes)
    leaves = get_leaf_nodes(nodes)
    base = VectorStoreIndex(leaves, storage_context=context, embed_model=EMBEDDING)
    merging = AutoMergingRetriever(base.as_retriever(similarity_top_k=len(leaves)), context)
    found = retrieve(how, merging, "the kettle")
    assert 0 < len(found) < len(leaves)
    assert {each.node_id for each in found} <= {each.node_id for each in nodes} - stored_ids(store)


@pytest.mark.parametrize("mode", ["default", "hybrid", "text_search"])
def test_index_nodes_lead_to_what_they_stand_for(
    index: VectorStoreIndex, store: MariaDBVectorStore, mode: str, how: str
) -> None:
    chapter = TextNode(id_="chapter", text="All of the chapter on espresso machines.")
    index.insert_nodes([IndexNode(text="espresso machines", index_id="chapter")])
    recursive = RecursiveRetriever(
        "root",
        retriever_dict={
            "root": index.as_retriever(similarity_top_k=4, vector_store_query_mode=mode)
        },
        node_dict={"chapter": chapter},
    )
    found = retrieve(how, recursive, "espresso machines and the kettle")
    assert chapter in [each.node for each in found]
    assert "kettle" in sources(found)


def test_objects_of_an_index_are_asked(
    index: VectorStoreIndex, store: MariaDBVectorStore, how: str
) -> None:
    """A retriever in an index node, which JSON cannot hold, is kept by the index."""
    care = index.as_retriever(similarity_top_k=1)
    above = VectorStoreIndex(
        objects=[IndexNode(text="kettles and lamps", index_id="care", obj=care)],
        storage_context=StorageContext.from_defaults(
            vector_store=MariaDBVectorStore(store.client, "above", embed_dim=EMBEDDING.dimensions)
        ),
        embed_model=EMBEDDING,
    )
    assert sources(retrieve(how, above.as_retriever())) == ["kettle"]


def test_an_auto_retriever_makes_filters(index: VectorStoreIndex, how: str) -> None:
    condition = {"key": "topic", "value": "care", "operator": "=="}
    plan = json.dumps({"query": "refunded", "top_k": 5, "filters": [condition]})
    retriever = VectorIndexAutoRetriever(
        index,
        vector_store_info=VectorStoreInfo(
            content_info="advice of a shop",
            metadata_info=[MetadataInfo(name="topic", type="str", description="money or care")],
        ),
        llm=ScriptedLLM(replies=[plan]),
        similarity_top_k=5,
    )
    assert set(sources(retrieve(how, retriever))) == {"kettle", "lamp"}


@pytest.mark.parametrize(
    "mode", ["reciprocal_rerank", "relative_score", "dist_based_score", "simple"]
)
def test_rankings_are_fused(
    index: VectorStoreIndex, kb: KnowledgeBase, mode: str, how: str
) -> None:
    fusing = QueryFusionRetriever(
        [index.as_retriever(vector_store_query_mode="hybrid"), kb.retriever(top_k=2)],
        llm=ScriptedLLM(replies=["vinegar\nkettle care"]),
        num_queries=3,
        similarity_top_k=3,
        mode=mode,
        use_async=how == "async",
    )
    texts = [each.get_content() for each in retrieve(how, fusing)]
    assert len(texts) <= 3
    assert "Descale the kettle with vinegar." in texts[0]


def test_a_retriever_is_chosen_and_its_question_transformed(
    index: VectorStoreIndex, kb: KnowledgeBase, how: str
) -> None:
    chosen = RouterRetriever(
        selector=LLMSingleSelector.from_defaults(
            llm=ScriptedLLM(replies=['[{"choice": 2, "reason": "it is ours"}]'])
        ),
        retriever_tools=[
            RetrieverTool.from_defaults(index.as_retriever(), description="the store"),
            RetrieverTool.from_defaults(kb.retriever(top_k=1), description="the knowledge base"),
        ],
        llm=ScriptedLLM(),
    )
    (found,) = retrieve(how, chosen)
    assert found.node.metadata["path"] == "kettle"
    hyde = HyDEQueryTransform(llm=ScriptedLLM(replies=["Descale it with vinegar."]))
    assert (
        retrieve(how, TransformRetriever(kb.retriever(top_k=1), hyde))[0].node_id == found.node_id
    )


# Query engines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [mode for mode in ResponseMode if mode != "custom"])
def test_every_response_mode_answers(index: VectorStoreIndex, mode: ResponseMode, how: str) -> None:
    engine = index.as_query_engine(
        llm=says(("vinegar", "Use vinegar.")), response_mode=mode, similarity_top_k=3
    )
    response = ask(how, engine)
    assert len(response.source_nodes) == 3
    match mode:
        case ResponseMode.NO_TEXT:
            assert response.response == ""
        case ResponseMode.CONTEXT_ONLY:
            assert "Descale the kettle" in response.response
        case ResponseMode.GENERATION:
            assert response.response == "No idea."
        case _:
            assert "Use vinegar." in response.response


def test_answers_stream(index: VectorStoreIndex, how: str) -> None:
    llm = says(("vinegar", "Use vinegar."))
    response = ask(how, index.as_query_engine(llm=llm, streaming=True))
    if how == "sync":
        assert "".join(response.response_gen) == "Use vinegar."
        return

    async def read() -> str:
        streamed = await index.as_query_engine(llm=llm, streaming=True).aquery(ASKED)
        return "".join([each async for each in streamed.async_response_gen()])

    assert asyncio.run(read()) == "Use vinegar."


class Advice(BaseModel):
    tool: str


def test_answers_are_of_a_class(index: VectorStoreIndex, how: str) -> None:
    llm = says(("vinegar", '{"tool": "vinegar"}'))
    structured = index.as_query_engine(llm=llm.as_structured_llm(Advice))
    assert ask(how, structured).response == Advice(tool="vinegar")
    synthesizer = get_response_synthesizer(llm=llm, output_cls=Advice)
    engine = RetrieverQueryEngine(index.as_retriever(), synthesizer)
    assert ask(how, engine).response == Advice(tool="vinegar")


def test_engines_are_chosen_by_a_router(
    index: VectorStoreIndex, kb: KnowledgeBase, how: str
) -> None:
    router = RouterQueryEngine.from_defaults(
        [
            QueryEngineTool.from_defaults(index.as_query_engine(llm=says()), description="other"),
            QueryEngineTool.from_defaults(kb.query_engine("documents"), description="advice"),
        ],
        selector=LLMSingleSelector.from_defaults(
            llm=ScriptedLLM(replies=['[{"choice": 2, "reason": "advice"}]'])
        ),
        llm=says(),
    )
    response = ask(how, router)
    assert "“Descale the kettle with vinegar.” [1]" in response.response
    assert answer_of(response).citations[0].document == "kettle"


def test_sub_questions_are_asked(kb: KnowledgeBase, how: str) -> None:
    questions = [
        {"sub_question": ASKED, "tool_name": "advice"},
        {"sub_question": "What does the lamp take?", "tool_name": "advice"},
    ]
    llm = says(
        ("Given a user question", f"```json\n{json.dumps(questions)}\n```"),
        ("two batteries", "Vinegar and batteries."),
    )
    tool = QueryEngineTool.from_defaults(
        kb.query_engine("documents"), name="advice", description="advice of a shop"
    )
    engine = SubQuestionQueryEngine.from_defaults(
        [tool],
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        response_synthesizer=get_response_synthesizer(llm=llm),
        verbose=False,
    )
    assert str(ask(how, engine)) == "Vinegar and batteries."
    assert "“Descale the kettle with vinegar.” [1]" in llm.prompts[-1]


def test_a_citing_engine_reads_our_passages(
    index: VectorStoreIndex, kb: KnowledgeBase, how: str
) -> None:
    llm = says(("Source 1:\ntopic: care", "Use vinegar [1]."), default="Use vinegar [1].")
    engine = CitationQueryEngine.from_args(index, llm=llm, retriever=kb.retriever(top_k=1))
    response = ask(how, engine)
    assert str(response) == "Use vinegar [1]."
    assert "Source 1:" in llm.prompts[0]
    assert response.source_nodes[0].node.metadata["path"] == "kettle"


def test_prompts_are_shown_and_changed(index: VectorStoreIndex, how: str) -> None:
    engine = index.as_query_engine(llm=says(("Arr", "Arr!")))
    key = "response_synthesizer:text_qa_template"
    assert key in engine.get_prompts()
    engine.update_prompts({key: PromptTemplate("Arr: {context_str} {query_str}")})
    assert str(ask(how, engine)) == "Arr!"


# Chat engines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["condense_question", "context", "condense_plus_context"])
def test_chat_engines_work_over_the_store(index: VectorStoreIndex, mode: Any, how: str) -> None:
    llm = says(("Standalone question", ASKED), ("vinegar", "Use vinegar."))
    memory = short_memory()
    chat = index.as_chat_engine(chat_mode=mode, llm=llm, similarity_top_k=1, memory=memory)
    talk(how, chat)
    assert [each.role.value for each in chat.chat_history] == ["user", "assistant"] * 3


def talk(how: str, chat: BaseChatEngine) -> None:
    """Ask three times, the last time reading the answer as it comes."""
    for _ in range(2):
        response = say(how, chat, ASKED)
        assert str(response) == "Use vinegar."
        assert sources(response.source_nodes) == ["kettle"]
    if how == "sync":
        assert "".join(chat.stream_chat(ASKED).response_gen) == "Use vinegar."
        return

    async def read() -> str:
        streamed = await chat.astream_chat(ASKED)
        return "".join([each async for each in streamed.async_response_gen()])

    assert asyncio.run(read()) == "Use vinegar."


def test_a_context_chat_engine_works_over_the_retriever(kb: KnowledgeBase, how: str) -> None:
    llm = says(("vinegar", "Use vinegar."))
    chat = CondensePlusContextChatEngine.from_defaults(
        retriever=kb.retriever(top_k=1), llm=llm, memory=short_memory()
    )
    response = say(how, chat, ASKED)
    assert str(response) == "Use vinegar."
    assert response.source_nodes[0].node.metadata["path"] == "kettle"


def test_a_condensing_chat_engine_works_over_the_engine(kb: KnowledgeBase, how: str) -> None:
    chat = CondenseQuestionChatEngine.from_defaults(
        kb.query_engine("documents"), llm=ScriptedLLM(replies=[ASKED]), memory=short_memory()
    )
    for said in (ASKED, "And how?"):
        response = say(how, chat, said)
        assert "“Descale the kettle with vinegar.” [1]" in response.response


# Agents and workflows -----------------------------------------------------------------------------


def call_one_tool(messages: Any, **_: Any) -> ChatMessage:
    """A model that calls `advice`, and then says what the tool did."""
    if messages[-1].role == MessageRole.TOOL:
        return ChatMessage(role="assistant", content=f"The tool says: {messages[-1].content}")
    tool = ToolCallBlock(tool_call_id="1", tool_name="advice", tool_kwargs={"input": ASKED})
    return ChatMessage(role="assistant", blocks=[tool])


def advice_of(kb: KnowledgeBase) -> QueryEngineTool:
    return QueryEngineTool.from_defaults(
        kb.query_engine("documents"), name="advice", description="advice of a shop"
    )


def test_a_function_agent_uses_an_engine(kb: KnowledgeBase, how: str) -> None:
    llm = MockFunctionCallingLLM(response_generator=call_one_tool, is_chat_model=True)
    agent = FunctionAgent(tools=[advice_of(kb)], llm=llm, streaming=how == "async")

    async def run() -> Any:
        return await agent.run(ASKED, memory=short_memory())

    output = asyncio.run(run())
    assert "“Descale the kettle with vinegar.” [1]" in str(output.response.content)
    (called,) = output.tool_calls
    raw = called.tool_output.raw_output
    assert answer_of(raw).citations[0].document == "kettle"


def test_a_reasoning_agent_uses_an_engine_in_a_workflow(kb: KnowledgeBase, how: str) -> None:
    arguments = json.dumps({"input": ASKED})
    llm = says(
        ("“Descale the kettle", "Thought: I can answer.\nAnswer: Use vinegar."),
        default=f"Thought: I need advice.\nAction: advice\nAction Input: {arguments}",
    )
    agent = ReActAgent(name="shop", tools=[advice_of(kb)], llm=llm, streaming=how == "async")

    async def run() -> Any:
        flow = AgentWorkflow(agents=[agent], root_agent="shop")
        return await flow.run(ASKED, memory=short_memory())

    assert str(asyncio.run(run())) == "Use vinegar."


class Answering(Workflow):
    """A workflow of one step that asks an engine."""

    engine: Any = None

    @step
    async def answer(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=await self.engine.aquery(event.question))


def test_a_workflow_asks_an_engine(kb: KnowledgeBase, how: str) -> None:
    flow = Answering()
    flow.engine = kb.query_engine("documents")

    async def run() -> list[Any]:
        return await asyncio.gather(*(flow.run(question=ASKED) for _ in range(3)))

    for response in asyncio.run(run()):
        assert answer_of(response).citations[0].document == "kettle"


def test_tools_are_found_by_their_words(store: MariaDBVectorStore, how: str) -> None:
    def refund() -> None:
        """Pay back the money of returned goods."""

    def descale() -> None:
        """Explain how to descale a kettle."""

    tools = ObjectIndex.from_objects(
        [FunctionTool.from_defaults(each) for each in (refund, descale)],
        index_cls=VectorStoreIndex,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=EMBEDDING,
    )
    retriever = tools.as_retriever(similarity_top_k=1)
    found = call(how, lambda: retriever.retrieve(ASKED), lambda: retriever.aretrieve(ASKED))
    assert [each.metadata.name for each in found] == ["descale"]


# Evaluation and callbacks -------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "passing"), [("YES", True), ("NO", False)])
@pytest.mark.parametrize("judge", [FaithfulnessEvaluator, RelevancyEvaluator])
def test_answers_are_judged(
    kb: KnowledgeBase, judge: Any, verdict: str, passing: bool, how: str
) -> None:
    response = ask(how, kb.query_engine("documents"))
    evaluator = judge(llm=ScriptedLLM(reply=lambda _: verdict))
    result: Any = call(
        how,
        lambda: evaluator.evaluate_response(query=ASKED, response=response),
        lambda: evaluator.aevaluate_response(query=ASKED, response=response),
    )
    assert result.passing is passing


def test_retrieval_is_measured(kb: KnowledgeBase, how: str) -> None:
    retriever = kb.retriever(top_k=2)
    wanted = [each.node_id for each in retrieve(how, retriever)[:1]]
    metrics = ["hit_rate", "mrr", "precision", "recall", "ap", "ndcg"]
    evaluator = RetrieverEvaluator.from_metric_names(metrics, retriever=retriever)
    measured = call(
        how, lambda: evaluator.evaluate(ASKED, wanted), lambda: evaluator.aevaluate(ASKED, wanted)
    )
    assert measured.metric_vals_dict["mrr"] == 1
    assert measured.metric_vals_dict["precision"] == 0.5


def test_handlers_see_what_the_store_s_engines_do(index: VectorStoreIndex, how: str) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    events = LlamaDebugHandler(print_trace_on_end=False)
    llm = says(("vinegar", "Use vinegar."))
    engine = index.as_query_engine(llm=llm, similarity_top_k=1)
    ask(how, engine)
    llm.callback_manager = engine.callback_manager
    engine.callback_manager.add_handler(counter)
    engine.callback_manager.add_handler(events)
    ask(how, engine)
    assert counter.completion_llm_token_count in (2, 4)  # CustomLLM tells twice of acomplete
    for kind in (CBEventType.QUERY, CBEventType.RETRIEVE, CBEventType.SYNTHESIZE):
        assert len(events.get_event_pairs(kind)) == 1, kind


@pytest.mark.parametrize("source", ["documents", "auto"])
def test_a_handler_that_comes_late_sees_what_kb_s_engines_do(
    kb_with_model: KnowledgeBase, source: Any, how: str
) -> None:
    engine = kb_with_model.query_engine(source)
    ask(how, engine)
    counter = TokenCountingHandler(tokenizer=str.split)
    events = LlamaDebugHandler(print_trace_on_end=False)
    engine.callback_manager.add_handler(counter)
    kb_with_model.retriever().callback_manager.add_handler(events)
    ask(how, engine)
    assert counter.completion_llm_token_count == 1  # as the server says
    assert counter.total_embedding_token_count > 0
    for kind in (CBEventType.RETRIEVE, CBEventType.EMBEDDING, CBEventType.LLM):
        assert len(events.get_event_pairs(kind)) == 1, kind


# Postprocessors -----------------------------------------------------------------------------------


def test_a_sentence_brings_its_window(store: MariaDBVectorStore, how: str) -> None:
    text = "First the lid. Then descale the kettle. Last rinse it."
    parser = SentenceWindowNodeParser.from_defaults(window_size=1)
    nodes = parser.get_nodes_from_documents([Document(text=text)])
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=EMBEDDING)
    engine = index.as_query_engine(
        llm=says(),
        response_mode="no_text",
        similarity_top_k=1,
        node_postprocessors=[MetadataReplacementPostProcessor(target_metadata_key="window")],
    )
    (found,) = ask(how, engine).source_nodes
    assert found.node.get_content().split() == text.split()


def test_a_chunk_brings_its_neighbours(store: MariaDBVectorStore, how: str) -> None:
    text = "\n\n".join(f"Step {number} tells of {number * 'so '}much." for number in range(1, 9))
    nodes = SentenceSplitter(chunk_size=20, chunk_overlap=0).get_nodes_from_documents(
        [Document(text=text, id_="steps")]
    )
    assert len(nodes) > 3
    context = StorageContext.from_defaults(vector_store=store)
    context.docstore.add_documents(nodes)
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=EMBEDDING)
    engine = index.as_query_engine(
        llm=says(),
        response_mode="no_text",
        similarity_top_k=1,
        node_postprocessors=[
            PrevNextNodePostprocessor(docstore=context.docstore, num_nodes=1, mode="both"),
        ],
    )
    found = [each.node_id for each in ask(how, engine, nodes[1].get_content()).source_nodes]
    assert found == [each.node_id for each in nodes[:3]]


def test_what_is_far_is_cut_off(index: VectorStoreIndex, kb: KnowledgeBase, how: str) -> None:
    cutting = SimilarityPostprocessor(similarity_cutoff=1.1)
    for retriever in (index.as_retriever(), kb.retriever()):
        engine = RetrieverQueryEngine(
            retriever, get_response_synthesizer(llm=says()), node_postprocessors=[cutting]
        )
        assert ask(how, engine).source_nodes == []


# Writing ------------------------------------------------------------------------------------------


def test_a_pipeline_with_a_docstore_and_a_cache(
    store: MariaDBVectorStore, tmp_path: Path, how: str
) -> None:
    embedding = HashEmbedding()

    def make() -> IngestionPipeline:
        return IngestionPipeline(
            transformations=[SPLITTER, embedding],
            vector_store=store,
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
            cache=IngestionCache(),
        )

    def run(pipeline: IngestionPipeline, documents: list[Document]) -> None:
        call(
            how,
            lambda: pipeline.run(documents=documents),
            lambda: pipeline.arun(documents=documents),
        )

    pipeline = make()
    run(pipeline, DOCUMENTS)
    run(pipeline, DOCUMENTS)
    assert len(embedding.embedded) == 3
    pipeline.persist(str(tmp_path))
    again = make()
    again.load(str(tmp_path))
    changed = Document(id_="lamp", text="The lamp needs no batteries.")
    run(again, [*DOCUMENTS[:1], changed])
    texts = {each.get_content() for each in store.get_nodes()}
    assert texts == {DOCUMENTS[0].text, changed.text}


def test_an_index_is_kept_and_opened_again(
    index: VectorStoreIndex, store: MariaDBVectorStore, tmp_path: Path, how: str
) -> None:
    index.insert_nodes([IndexNode(text="espresso machines", index_id="chapter")])
    index.storage_context.persist(tmp_path)
    context = StorageContext.from_defaults(persist_dir=str(tmp_path), vector_store=store)
    again = load_index_from_storage(context, embed_model=EMBEDDING)
    found = retrieve(how, again.as_retriever(similarity_top_k=9))
    assert {each.node_id for each in found} == stored_ids(store)
    assert found[0].node.ref_doc_id == "kettle"


def test_documents_are_inserted_updated_refreshed_and_deleted(
    index: VectorStoreIndex, store: MariaDBVectorStore, how: str
) -> None:
    index.storage_context.docstore.add_documents(DOCUMENTS)  # what refresh compares with
    new = Document(id_="new", text="Gift cards never expire.")
    lamp = Document(id_="lamp", text="The lamp needs no batteries.")
    kettle = Document(id_="kettle", text="The kettle is gone.")
    nodes = [TextNode(id_="n", text="A node alone.")]

    async def write() -> None:
        await index.ainsert(new)
        await index.ainsert_nodes(nodes)
        await index.aupdate_ref_doc(lamp)
        await index.adelete_ref_doc("returns")
        await index.arefresh_ref_docs([kettle])
        await index.adelete_nodes(["n"])

    if how == "async":
        asyncio.run(write())
    else:
        index.insert(new)
        index.insert_nodes(nodes)
        index.update_ref_doc(lamp)
        index.delete_ref_doc("returns")
        index.refresh_ref_docs([kettle])
        index.delete_nodes(["n"])
    texts = {each.get_content() for each in store.get_nodes()}
    assert texts == {new.text, lamp.text, kettle.text}


def test_what_comes_back_is_json(index: VectorStoreIndex, kb: KnowledgeBase, how: str) -> None:
    """As agents, tools and tracing write it."""
    kb.add([Document(id_="odd", text="Odd things.", metadata={"at": Path("a")})], root="advice")
    for retriever in (index.as_retriever(), kb.retriever(top_k=9)):
        for each in retrieve(how, retriever):
            assert json.loads(json.dumps(each.node.metadata)) == each.node.metadata
            assert json.loads(each.to_json())
    response = ask(how, kb.query_engine())
    assert json.loads(json.dumps(response.metadata)) == response.metadata
