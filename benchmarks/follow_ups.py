"""Which second questions of a chat are joined to the first, and what that finds.

Pairs of questions of sets in the BEIR layout, for which nothing was fitted: two on one paragraph,
two on different articles, and one whose article is not indexed behind one whose article is. The
second is searched for as it was asked, joined to the first, and as `JoinedSearch` decides.

    python benchmarks/follow_ups.py
    python benchmarks/follow_ups.py --embedding multilingual
"""

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelled import json_lines

from engines.follow_ups.joined_search import CANDIDATES, JoinedSearch
from kb import Config, KnowledgeBase
from kb.assembly.models import find_sentence_languages

DATA, SETS = Path("../shared/data"), ("squad-en", "piaf-fr")
PAIRS, SEED = 150, 5  # of each kind and set
LEFT_OUT = 6  # one article of so many is not indexed
FOUND_AMONG = 6


@dataclass(frozen=True)
class Asked:
    """A question with its paragraph and the title of that one's article."""

    text: str
    paragraph: str
    article: str


@dataclass(frozen=True)
class Pair:
    kind: str
    before: str
    asked: str
    paragraph: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--embedding", help="multilingual, or a directory of a model's files")
    arguments = parser.parse_args()
    print("| set | second question | joined | found as asked | joined | as decided |")
    print("|---|---|---|---|---|---|")
    for name in SETS:
        with tempfile.TemporaryDirectory() as home:
            pairs = draw_pairs(arguments.data / name, Path(home) / "documents")
            config = {
                "home": Path(home) / "home",
                "embedding": {"provider": "local", "model": arguments.embedding},
                "retrieval": {"log": "off", "top_k": CANDIDATES},
            }
            with KnowledgeBase.open(Config(**config)) as kb:
                kb.index(Path(home) / "documents")
                for kind, figures in measure_pairs(kb, pairs).items():
                    print(f"| {name} | {kind} | " + " | ".join(figures) + " |")


def draw_pairs(folder: Path, documents: Path) -> list[Pair]:
    """Write each paragraph as a document, those of some articles left out, and draw pairs."""
    drawn = random.Random(SEED)
    paragraphs = {row["_id"]: row for row in json_lines(folder / "corpus.jsonl")}
    titles = sorted({row["title"] for row in paragraphs.values()})
    left_out = set(drawn.sample(titles, max(2, len(titles) // LEFT_OUT)))
    documents.mkdir()
    for number, row in paragraphs.items():
        if row["title"] not in left_out:
            text = f"# {row['title']}\n\n{row['text']}\n"
            (documents / f"{number}.md").write_text(text, encoding="utf-8")
    asked = list(read_questions(folder, paragraphs))
    known = [each for each in asked if each.article not in left_out]
    unknown = [each for each in asked if each.article in left_out]
    return [
        *draw_same(known, drawn),
        *draw_other(known, drawn),
        *(
            Pair("of no document", before.text, each.text, each.paragraph)
            for before, each in zip(
                drawn.sample(known, PAIRS), drawn.sample(unknown, PAIRS), strict=True
            )
        ),
    ]


def read_questions(folder: Path, paragraphs: Mapping[str, dict[str, str]]) -> Iterator[Asked]:
    relevant = (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]
    places = dict(line.split("\t")[:2] for line in relevant)
    for row in json_lines(folder / "queries.jsonl"):
        if place := places.get(row["_id"]):
            yield Asked(row["text"], place, paragraphs[place]["title"])


def draw_same(known: Sequence[Asked], drawn: random.Random) -> Iterator[Pair]:
    by_paragraph = defaultdict(list)
    for each in known:
        by_paragraph[each.paragraph].append(each)
    several = [group for group in by_paragraph.values() if len(group) > 1]
    for group in drawn.sample(several, min(PAIRS, len(several))):
        before, each = drawn.sample(group, 2)
        yield Pair("of the paragraph", before.text, each.text, each.paragraph)


def draw_other(known: Sequence[Asked], drawn: random.Random) -> Iterator[Pair]:
    left = PAIRS
    while left:
        before, each = drawn.sample(known, 2)
        if before.article != each.article:
            left -= 1
            yield Pair("of another article", before.text, each.text, each.paragraph)


def measure_pairs(kb: KnowledgeBase, pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Measure by kind which part is joined, and finds its paragraph first and among six."""
    retriever = kb.retriever(top_k=CANDIDATES)
    used = kb.components
    decider = JoinedSearch(
        retriever,
        used.sentence_model,
        used.vector_store.count_chunks_with,
        find_sentence_languages(used.config.embedding),
    )
    verdicts: dict[str, list[tuple[bool, list[int]]]] = defaultdict(list)
    for pair in pairs:
        joined = f"{pair.before} {pair.asked}"
        places = [find_place(kb, question, pair.paragraph) for question in (pair.asked, joined)]
        is_joined = decider.is_better(joined, pair.asked)
        verdicts[pair.kind].append((is_joined, [*places, places[is_joined]]))
    return {kind: describe_verdicts(each) for kind, each in verdicts.items()}


def find_place(kb: KnowledgeBase, question: str, paragraph: str) -> int:
    """Return the place of a paragraph among the passages, their number if it is not there."""
    found = [Path(hit.metadata["path"]).stem for hit in kb.search(question, CANDIDATES)]
    return found.index(paragraph) if paragraph in found else CANDIDATES


def describe_verdicts(verdicts: Sequence[tuple[bool, list[int]]]) -> list[str]:
    def share(found: Sequence[bool]) -> str:
        return f"{sum(found) / len(found):.3f}"

    columns = zip(*(places for _, places in verdicts), strict=True)
    return [
        share([is_joined for is_joined, _ in verdicts]),
        *(
            f"{share([place == 0 for place in column])}, "
            f"{share([place < FOUND_AMONG for place in column])}"
            for column in columns
        ),
    ]


if __name__ == "__main__":
    main()
