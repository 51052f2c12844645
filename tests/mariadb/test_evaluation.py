"""Labelled questions through the engine on a real MariaDB: judged, kept, and compared later."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding
from typer.testing import CliRunner, Result

import kb.assembly.components
import kb.evaluation.corpus
from kb import KnowledgeBase
from kb.cli import app
from kb.evaluation.labelled import BadQuestions, LabelledSet
from kb.evaluation.search_evaluation import Plan, evaluate_profiles, read_questions
from stores.errors import ConfigError, StoreError
from stores.evaluations import Evaluations

CORPUS = {
    "returns": ("Returns", "Customers have thirty days to return a machine."),
    "descaling": ("Descaling", "Descale the espresso machine every three months."),
    "delivery": ("Delivery", "Parcels to Ireland arrive within five working days."),
}
QUERIES = {
    "q1": ("days to return a machine", "returns", ["thirty days"]),
    "q2": ("when descale espresso machine", "descaling", ["every three months"]),
    "q3": ("parcels to Ireland arrive", "delivery", ["by helicopter"]),
}
OWN = """
- {id: a, question: how long the guarantee lasts, answer: two years, documents: [guarantee.md]}
- {id: b, question: xylophone quartz zebra, answer: null}
"""


@pytest.fixture
def labelled_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "small"
    (directory / "qrels").mkdir(parents=True)
    rows = [{"_id": name, "title": t, "text": text} for name, (t, text) in CORPUS.items()]
    write_lines(directory / "corpus.jsonl", rows)
    queries = [{"_id": name, "text": q, "answers": a} for name, (q, _, a) in QUERIES.items()]
    write_lines(directory / "queries.jsonl", queries)
    write_lines(directory / "unanswerable.jsonl", [{"_id": "u1", "text": "xylophone zebra?"}])
    qrels = [f"{name}\t{document}\t1\n" for name, (_, document, _) in QUERIES.items()]
    (directory / "qrels" / "test.tsv").write_text("".join(qrels), "utf-8")
    return directory


def write_lines(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


@pytest.fixture
def embed_model(monkeypatch: pytest.MonkeyPatch) -> HashEmbedding:
    model = HashEmbedding(dimensions=256)
    monkeypatch.setattr(kb.assembly.components, "make_embedder", lambda _: model)
    return model


@pytest.fixture
def config(database: sa.URL, tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    url = database.render_as_string(hide_password=False)
    file.write_text(f"database: {{url: '{url}'}}\n", "utf-8")
    return file


@pytest.fixture
def knowledge(config: Path, embed_model: HashEmbedding) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(config) as knowledge:
        yield knowledge


@pytest.fixture
def labelled(labelled_directory: Path) -> LabelledSet:
    return read_questions(labelled_directory)


@pytest.fixture
def kb_eval(config: Path, embed_model: HashEmbedding) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(
        app, ["eval", *map(str, arguments), "--config", str(config)]
    )


def test_a_set_with_documents_of_its_own_is_judged_over_them_alone(knowledge, labelled):
    (outcome,) = evaluate_profiles(knowledge, labelled, Plan())
    figures = outcome.figures
    assert (figures["questions"], figures["unanswerable"]) == (3, 1)
    assert figures["ndcg"] == figures["hit@1"] == figures["recall"] == figures["mrr"] == 1
    assert figures["answer@1"] == figures["answer@3"] == pytest.approx(2 / 3)
    assert (figures["abstained"], figures["refused"]) == (1, 0)
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert knowledge.search("parcels to Ireland") == knowledge.vector_store.get_nodes() == []


def test_a_shallow_ranking_is_still_judged_for_a_hit_among_five(knowledge, labelled_directory):
    (labelled_directory / "qrels" / "test.tsv").write_text("q1\tdelivery\t1\n", "utf-8")
    labelled = read_questions(labelled_directory)
    (outcome,) = evaluate_profiles(knowledge, labelled, Plan(k=1, save=False))
    figures = outcome.figures
    assert (figures["ndcg"], figures["hit@1"], figures["hit@5"]) == (0, 0, 1)


def test_documents_of_a_set_are_embedded_once_and_again_when_they_change_or_on_demand(
    knowledge, labelled_directory, labelled, engine
):
    def embedded_documents() -> int:
        done: list[str] = []
        plan = Plan(save=False, answers=False, fresh=fresh)
        labelled = read_questions(labelled_directory)
        evaluate_profiles(knowledge, labelled, plan, lambda what, *_: done.append(what))
        return "Indexing the documents" in done

    fresh = False
    assert embedded_documents()
    assert not embedded_documents()
    fresh = True
    assert embedded_documents()
    fresh = False
    corpus = labelled_directory / "corpus.jsonl"
    corpus.write_text(corpus.read_text("utf-8").replace("five working", "six working"), "utf-8")
    assert embedded_documents()
    with engine.connect() as connection:
        rows = sa.text("SELECT chunk_table FROM kb_evaluation_corpus")
        tables = connection.scalars(rows).all()
        counts = [connection.scalar(sa.text(f"SELECT COUNT(*) FROM {table}")) for table in tables]
    assert counts == [3, 3]


def test_a_killed_indexing_of_a_set_is_done_again(knowledge, labelled, engine, monkeypatch):
    class Killed(Exception):
        pass

    def kill(_: str, done: int, __: int) -> None:
        if done == 2:
            raise Killed

    monkeypatch.setattr(kb.evaluation.corpus, "_DOCUMENTS_A_BATCH", 1)
    with pytest.raises(Killed):
        evaluate_profiles(knowledge, labelled, Plan(), kill)
    with engine.connect() as connection:
        table = connection.scalar(sa.text("SHOW TABLES LIKE 'kb\\_eval\\_%'"))
        assert connection.scalar(sa.text(f"SELECT COUNT(*) FROM {table}")) == 2
    (outcome,) = evaluate_profiles(knowledge, labelled, Plan())
    assert outcome.figures["hit@1"] == 1


def test_own_questions_are_judged_over_the_indexed_documents(knowledge, tmp_path):
    (tmp_path / "guarantee.md").write_text("# Guarantee\n\nThe guarantee lasts two years.\n")
    knowledge.index(tmp_path / "guarantee.md")
    file = tmp_path / "own.yaml"
    file.write_text(OWN, "utf-8")
    (outcome,) = evaluate_profiles(knowledge, read_questions(file), Plan())
    assert (outcome.figures["hit@1"], outcome.figures["answer@1"]) == (1, 1)
    assert outcome.figures["unanswerable"] == 1

    file.write_text(OWN.replace("guarantee.md", "lost.md"), "utf-8")
    with pytest.raises(BadQuestions, match=r"own names lost.md, which is not indexed \(1 of"):
        evaluate_profiles(knowledge, read_questions(file), Plan())


def test_a_run_is_kept_with_what_is_needed_to_compare_with_it(knowledge, labelled):
    (first,) = evaluate_profiles(knowledge, labelled, Plan())
    (kept,) = Evaluations(knowledge.components.engine).list_runs("small")
    assert (kept.number, kept.run.profile, kept.run.cutoff) == (first.run, "default", 10)
    assert kept.run.embedding_model.endswith("/hash")
    assert kept.run.settings == knowledge.config.profile("default").model_dump(mode="json")
    assert kept.run.metrics["ndcg"] == first.figures["ndcg"]
    scores = Evaluations(knowledge.components.engine).find_run(first.run).scores
    assert scores.keys() == {"q1", "q2", "q3", "u1"}
    assert scores["q1"]["ndcg"] == 1

    (second,) = evaluate_profiles(knowledge, labelled, Plan(against=first.run, limit=2))
    comparison = second.comparison
    assert (comparison.against, comparison.questions) == (f"run {first.run}", 2)
    assert (comparison.difference, comparison.p_value) == (0, 1)


def test_nothing_is_kept_when_it_is_not_wanted(knowledge, labelled):
    (outcome,) = evaluate_profiles(knowledge, labelled, Plan(save=False))
    assert outcome.run is None
    assert Evaluations(knowledge.components.engine).list_runs() == []


def test_what_is_asked_for_measuring_is_not_in_the_search_log(knowledge, labelled, engine):
    def logged() -> int:
        knowledge.components.search_log.flush()
        with engine.connect() as connection:
            return connection.scalar(sa.text("SELECT COUNT(*) FROM kb_search"))

    evaluate_profiles(knowledge, labelled, Plan())
    assert logged() == 0
    knowledge.search("parcels to Ireland")
    assert logged() == 1


def test_runs_over_other_questions_do_not_compare(knowledge, labelled):
    with pytest.raises(StoreError, match="There is no run 99"):
        evaluate_profiles(knowledge, labelled, Plan(against=99))
    (outcome,) = evaluate_profiles(knowledge, labelled, Plan())
    with pytest.raises(ConfigError, match="to the depth 10; this one is over small to 5"):
        evaluate_profiles(knowledge, labelled, Plan(against=outcome.run, k=5))


def test_profiles_stand_side_by_side_compared_with_the_first(knowledge, labelled):
    first, second = evaluate_profiles(knowledge, labelled, Plan(profiles=("default", "semantic")))
    assert first.comparison is None
    assert second.comparison.against == "default"
    assert second.comparison.difference == second.figures["ndcg"] - first.figures["ndcg"]
    with pytest.raises(ConfigError, match="no-such-profile"):
        evaluate_profiles(knowledge, labelled, Plan(profiles=("default", "no-such-profile")))


def test_the_command_prints_a_table_and_lists_what_it_kept(kb_eval, labelled_directory):
    shown = kb_eval(labelled_directory)
    assert shown.exit_code == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0][:3] == ["small:", "3", "questions,"]
    assert ["nDCG@10", "1.000"] in lines
    assert ["stored", "as", "run", "1"] in lines

    (kept,) = json.loads(kb_eval("--history", "small", "--json").stdout)
    assert (kept["run"], kept["profile"], kept["metrics"]["hit@1"]) == (1, "default", 1)
    assert "small" in kb_eval("--history").stdout
    assert "small" not in kb_eval("--history", "other").stdout


def test_the_command_prints_json_and_compares_with_an_earlier_run(kb_eval, labelled_directory):
    first = json.loads(kb_eval(labelled_directory, "--json", "--no-answers", "--k", 3).stdout)
    assert (first["set"], first["k"]) == ("small", 3)
    (profile,) = first["profiles"]
    assert profile["figures"]["answer@1"] is profile["figures"]["abstained"] is None
    again = kb_eval(labelled_directory, "--json", "--k", 3, "--against", profile["run"])
    (profile,) = json.loads(again.stdout)["profiles"]
    assert profile["comparison"]["difference"] == 0


def test_wrong_usage_and_bad_questions_have_their_exit_codes(kb_eval, labelled_directory):
    assert kb_eval().exit_code == 2
    missing = kb_eval("nowhere")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "there is no nowhere" in missing.stderr
    (labelled_directory / "queries.jsonl").unlink()
    bad = kb_eval(labelled_directory)
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Error: There is no ")
