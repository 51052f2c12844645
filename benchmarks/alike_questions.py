"""Whether questions that are alike have the same answer: what a cache by meaning would need.

Of every two questions of labelled sets (`queries.jsonl`, `unanswerable.jsonl` with `answers`) that
differ in words, it counts those that share an answer, and those that do not, by the similarity of
their embeddings. Those that differ in numbers are left out, as a cache could tell them apart.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from kb import load_config
from kb.assembly.models import make_embedder

BOUNDS = (0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.92, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    arguments = parser.parse_args()
    model = make_embedder(load_config(arguments.config))
    for folder in arguments.sets:
        questions = read_questions(folder)
        vectors = np.array(model.get_text_embedding_batch([each["text"] for each in questions]))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        print(f"{folder.name}: {len(questions)} questions, {model.model_name}")
        print(f"{'similarity':<12}{'same answer':>12}{'another':>10}")
        for bound, counts in count_pairs(questions, np.triu(vectors @ vectors.T, 1)).items():
            print(f">= {bound:<9}{counts['same']:>12}{counts['another']:>10}")


def read_questions(folder: Path) -> list[dict[str, Any]]:
    files = [folder / "queries.jsonl", folder / "unanswerable.jsonl"]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return list(map(json.loads, lines))


def count_pairs(questions: list[dict[str, Any]], similarities: Any) -> dict[float, Counter[str]]:
    """Count the pairs from each bound on."""
    counts: dict[float, Counter[str]] = {bound: Counter() for bound in BOUNDS}
    for first, second in zip(*np.where(similarities >= min(BOUNDS)), strict=True):
        one, other = questions[first], questions[second]
        if plain(one["text"]) == plain(other["text"]) or numbers(one) != numbers(other):
            continue
        shared = set(map(plain, one["answers"])) & set(map(plain, other["answers"]))
        for bound in BOUNDS:
            if similarities[first, second] >= bound:
                counts[bound]["same" if shared else "another"] += 1
    return counts


def plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def numbers(question: dict[str, Any]) -> list[str]:
    return sorted(re.findall(r"\d+", question["text"]))


if __name__ == "__main__":
    main()
