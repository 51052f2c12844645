"""Measure kb in domains that it was not built on, by what it answers and not by where it looked.

Each folder of benchmarks/domains has documents, tables, verified queries, questions and dialogues.
A setting is a way to answer without or with a language model; see benchmarks/domains/README.md.

    python benchmarks/foreign_domains.py
    python benchmarks/foreign_domains.py clinic --settings none,gold-rules --show
    python benchmarks/foreign_domains.py --llm-url http://localhost:8000/v1 --model qwen2.5:1.5b
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import httpx
import yaml

from kb import KBError, KnowledgeBase, load_config

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from model_server import FakeModels, Fault, Message, Reply, Request  # noqa: E402 - see above

DOMAINS = HERE / "domains"
SEALED = "workshop"  # whose questions nobody who builds the router looks at
SETTINGS = ("none", "gold-rules", "gold-routed", "gold-documents", "gold-database")
REAL = "model"
KINDS = {
    "follow-up": "You rewrite the last question",
    "route": "You decide where a question is answered",
    "sql": "You write one SQL statement",
    "both": "You answer questions from two kinds of evidence",
    "documents": "You answer questions from numbered passages",
    "rows": "Answer the question from the rows",
    "translation": "Translate a question",
}
"""How the prompts begin; any other is one for the memory of a conversation."""
COUNTED = ("documents", "verified", "tables", "both", "nothing", "follow-ups", "stand-alone")

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Domain:
    name: str
    questions: Sequence[Item]
    dialogues: Sequence[Item]

    @property
    def folder(self) -> Path:
        return DOMAINS / self.name

    @property
    def tables_sql(self) -> str:
        return (self.folder / "tables.sql").read_text(encoding="utf-8")

    @property
    def table_names(self) -> list[str]:
        return re.findall(r"^CREATE TABLE (\w+)", self.tables_sql, re.MULTILINE)

    def count_says(self) -> int:
        return sum("says" in item for item in [*self.questions, *self.dialogues])


@dataclass
class Answer:
    text: str = ""
    cited: dict[str, str] = field(default_factory=dict)  # document -> what was cited of it
    rows: Sequence[Sequence[Any]] = ()
    route: str | None = None
    verified: str | None = None
    rewritten: str = ""  # how a follow-up was asked
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """`kind` is a column of the table; `false_rows` are rows that the question did not ask for.

    `states`: the text of the answer says what the documents hold, not only what it cites.
    """

    id: str
    kind: str
    right: bool
    states: bool
    false_rows: bool
    rewritten_for_nothing: bool
    calls: Mapping[str, int]
    answer: Answer


class ScriptedModel(FakeModels):
    """Answers as a model would that reads and writes without a fault, but routes by `setting`.

    `item` is the question that is being asked: its gold statement answers a request for SQL, and
    its gold words the request for an answer, if they stand in a passage that is given. In the
    setting `model` a real server answers, and this one counts.
    """

    def __init__(self, real_url: str | None = None) -> None:
        super().__init__()
        self.real_url = real_url
        self.setting = ""
        self.item: Item = {}
        self.calls: Counter[str] = Counter()

    def next_reply(self, request: Request) -> Reply | None:
        prompt = "\n\n".join(text_of(message) for message in request.body["messages"])
        kind = next((name for name, start in KINDS.items() if prompt.startswith(start)), "memory")
        self.calls[kind] += 1
        return self._forward(request) if self.setting == REAL else self._reply(kind, prompt)

    def _reply(self, kind: str, prompt: str) -> str:
        reply = "NONE"
        match kind:
            case "route":
                reply = self._route()
            case "sql":
                reply = self.item.get("sql") or "NO_ANSWER: The tables do not hold that."
            case "documents":
                reply = self._quote(prompt) or "The documents do not say."
            case "both":
                reply = f"{self._quote(prompt)} The rows say the other part [tables]."
            case "rows":
                reply = "The rows say it."
            case "follow-up":
                reply = self.item.get("standalone") or self.item["question"]
            case "translation":
                reply = self.item["question"]  # which is no translation, so that none is used
        return reply

    def _forward(self, request: Request) -> Reply:
        reply = httpx.post(f"{self.real_url}/chat/completions", json=request.body, timeout=600)
        return (
            Message(reply.json()) if reply.is_success else Fault(reply.status_code, {}, reply.text)
        )

    def _route(self) -> str:
        chosen = self.setting.removeprefix("gold-")
        if chosen == "rules":
            return "Hm."
        if chosen == "routed":
            names = {"tables": "database", "nothing": "documents"}
            asks = asked_source(self.item)
            chosen = names.get(asks, asks)
        parts = dict.fromkeys(("first", "documents_question", "database_question"), "")
        return json.dumps({"route": chosen, "reason": "It is so.", **parts})

    def _quote(self, prompt: str) -> str:
        """The gold words with the marks of the passages that hold them; "" for none of them."""
        passages = re.split(r"^\[(\d+)\] ", prompt, flags=re.MULTILINE)[1:]
        quotes = []
        for number, passage in zip(passages[::2], passages[1::2], strict=True):
            heading, _, text = passage.partition("\n")
            if "says" not in self.item and "sql" not in self.item and "asks" not in self.item:
                return f"{' '.join(text.split())[:200]} [{number}]"  # of an earlier turn
            if any(path in heading for path in self.item.get("cites", ())):
                found = [said for each in self.item["says"] if (said := find_said(each, text))]
                quotes += [f"{said} [{number}]." for said in found]
        return " ".join(quotes)


def text_of(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def asked_source(item: Item) -> str:
    """Where the answer of a question, or of the last turn of a dialogue, is."""
    return str(item.get("asks") or ("tables" if "sql" in item else "documents"))


def find_said(expected: str | Sequence[str], text: str) -> str:
    """The first of the alternatives that stands in the text, whatever its spaces and capitals."""
    plain = " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split()).casefold()
    alternatives = [expected] if isinstance(expected, str) else expected
    return next((said for said in alternatives if said.casefold() in plain), "")


def read_domain(name: str) -> Domain:
    folder = DOMAINS / name
    questions, dialogues = (
        yaml.safe_load((folder / f"{file}.yaml").read_text(encoding="utf-8"))
        for file in ("questions", "dialogues")
    )
    return Domain(name, questions, dialogues)


def write_config(
    domain: Domain, directory: Path, llm: Mapping[str, Any], embedding: str | None
) -> Path:
    database = f"domain_{domain.name}"
    config = {
        "database": {"url": "embedded", "name": database},
        "embedding": {"provider": "local", "model": embedding},
        "documents": {"path": str(domain.folder / "documents")},
        "llm": dict(llm),
        "retrieval": {"log": "off"},
        "tables": {
            "database": database,
            "include": domain.table_names,
            "verified_queries": str(domain.folder / "verified_queries.yaml"),
        },
    }
    path = directory / f"{database}-{llm['provider']}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def fill(kb: KnowledgeBase, domain: Domain) -> None:
    """Load the tables and index the documents of a domain."""
    with kb.components.engine.begin() as connection:
        for statement in domain.tables_sql.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    report = kb.index()
    if report.failed:
        raise SystemExit(f"Some documents of {domain.name} cannot be indexed: {report.failed}")


def find_gold_rows(kb: KnowledgeBase, item: Item) -> list[Sequence[Any]]:
    if "sql" not in item:
        return []
    with kb.components.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(item["sql"])]


def comparable(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Rows that are equal if they hold the same values, in whatever order of rows and columns."""

    def plain(cell: Any) -> str:
        try:
            return format(Decimal(str(cell)).normalize(), "f")
        except InvalidOperation:
            return str(cell)

    return sorted(sorted(map(plain, row)) for row in rows)


def read_answer(response: Any, metadata: Mapping[str, Any]) -> Answer:
    cited: dict[str, str] = {}
    for citation in metadata["citations"]:
        document = citation["document"]
        cited[document] = f"{cited.get(document, '')}\n{citation['excerpt']}"
    for node in response.source_nodes:
        document = node.metadata.get("path")
        if document in cited:
            cited[document] += f"\n{node.get_content()}"
    return Answer(
        text=str(response),
        cited=cited,
        rows=metadata["rows"],
        route=metadata["route"],
        verified=(metadata["verified"] or {}).get("name") if metadata["verified"] else None,
    )


def judge(setting: str, item: Item, answer: Answer, gold: Sequence[Sequence[Any]]) -> bool:
    """Whether the answer is right, of which without a model some cannot know the rows."""
    evidence = "\n".join([answer.text, *answer.cited.values()])
    cites = any(document in answer.cited for document in item.get("cites", ()))
    says = cites and all(find_said(each, evidence) for each in item["says"])
    has_rows = comparable(answer.rows) == comparable(gold)
    if setting == "none" and not item.get("verified"):
        has_rows = has_rows or not answer.rows
    match asked_source(item):
        case "documents":
            right = says
        case "tables":
            right = has_rows
        case "both":
            right = says and has_rows
        case _:
            right = not answer.cited and not answer.rows
    return right and not answer.error


def measure(
    kb: KnowledgeBase, domain: Domain, setting: str, model: ScriptedModel
) -> Iterator[Verdict]:
    """Ask each question by itself, then hold each dialogue, of which the last turn counts."""
    for item in [*domain.questions, *domain.dialogues]:
        gold = find_gold_rows(kb, item)
        answer, calls = (hold if "turns" in item else ask)(kb, model, item)
        says = item.get("says", ())
        yield Verdict(
            id=item["id"],
            kind=find_column(item),
            right=judge(setting, item, answer, gold),
            states=bool(says) and all(find_said(each, answer.text) for each in says),
            false_rows=bool(answer.rows) and comparable(answer.rows) != comparable(gold),
            rewritten_for_nothing=bool(answer.rewritten) and not item["follows"],
            calls=calls,
            answer=answer,
        )


def find_column(item: Item) -> str:
    """The column of the table that counts a question or a dialogue."""
    if "turns" in item:
        return "follow-ups" if item["follows"] else "stand-alone"
    asks = asked_source(item)
    return "verified" if item.get("verified") and asks == "tables" else asks


def ask(kb: KnowledgeBase, model: ScriptedModel, item: Item) -> tuple[Answer, dict[str, int]]:
    model.item, model.calls = item, Counter()
    try:
        response = kb.ask(item["question"])
    except KBError as error:
        return Answer(error=str(error)), dict(model.calls)
    return read_answer(response, response.metadata or {}), dict(model.calls)


def hold(kb: KnowledgeBase, model: ScriptedModel, item: Item) -> tuple[Answer, dict[str, int]]:
    """Every turn of a dialogue; the calls are those of the last, without its memory's."""
    session_id = f"{item['id']}-{os.urandom(4).hex()}"
    session = kb.chat(session_id)
    *earlier, last = item["turns"]
    try:
        for turn in earlier:
            model.item = {"question": turn}
            session.chat(turn)
        model.item, model.calls = {**item, "question": last}, Counter()
        response = session.chat(last)
    except KBError as error:
        return Answer(error=str(error)), dict(model.calls)
    calls = {kind: count for kind, count in model.calls.items() if kind != "memory"}
    answer = read_answer(response, response.metadata or {})
    turn = session.turns[-1]
    return replace(answer, rewritten=turn.standalone if turn.rewritten_by else ""), calls


@contextmanager
def open_knowledge_base(
    domain: Domain, setting: str, model: ScriptedModel, options: argparse.Namespace
) -> Iterator[KnowledgeBase]:
    llm: dict[str, Any] = {"provider": "none"}
    if setting != "none":
        llm = {
            "provider": "openai-like",
            "base_url": model.openai_url,
            "model": options.model if setting == REAL else "scripted",
            "api_key": "none",
            "context_window": options.context_window,
            "timeout": 600,
            "max_retries": 0,
        }
    model.setting = setting
    path = write_config(domain, Path(os.environ["KB_HOME"]), llm, options.embedding)
    with KnowledgeBase.open(load_config(path)) as kb:
        yield kb


def summarize(verdicts: Sequence[Verdict], says: int) -> dict[str, Any]:
    asked = Counter(verdict.kind for verdict in verdicts)
    right = Counter(verdict.kind for verdict in verdicts if verdict.right)
    calls: Counter[str] = Counter()
    for verdict in verdicts:
        calls.update(verdict.calls)
    return {
        **{kind: [right[kind], asked[kind]] for kind in COUNTED if asked[kind]},
        "right": [right.total(), asked.total()],
        "stated": [sum(verdict.states for verdict in verdicts), says],
        "false_rows": sum(verdict.false_rows for verdict in verdicts),
        "rewritten_for_nothing": sum(verdict.rewritten_for_nothing for verdict in verdicts),
        "errors": sum(bool(verdict.answer.error) for verdict in verdicts),
        "calls_per_question": round(calls.total() / len(verdicts), 2),
        "calls": dict(calls),
    }


def print_row(domain: str, setting: str, figures: Mapping[str, Any]) -> None:
    shares = [f"{figures[kind][0]}/{figures[kind][1]}" for kind in (*COUNTED, "right", "stated")]
    rest = [str(figures[key]) for key in ("false_rows", "rewritten_for_nothing", "errors")]
    cells = [domain, setting, *shares, *rest, f"{figures['calls_per_question']:.2f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def print_verdicts(verdicts: Sequence[Verdict], domain: Domain) -> None:
    asked = {
        item["id"]: " // ".join(item["turns"]) if "turns" in item else item["question"]
        for item in [*domain.questions, *domain.dialogues]
    }
    for verdict in verdicts:
        answer = verdict.answer
        marks = [
            "right" if verdict.right else "WRONG",
            f"route={answer.route}",
            f"verified={answer.verified}" if answer.verified else "",
            f"rows={len(answer.rows)}{' false' if verdict.false_rows else ''}" * bool(answer.rows),
            f"cited={','.join(answer.cited)}" * bool(answer.cited),
            f"asked as {answer.rewritten!r}" * bool(answer.rewritten),
            f"calls={'+'.join(verdict.calls)}" * bool(verdict.calls),
            answer.error,
        ]
        print(f"  {verdict.id} {verdict.kind}: {asked[verdict.id]}")
        print(f"      {' '.join(filter(None, marks))}")


def as_detail(verdict: Verdict) -> dict[str, Any]:
    answer = verdict.answer
    return {
        "id": verdict.id,
        "kind": verdict.kind,
        "right": verdict.right,
        "states": verdict.states,
        "false_rows": verdict.false_rows,
        "route": answer.route,
        "verified": answer.verified,
        "cited": list(answer.cited),
        "rows": len(answer.rows),
        "rewritten": answer.rewritten,
        "calls": dict(verdict.calls),
        "text": answer.text,
        "error": answer.error,
    }


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = sorted(path.parent.name for path in DOMAINS.glob("*/questions.yaml"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help=f"of {', '.join(known)}")
    parser.add_argument("--settings", help=f"of {', '.join(SETTINGS)}, with commas between")
    parser.add_argument("--show", action="store_true", help="each question with its verdict")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--llm-url", help="an OpenAI-compatible server, such as …/v1")
    parser.add_argument("--model", help="the model to ask there, in the place of the settings")
    parser.add_argument("--context-window", type=int, default=32_000)
    parser.add_argument("--embedding", help="multilingual, or a directory of a model's files")
    options = parser.parse_args(arguments)
    if bool(options.llm_url) != bool(options.model):
        parser.error("--llm-url and --model go together")
    default = REAL if options.llm_url else ",".join(SETTINGS)
    options.settings = (options.settings or default).split(",")
    if unknown := {*options.settings} - {*SETTINGS, REAL if options.llm_url else "none"}:
        parser.error(f"unknown settings: {', '.join(unknown)}")
    if unknown := {*options.domains} - {*known}:
        parser.error(f"unknown domains: {', '.join(unknown)}")
    options.open = set(options.domains or known) - ({SEALED} - set(options.domains))
    options.domains = options.domains or known
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options(arguments)
    print("| " + " | ".join(("domain", "setting", *COUNTED, "right", "stated")), end=" | ")
    print("false rows | rewritten for nothing | errors | calls a question |")
    print("|" + "---|" * (len(COUNTED) + 8))
    results: dict[str, dict[str, Any]] = {}
    with run_private_server(), ScriptedModel(options.llm_url) as model:
        for domain in map(read_domain, options.domains):
            for setting in options.settings:
                with open_knowledge_base(domain, setting, model, options) as kb:
                    if domain.name not in results:
                        fill(kb, domain)
                    verdicts = list(measure(kb, domain, setting, model))
                figures = summarize(verdicts, domain.count_says())
                print_row(domain.name, setting, figures)
                if domain.name in options.open:
                    if options.show:
                        print_verdicts(verdicts, domain)
                    figures["questions"] = [as_detail(verdict) for verdict in verdicts]
                results.setdefault(domain.name, {})[setting] = figures
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


@contextmanager
def run_private_server() -> Iterator[None]:
    """A private MariaDB of this run alone; kb fetches what is missing and starts it."""
    for name in [*os.environ]:
        if name.startswith(("DB_", "OPENAI_", "OLLAMA_", "KB_")) and name not in KEPT:
            del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="kb-domains-", dir="/tmp") as home:
        os.environ["KB_HOME"] = home
        try:
            yield
        finally:
            stop = [sys.executable, "-m", "kb", "db", "stop"]
            subprocess.run(stop, check=False, cwd=home, stdout=subprocess.DEVNULL)


KEPT = ("KB_CACHE", "KB_MARIADBD")

if __name__ == "__main__":
    main()
