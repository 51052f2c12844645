"""Put paragraphs beside the paraphrases that ask about them: all of their corpus, or some.

    python benchmarks/paraphrases/make_corpora.py ../shared/data
    python benchmarks/paraphrases/make_corpora.py ../shared/data --passages 60 --draw 1

A question finds its paragraph among few others more easily: figures compare at one number alone.
"""

import argparse
import json
import random
from pathlib import Path

CORPORA = {"en": "squad-en", "fr": "piaf-fr", "mariadb-docs": "mariadb-docs"}


def choose_passages(questions: Path, corpus: list[str], passages: int, draw: int) -> list[str]:
    """Choose the lines of a corpus that are asked about, and some of the others by chance."""
    _, *judged = (questions / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    asked = {line.split("\t")[1] for line in judged}
    is_asked = {line: json.loads(line)["_id"] in asked for line in corpus}
    others = [line for line in corpus if not is_asked[line]]
    count = max(0, passages - (len(corpus) - len(others)))
    kept = set(random.Random(draw).sample(others, min(count, len(others))))
    return [line for line in corpus if is_asked[line] or line in kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="where the corpora lie")
    parser.add_argument("--passages", type=int, help="how many, with those that are asked about")
    parser.add_argument("--draw", type=int, default=0, help="which ones, by its number")
    told = parser.parse_args()
    for name, corpus in CORPORA.items():
        folder = Path(__file__).parent / name
        lines = (told.data / corpus / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        if told.passages is not None:
            lines = choose_passages(folder, lines, told.passages, told.draw)
        (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}: {len(lines)} passages")


if __name__ == "__main__":
    main()
