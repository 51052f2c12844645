"""Questions about the sample shop and their verified queries, over the shop's own tables."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from fake_models import HashEmbedding
from llama_index.core.query_engine import CustomQueryEngine
from pydantic import Field
from sample_shop import TODAY

from engines.question import Entity, Question
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.query_result import QueryResult, Run
from engines.verified.answer import answer_with_match, write_examples
from engines.verified.matching import VerifiedMatcher
from engines.verified.parameters import read_parameters
from engines.verified.verified_engine import VerifiedQueryEngine
from kb.verified_query_file import new_query, read_verified_queries, save_query, verify_queries
from stores.binding import write_literals
from stores.connection import make_engine
from stores.errors import EngineError, QueryFailed, StoreError, UnsafeQuery, VerifiedQueryConflict
from stores.private_server import PrivateServer
from stores.registry.schema import create_database, migrate
from stores.registry.script import run_script
from stores.verified_queries import Editor, VerifiedQueries, VerifiedQuery

ROOT = Path(__file__).parents[2]
QUERIES = read_verified_queries(ROOT / "data" / "verified_queries.yaml")
QUESTIONS = yaml.safe_load((ROOT / "tests" / "verified_questions.yaml").read_text("utf-8"))
SAMPLE = yaml.safe_load((ROOT / "data" / "questions.yaml").read_text("utf-8"))
ME = Editor("rory")
DATABASE = "test_verified_shop"
TABLES = ("customers", "products", "orders", "order_items", "reviews")


class CustomEngine(CustomQueryEngine):
    def custom_query(self, query_str: str) -> str:
        return "from the other engine"


class Told(CustomEngine):
    """Remembers what it was asked."""

    asked: list[Any] = Field(default_factory=list)

    def query(self, str_or_query_bundle: Any) -> Any:
        self.asked.append(str_or_query_bundle)
        return super().query(str_or_query_bundle)


@pytest.fixture(scope="module")
def shop(server: PrivateServer) -> Iterator[sa.Engine]:
    admin = make_engine(server.url(""))
    create_database(admin, DATABASE)
    engine = make_engine(server.url(DATABASE))
    run_script(engine, (ROOT / "data" / "shop.sql").read_text("utf-8"))
    migrate(engine)
    yield engine
    engine.dispose()
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {DATABASE}")
    admin.dispose()


@pytest.fixture(scope="module")
def run(shop: sa.Engine) -> Iterator[Run]:
    """Through the guard, as in use."""
    engine = make_engine(shop.url)
    yield GuardedDatabase(engine, TABLES).run
    engine.dispose()


@pytest.fixture(scope="module")
def matcher(run: Run) -> VerifiedMatcher:
    return VerifiedMatcher(QUERIES, HashEmbedding(), run, lambda: TODAY)


def given(matcher: VerifiedMatcher, question: str) -> tuple[str, dict[str, Any]] | None:
    match = matcher.match(question)
    return match and (match.query.name, {name: match.values[name] for name in match.given})


def test_the_same_in_other_words_finds_its_query_and_gives_its_values(matcher):
    for asked in QUESTIONS["paraphrases"]:
        expected = (asked["name"], asked["values"])
        assert given(matcher, asked["question"]) == expected, asked["question"]


@pytest.mark.parametrize("kind", ["near_misses", "unrecognised"])
def test_a_question_that_differs_or_is_not_understood_gets_no_direct_answer(matcher, kind):
    questions = [asked["question"] for asked in QUESTIONS[kind]]
    assert [question for question in questions if matcher.match(question)] == []


def test_every_wording_finds_its_own_query(matcher):
    for query in QUERIES:
        for wording in (query.question, *query.wordings):
            assert matcher.match(wording).query == query, wording


def test_a_sample_question_gets_its_known_rows_or_none(matcher, run):
    answered = set()
    for asked in SAMPLE:
        if match := matcher.match(asked["question"]):
            rows = answer_with_match(asked["question"], match, run).result.rows
            assert set(map(str, asked["rows"][0])) <= set(map(str, rows[0])), asked["question"]
            answered.add(asked["id"])
    assert answered == {"b02", "b03", "b04", "b12"}


def test_the_answer_tells_the_rows_the_values_and_who_verified_it(matcher, run):
    question = "Quels sont nos deux meilleurs clients ?"
    told = answer_with_match(question, matcher.match(question), run)
    header, _, first, second, _, origin = told.text.splitlines()
    assert header == "| customer id | name | segment | country | orders | revenue |"
    assert "Épicerie Ballon Liège" in first
    assert "49\u202f849,70\xa0€" in first
    assert "Kiln & Crumb Leipzig" in second
    assert origin == (
        "Vérifié par Inès Duarte le 12 juin 2026 : « Who are our best customers by revenue? », "
        "avec limit = 2."
    )
    assert told.result.rows[0][-1] == Decimal("49849.70")


def test_a_value_that_nobody_gave_is_told_as_assumed(matcher, run):
    question = "Which orders has Kiln & Crumb Leipzig placed?"
    text = answer_with_match(question, matcher.match(question), run).text
    assert text.endswith("with customer = Kiln & Crumb Leipzig, limit = 20 assumed.")


def test_the_answer_for_a_year_without_orders_is_that_nothing_was_found(matcher, run):
    question = "What was our revenue in 1999?"
    text = answer_with_match(question, matcher.match(question), run).text
    assert text.startswith("Nothing was found.\n\nVerified by Inès Duarte on June 12, 2026: ")


@pytest.mark.parametrize(
    "name", ["x' OR '1'='1", "O'Shea` --", "\\", ":limit", "%s", "'; DROP TABLE customers; --", "?"]
)
def test_a_hostile_name_is_a_value_that_no_column_holds(matcher, shop, name):
    assert matcher.match(f"Which orders has {name} placed?") is None
    with shop.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM customers")) == 400


def test_a_name_with_an_apostrophe_is_bound(matcher, run):
    question = "Which orders has Alice O'Shea placed?"
    match = matcher.match(question)
    assert match.values["customer"] == "Alice O'Shea"
    assert answer_with_match(question, match, run).result.columns == (
        "order_id",
        "ordered_at",
        "status",
        "total",
    )


@pytest.mark.parametrize(
    "joined",
    [
        "order_items JOIN products ON products.product_id = order_items.product_id",
        "order_items AS i INNER JOIN products AS p USING (product_id)",
        "order_items, products",
    ],
)
def test_a_name_is_looked_up_where_tables_are_joined(run, joined):
    where = "name = :product AND order_items.product_id = products.product_id"
    of_two = where if "," in joined else "name = :product"
    query = VerifiedQuery(
        name="pieces",
        question="How many pieces of the Galet burr grinder were sold?",
        sql=f"SELECT SUM(quantity) AS pieces FROM {joined} WHERE {of_two}",
        parameters={"product": "Galet burr grinder"},
        verified_by="Ana",
        verified_at=TODAY,
        language="en",
    )
    matcher = VerifiedMatcher([query], HashEmbedding(), run)
    asked = "How many pieces of the {} were sold?"
    for product in ("Galet burr grinder", "Gramme coffee scale"):
        match = matcher.match(asked.format(product))
        assert (match.values, match.given) == ({"product": product}, {"product"})
    assert run(query.sql, match.values).rows != run(query.sql, query.parameters).rows
    assert matcher.match(asked.format("Comte cheese slicer")) is None


def test_tables_that_are_joined_by_what_is_asked_keep_its_default(run):
    [query] = [query for query in QUERIES if query.name == "revenue_of_year"]
    joined = "customers JOIN orders ON orders.status = :word AND name = :word"
    odd = replace(
        query,
        sql=f"SELECT COUNT(*) AS n FROM {joined} WHERE :year = 2025",
        parameters={"word": "shipped", "year": 2025},
    )
    assert {parameter.kind for parameter in read_parameters(odd)} == {"fixed"}


def test_two_queries_that_answer_the_same_answer_nothing(run):
    [query] = [query for query in QUERIES if query.name == "revenue_of_year"]
    twins = [query, replace(query, name="other", sql="SELECT 1 FROM orders WHERE 2025 = :year")]
    assert VerifiedMatcher(twins, HashEmbedding(), run).match(query.question) is None


@pytest.mark.parametrize(
    ("question", "within"),
    [
        ("What do our three best customers complain about?", "Who are three best customers?"),
        (
            "De quoi se plaignent nos trois meilleurs clients ?",
            "Qui sont trois meilleurs clients ?",
        ),
        ("How long is the warranty of a kettle?", None),
        ("", None),
    ],
)
def test_things_that_a_question_names_may_have_a_verified_query(matcher, question, within):
    assert matcher.find_within(question) == within


def test_queries_that_are_saved_changed_or_removed_meanwhile_count_at_once(shop, run):
    queries, question = VerifiedQueries(shop), "How many reviews have 2 stars?"
    matcher = VerifiedMatcher(queries, HashEmbedding(), run)
    assert matcher.match(question) is None
    assert matcher.find_nearest(question, 3) == []
    query = new_query(question, "SELECT COUNT(*) AS n FROM reviews WHERE rating = 2", "Ana", TODAY)
    queries.save(query, ME)
    assert matcher.match(question).query == query
    assert [near for near, _ in matcher.find_nearest(question, 3)] == [query]
    queries.save(replace(query, question="How many reviews have no star?"), ME, replace=True)
    assert matcher.match(question) is None
    queries.remove(query.name, ME)
    assert matcher.find_nearest(question, 3) == []


def test_the_texts_of_queries_are_embedded_once(shop, run):
    embed_model = HashEmbedding()
    matcher = VerifiedMatcher(QUERIES, embed_model, run)
    for _ in range(3):
        matcher.find_nearest("How are things?", 3)
    assert embed_model.embedded.count(QUERIES[0].question) == 1


def test_the_vectors_of_queries_that_are_gone_go_with_the_next_that_come(run):
    embed_model, queries = HashEmbedding(), [QUERIES[0]]
    matcher = VerifiedMatcher(queries, embed_model, run)
    for query in (QUERIES[0], QUERIES[1], QUERIES[0]):
        queries[:] = [query]
        matcher.find_nearest("How are things?", 3)
    assert embed_model.embedded.count(QUERIES[0].question) == 2


def test_the_nearest_queries_come_with_their_likeness(matcher):
    nearest = matcher.find_nearest("What was our revenue in 2025?", 3)
    assert (nearest[0][0].name, round(nearest[0][1], 6)) == ("revenue_of_year", 1)
    assert [likeness for _, likeness in nearest] == sorted((n[1] for n in nearest), reverse=True)
    assert VerifiedMatcher([], HashEmbedding(), lambda *_: None).find_nearest("x", 3) == []


def test_questions_are_offered_that_are_nearer_than_any_passage_and_any_other(matcher):
    asked = "What was our revenue in the year 2025, please?"
    assert matcher.suggest_questions(asked, ["Kettles are descaled with vinegar."])[0] == next(
        query.question for query, _ in matcher.find_nearest(asked, 1)
    )
    assert matcher.suggest_questions(asked, [asked]) == []
    assert matcher.suggest_questions("Which kettle whistles?", ["A kettle whistles."]) == []
    assert VerifiedMatcher([], HashEmbedding(), lambda *_: None).suggest_questions("x", []) == []


def test_a_query_that_does_not_run_is_not_saved(shop, run):
    queries = VerifiedQueries(shop)
    matcher = VerifiedMatcher(queries, HashEmbedding(), run)
    broken = replace(QUERIES[0], name="broken", sql="SELECT nothing FROM orders WHERE 1 = :year")
    with pytest.raises(QueryFailed, match="Unknown column"):
        save_query(queries, matcher, broken, run, ME)
    with pytest.raises(EngineError, match="binds other parameters than it declares: day"):
        save_query(queries, matcher, replace(broken, sql="SELECT :year, :day"), run, ME)
    deleting = replace(broken, sql="DELETE FROM orders WHERE order_id = :year")
    with pytest.raises(UnsafeQuery, match="begins with DELETE"):
        save_query(queries, matcher, deleting, run, ME)
    assert queries.list_queries() == []


def test_a_saved_query_has_a_name_answers_and_is_replaced_only_when_told(shop, run):
    queries = VerifiedQueries(shop)
    matcher = VerifiedMatcher(queries, HashEmbedding(), run)
    sql = "SELECT COUNT(*) AS stars FROM reviews WHERE rating = :stars"
    query = new_query(
        "How many reviews have 1 star?", sql, "Rory Whelan", TODAY, parameters={"stars": 1}
    )
    assert save_query(queries, matcher, query, run, ME)[0] == query
    assert queries.list_queries() == [query]
    assert (query.name, query.language, query.origin) == ("review_1_star", "en", "saved")
    with pytest.raises(StoreError, match="There is a verified query 'review_1_star'"):
        save_query(queries, matcher, query, run, ME)
    save_query(queries, matcher, query, run, ME, replace=True)
    match = matcher.match("How many reviews have 5 stars?")
    assert dict(match.values) == {"stars": 5}
    queries.remove(query.name, ME)


def hostile(question: str, number: int = 0, **parameters: Any) -> VerifiedQuery:
    bound = "".join(f" AND YEAR(ordered_at) = :{name}" for name in parameters)
    sql = f"SELECT 999999 AS revenue FROM orders WHERE TRUE{bound} LIMIT 1"
    query = new_query(question, sql, "ana", TODAY, name=f"a{number}", parameters=parameters)
    return replace(query, key="ana")


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (QUERIES[0], hostile("What was our revenue in 2024?")),
        (QUERIES[0], hostile("what  was OUR revenue in 2025")),
        (QUERIES[0], hostile("What turnover did we make in 2025?", year=2025)),
        (QUERIES[0], hostile("Quel était notre chiffre d'affaires en 2023 ?")),
        (hostile("What was our revenue in 2024?"), replace(QUERIES[0], origin="saved")),
    ],
)
def test_a_query_that_answers_what_another_does_is_not_saved(run, shop, known, new):
    queries = VerifiedQueries(shop)
    matcher = VerifiedMatcher([known], HashEmbedding(), run)
    assert matcher.find_rival(new) == known
    with pytest.raises(VerifiedQueryConflict, match=f"'{known.name}' answers this question"):
        save_query(queries, matcher, new, run, ME)
    assert queries.list_queries() == []
    assert matcher.find_rival(replace(new, name=known.name)) is None
    assert matcher.find_rival(hostile("What was our revenue in March 2025?")) is None


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_key_saved_stands_in_the_way_of_no_other_query(run, count):
    """Also where it was not seen to: the names in the tables may have changed since."""
    theirs = [hostile("What was our revenue in 2025?", number) for number in range(count)]
    person_s = replace(QUERIES[0], name="person_s", origin="saved")
    question = "What was our revenue in 2025?"
    for known, best in (
        ([*theirs, QUERIES[0], person_s], QUERIES[0]),
        ([*theirs, person_s], person_s),
        (theirs, theirs[0] if count == 1 else None),
    ):
        match = VerifiedMatcher(known, HashEmbedding(), run).match(question)
        assert (match and match.query) == best
    theirs = [hostile("Who are our best customers?", number) for number in range(count)]
    assert VerifiedMatcher([*theirs, QUERIES[3]], HashEmbedding(), run).find_within(
        "What do our best customers complain about?"
    )


def test_the_answer_of_what_a_key_saved_tells_whose_it_is(run):
    query = hostile("What was our revenue in 2025?")
    response = VerifiedQueryEngine(VerifiedMatcher([query], HashEmbedding(), run), run).query(
        query.question
    )
    assert f"Verified by ana on {TODAY:%B} {TODAY.day}, {TODAY.year}" in str(response)
    verified = response.metadata["verified"]
    assert (verified["verified_by"], verified["key"], verified["origin"]) == ("ana", "ana", "saved")


def test_verifying_runs_each_and_notes_who_did_but_for_the_file(shop, run):
    queries = VerifiedQueries(shop)
    assert queries.load(QUERIES) == []
    names = ("low_stock_now", "revenue_then")
    for name, known in zip(names, (QUERIES[-1], QUERIES[1]), strict=True):
        saved = replace(known, name=name, question=f"And {name}?", wordings=())
        queries.save(saved, ME)

    def failing(sql: str, values: Mapping[str, Any]) -> QueryResult:
        if "MONTH" in sql:
            raise StoreError("no such column")
        return run(sql, values)

    day = date(2026, 7, 1)
    before = [query for query in queries.list_queries() if query.name != "low_stock_now"]
    failures = verify_queries(queries, failing, verified_by="Tom Prescott", today=day, by=ME)
    assert failures == dict.fromkeys(("revenue_by_month", "revenue_then"), "no such column")
    confirmed = queries.one("low_stock_now")
    assert (confirmed.verified_by, confirmed.verified_at) == ("Tom Prescott", day)
    assert [query for query in queries.list_queries() if query != confirmed] == before
    assert verify_queries(queries, run, ["low_stock_now"], today=TODAY, by=ME) == {}
    assert queries.one("low_stock_now").verified_at == day
    for name in names:
        queries.remove(name, ME)
    queries.load([])


def test_the_engine_answers_with_rows_and_who_verified_them(matcher, run):
    response = VerifiedQueryEngine(matcher, run).query("What was our revenue in 2025?")
    metadata = response.metadata
    assert str(response).startswith(
        "revenue: €398,400.60\n\nVerified by Inès Duarte on June 12, 2026"
    )
    assert (metadata["route"], metadata["columns"]) == ("database", ["revenue"])
    assert metadata["rows"] == [[Decimal("398400.60")]]
    assert metadata["sql"].endswith("YEAR(ordered_at) = :year")
    assert metadata["verified"]["name"] == "revenue_of_year"
    assert metadata["verified"]["parameters"] == {"year": 2025}
    assert metadata["verified"]["assumed"] == []


async def test_the_engine_answers_alike_when_awaited_and_streamed(matcher, run):
    question = "What was our revenue in 2025?"
    text = str(VerifiedQueryEngine(matcher, run).query(question))
    streaming = VerifiedQueryEngine(matcher, run, streaming=True)
    assert str(await VerifiedQueryEngine(matcher, run).aquery(question)) == text
    assert "".join(streaming.query(question).response_gen) == text
    streamed = await streaming.aquery(question)
    assert "".join([piece async for piece in streamed.async_response_gen()]) == text


async def test_awaited_it_waits_in_the_threads_of_the_tables(matcher, run):
    async def in_thread(work, *arguments):
        asked.append(arguments)
        return work(*arguments)

    asked = []
    engine = VerifiedQueryEngine(matcher, run, in_thread=in_thread)
    assert str(await engine.aquery("What was our revenue in 2025?")).startswith("revenue: ")
    assert len(asked) == 1


def test_without_an_answer_to_be_written_the_rows_alone_are_the_answer(matcher, run):
    engine = VerifiedQueryEngine(matcher, run, synthesize_response=False)
    response = engine.query("What was our revenue in 2025?")
    assert str(response) == "revenue: €398,400.60"
    assert response.metadata["parameters"] == {"year": 2025}
    assert response.metadata["verified"]["verified_by"] == "Inès Duarte"


async def test_what_no_verified_query_answers_goes_to_the_other_engine(matcher, run):
    other = CustomEngine()
    engine = VerifiedQueryEngine(matcher, run, other)
    assert str(engine.query("Who are our worst customers?")) == "from the other engine"
    assert str(await engine.aquery("Who are our worst customers?")) == "from the other engine"
    assert str(engine.query("Who are our best customers?")) != "from the other engine"


def test_a_query_that_does_not_run_any_more_leaves_the_answer_to_the_other_engine(matcher):
    def broken(sql, values):
        raise QueryFailed("Table orders is gone.")

    question = "What was our revenue in 2025?"
    assert (
        str(VerifiedQueryEngine(matcher, broken, CustomEngine()).query(question))
        == "from the other engine"
    )
    with pytest.raises(QueryFailed) as caught:
        VerifiedQueryEngine(matcher, broken).query(question)
    assert str(caught.value) == (
        "The verified query 'revenue_of_year' does not run: Table orders is gone. "
        "Correct it, or remove it; `kb sql --verify` runs all."
    )


def test_a_question_goes_on_with_the_values_that_no_model_is_shown(matcher, run):
    question = Question(
        "What did Ana say?",
        for_tables="What did :name say?",
        entities=(Entity("name", "a.b", "Ana"),),
    )
    other = Told()
    VerifiedQueryEngine(matcher, run, other).query(question)
    assert other.asked == [question]


def test_without_another_engine_it_says_what_it_can_answer(matcher, run):
    response = VerifiedQueryEngine(matcher, run).query("What was our revenue in March 2025?")
    assert str(response).startswith("No verified query answers this")
    assert "- What was our revenue in 2025?" in str(response).splitlines()
    assert (response.metadata["sql"], response.metadata["rows"]) == (None, [])
    nothing = VerifiedQueryEngine(VerifiedMatcher([], HashEmbedding(), run), run)
    assert "configuré" in str(nothing.query("Combien de clients avons-nous ?")).split("\n")[-1]


def test_the_statement_alone_is_shown_without_running_it(matcher):
    def refuse(*_: object) -> QueryResult:
        raise AssertionError

    engine = VerifiedQueryEngine(matcher, refuse, sql_only=True)
    response = engine.query("What was our revenue in 2024?")
    assert str(response) == response.metadata["sql"] == QUERIES[0].sql
    assert response.metadata["verified"]["parameters"] == {"year": 2024}
    assert response.metadata["parameters"] == {"year": 2024}


def test_examples_for_a_model_hold_values_and_pass_the_guard(run):
    text = write_examples(QUERIES)
    assert ":year" not in text
    assert "c.name = 'Kiln & Crumb Leipzig'" in text
    for query in QUERIES:
        assert run(write_literals(query.sql, query.parameters), {}).rows
