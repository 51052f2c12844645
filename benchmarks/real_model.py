"""What a real language model makes of kb: SQL in four databases, and answers of the sample.

The model is that of `--provider` and `--model`, by default a file that `kb setup --llm` fetches, so
that all of it runs on this machine. SQL is judged by the rows that it finds, without verified
queries; the questions of `data/questions.yaml` are then asked as people ask them, and judged by
their route, by their words, by what they cite and by their rows. Of each part the questions are
spread evenly where `--limit` asks fewer. What was asked and said is written into `--report`.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kb import KBError, KnowledgeBase, load_config
from kb.assembly.open_database import open_private_database, private_server
from kb.config.models import LLMConfig
from kb.config.sections import Config
from kb.evaluation.labelled import pick_evenly
from kb.evaluation.measures import contains_answer
from kb.evaluation.own_questions import Entry, read_entries
from kb.evaluation.sql_evaluation import SQLPlan, evaluate_sql
from kb.evaluation.sql_questions import read_sql_questions
from kb.sample_shop import load_shop
from stores.registry.script import run_script

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "questions.yaml"
LIBRARY = ROOT / "benchmarks" / "domains" / "library"


@dataclass(frozen=True)
class Tables:
    """A database that is asked: the statements that make it, and questions with their SQL."""

    name: str
    script: Path
    questions: Path


@dataclass(frozen=True)
class Told:
    """What came of a question; None for what it was not judged by."""

    id: str
    question: str
    expected: str
    route: str | None
    says: bool | None
    cites: bool | None
    rows: bool | None
    error: str
    seconds: float
    text: str

    @property
    def is_right(self) -> bool:
        return not self.error and False not in (self.says, self.cites, self.rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--provider", default="llama-cpp")
    parser.add_argument("--model", default="small")
    parser.add_argument("--base-url")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--limit", type=int, help="questions of each part")
    parser.add_argument("--nl2sql", type=Path, default=ROOT.parent / "shared" / "data" / "nl2sql")
    parser.add_argument("--parts", default="sql,answers")
    parser.add_argument("--report", type=Path, default=Path("build/real_model.json"))
    arguments = parser.parse_args()
    named = {"model": arguments.model, "base_url": arguments.base_url, "threads": arguments.threads}
    llm = LLMConfig(
        provider=arguments.provider, **{key: value for key, value in named.items() if value}
    )
    report: dict[str, Any] = {"model": arguments.model, "limit": arguments.limit}
    with opened(llm) as config:
        if "sql" in arguments.parts:
            report["sql"] = list(ask_for_sql(config, arguments.nl2sql, arguments.limit))
        if "answers" in arguments.parts:
            report["answers"] = ask_the_sample(config, arguments.limit)
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
    print(f"Written: {arguments.report}")


@contextmanager
def opened(llm: LLMConfig) -> Iterator[Config]:
    """The sample's configuration with a model, over a private server of its own."""
    with tempfile.TemporaryDirectory(prefix="kb-model-", dir="/tmp") as home:
        sample = load_config(ROOT / "config.yaml")
        config = sample.model_copy(update={"home": Path(home), "llm": llm})
        try:
            yield config
        finally:
            private_server(config).stop()


def ask_for_sql(config: Config, nl2sql: Path, limit: int | None) -> Iterator[Mapping[str, Any]]:
    """Have SQL written for the tables of each database, and tell what of it is right."""
    others = [Tables(name, nl2sql / f"{name}.sql", nl2sql / f"{name}.jsonl") for name in OTHERS]
    asked = [
        Tables("shop", ROOT / "data" / "shop.sql", SAMPLE),
        Tables("library", LIBRARY / "tables.sql", LIBRARY / "sql.jsonl"),
        *(tables for tables in others if tables.script.exists()),
    ]
    print("| tables | right | of | refused | failed | no SQL | repairs | seconds, median |")
    print("|---|---|---|---|---|---|---|---|")
    for tables in asked:
        with KnowledgeBase.open(fill_tables(config, tables)) as kb:
            questions = read_sql_questions(tables.questions)
            outcome = evaluate_sql(kb, questions, SQLPlan(limit=limit, save=False), show_progress)
        figures = outcome.figures
        counts = [figures[name] for name in ("refused", "failed", "no_answer", "repairs")]
        right = figures["right"] + figures["order"] + figures["subset"]
        cells = [tables.name, right, figures["questions"], *counts, figures["p50_ms"] / 1000]
        print_row(cells)
        yield {"tables": tables.name, **asdict(outcome)}


OTHERS = ("academic", "geography")


def fill_tables(config: Config, tables: Tables) -> Config:
    """Load the tables into a database of their own, and return what names them."""
    name = f"model_{tables.name}"
    engine = open_private_database(config, name, lambda _: None)
    script = tables.script.read_text(encoding="utf-8")
    run_script(engine, script)
    engine.dispose()
    names = re.findall(r"^CREATE TABLE `?(\w+)`?", script, re.MULTILINE)
    section = config.tables.model_copy(
        update={"database": name, "include": names, "verified_queries": None, "descriptions": {}}
    )
    return config.model_copy(update={"tables": section})


def ask_the_sample(config: Config, limit: int | None) -> Sequence[Mapping[str, Any]]:
    """Ask the sample's questions of everything that it holds."""
    load_shop(config)
    told = []
    with KnowledgeBase.open(config) as kb:
        kb.index()
        entries = pick_evenly(read_entries(SAMPLE), limit)
        for number, entry in enumerate(entries):
            show_progress(entry.question, number, len(entries))
            told.append(ask(kb, entry))
    print("\n| asked of | right | of | right source | other source | no answer | seconds, median |")
    print("|---|---|---|---|---|---|---|")
    for expected in ("documents", "database", "both"):
        some = [one for one in told if one.expected == expected]
        if some:
            routes = Counter(
                "same" if one.route == expected else "both" if one.route == "both" else "other"
                for one in some
            )
            right, failed = (sum(each) for each in zip(*map(count, some), strict=True))
            seconds = median(one.seconds for one in some)
            print_row(
                [expected, right, len(some), routes["same"], routes["other"], failed, seconds]
            )
    return [asdict(one) for one in told]


def count(told: Told) -> tuple[bool, bool]:
    return told.is_right, bool(told.error)


def ask(kb: KnowledgeBase, entry: Entry) -> Told:
    since = time.perf_counter()
    try:
        response = kb.ask(entry.question)
    except KBError as error:
        lost = {"route": None, "says": None, "cites": None, "rows": None, "text": ""}
        return Told(
            id=entry.id,
            question=entry.question,
            expected=entry.route,
            error=str(error),
            seconds=time.perf_counter() - since,
            **lost,  # type: ignore[arg-type]  # of the fields' own types
        )
    metadata, text = response.metadata or {}, str(response)
    cited = {citation["document"] for citation in metadata["citations"]}
    asks_documents = entry.route != "database"
    is_known = asks_documents and bool(entry.answer)
    return Told(
        id=entry.id,
        question=entry.question,
        expected=entry.route,
        route=metadata["route"],
        says=contains_answer(text, entry.answer) if is_known else None,
        cites=bool(cited & {*entry.documents}) == bool(entry.documents) if asks_documents else None,
        rows=find_same_rows(kb, entry, metadata["rows"]) if entry.sql else None,
        error=metadata["errors"].get("model", ""),
        seconds=time.perf_counter() - since,
        text=text,
    )


def find_same_rows(kb: KnowledgeBase, entry: Entry, rows: Sequence[Sequence[Any]]) -> bool:
    """Whether the rows are those of one of the accepted statements, whatever their order."""
    accepted = [kb.components.tables.run(sql).rows for sql in entry.sql]
    return any(compare(rows) == compare(found) for found in accepted)


def compare(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    return sorted(sorted(map(str, row)) for row in rows)


def print_row(cells: Sequence[Any]) -> None:
    texts = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"| {' | '.join(texts)} |", flush=True)


def show_progress(told: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of} {told[:60]:60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
