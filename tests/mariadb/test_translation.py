"""A question in another language than the documents is searched for in theirs too."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding, ScriptedLLM, hashed_words
from llama_index.core.schema import TextNode
from llama_index.llms.openai_like import OpenAILike
from model_server import SERVER_ERROR, FakeModels

from engines.search.profiles import Profile
from engines.search.retrieval import DocumentRetriever
from engines.search.search_run import VectorWeight, collect_searches
from engines.search.translation import Translator
from stores.chunks.vector_store import MariaDBVectorStore

FRENCH = "La bouilloire se détartre deux fois par an avec du vinaigre blanc."
OTHERS = [
    "Les commandes passées avant midi partent le jour même.",
    "La garantie du moulin dure cinq ans.",
]
ASKED = "How often should the kettle be descaled with vinegar?"
TRANSLATION = "À quelle fréquence faut-il détartrer la bouilloire avec du vinaigre ?"
SHARES = {"fr": 0.8, "en": 0.2}


@pytest.fixture
def retriever(engine: sa.Engine) -> Callable[..., DocumentRetriever]:
    store = MariaDBVectorStore(engine, embed_dim=64, filter_keys=["language"])
    texts = [FRENCH, *OTHERS]
    store.add(
        [
            TextNode(
                id_=f"n{n}", text=text, metadata={"language": "fr"}, embedding=hashed_words(text)
            )
            for n, text in enumerate(texts)
        ]
    )

    def make(translator: Translator | None, *, exact: bool = False) -> DocumentRetriever:
        return DocumentRetriever(
            store,
            HashEmbedding(),
            Profile(),
            top_k=1,
            vector_weight=VectorWeight(0.5),
            filter_keys=["language"],
            translator=translator,
            exact=exact,
        )

    return make


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as server:
        yield server


def at_the_wire(server: FakeModels, **shares: float) -> Translator:
    llm = OpenAILike(
        model="fake", api_base=server.openai_url, api_key="none", is_chat_model=True, max_retries=0
    )
    return Translator(llm, lambda: shares or SHARES)


def scripted(*replies: str) -> tuple[Translator, ScriptedLLM]:
    llm = ScriptedLLM(replies=list(replies))
    return Translator(llm, lambda: SHARES), llm


def notes(retriever: DocumentRetriever, question: str) -> tuple[list[str], list[str]]:
    with collect_searches() as made:
        passages = retriever.retrieve(question)
    return [each.text for each in passages], list(made[-1].notes)


def test_the_translation_finds_what_the_question_does_not(models, retriever):
    assert retriever(None).retrieve(ASKED)[0].text != FRENCH
    models.script = [f"<think>Hm.</think>« {TRANSLATION} »"]
    passages, told = notes(retriever(at_the_wire(models)), ASKED)
    assert passages == [FRENCH]
    assert told[-1] == f"Also searched for: {TRANSLATION}"
    [request] = models.requests
    assert ASKED in str(request.body)
    assert "French" in str(request.body)


async def test_it_does_so_without_blocking_the_event_loop(models, retriever):
    models.script = [TRANSLATION]
    [passage] = await retriever(at_the_wire(models)).aretrieve(ASKED)
    assert passage.text == FRENCH


@pytest.mark.parametrize(
    "question",
    [
        "À quelle fréquence faut-il détartrer la bouilloire ?",  # their language
        "CB-121",  # a name
        "vinaigre",  # doubt
    ],
)
def test_no_model_is_asked_where_a_translation_would_not_help(retriever, question):
    translator, llm = scripted()
    retriever(translator).retrieve(question)
    assert llm.prompts == []


def test_words_that_passages_must_hold_are_not_translated(retriever):
    translator, llm = scripted()
    retriever(translator, exact=True).retrieve('What does "bouilloire" mean in this text?')
    assert llm.prompts == []


def test_a_question_in_the_language_of_most_documents_is_not_translated(models, retriever):
    retriever(at_the_wire(models, fr=0.4, en=0.6)).retrieve(ASKED)
    assert models.requests == []


def test_a_translation_is_read_without_filters_and_phrases(retriever):
    translation = f'{TRANSLATION[:-2]} title:bail "exact" ?'
    translator, _ = scripted(translation)
    passages, told = notes(retriever(translator), ASKED)
    assert passages == [FRENCH]
    assert told == [f"Also searched for: {translation}"]


def test_filters_of_the_question_hold_for_both_searches(retriever):
    translator, llm = scripted(TRANSLATION)
    passages, _ = notes(retriever(translator), f"{ASKED} language:en")
    assert passages == []
    assert "language:en" not in llm.prompts[0]


def test_a_model_that_fails_leaves_the_search_as_it_was_asked_and_a_note(models, retriever):
    models.script = [SERVER_ERROR]
    passages, told = notes(retriever(at_the_wire(models)), ASKED)
    assert passages
    assert told[-1].startswith("Not searched in the documents' language: Translating the question")
    assert len(models.requests) == 1


@pytest.mark.parametrize(
    "reply", ["", ASKED, "<think>never ends", "word " * 200, "The kettle is here."]
)
def test_a_reply_that_is_no_translation_is_left_out(retriever, reply):
    translator, llm = scripted(reply)
    _, told = notes(retriever(translator), ASKED)
    assert len(llm.prompts) == 1
    assert not any("Also searched" in note for note in told)
