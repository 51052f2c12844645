"""What caches save: searches that are known, in each place, and such that are not, beside none.

The ways take turns, question by question. Of each question the median of its repetitions counts,
and the table has the medians and means of all questions, in milliseconds. A known search still
reads the version of the collection. `--config` measures one's own base, with `--questions`, a file
of one question a line; else it is the documents of `data/`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import mean, median

from kb import KnowledgeBase, load_config
from kb.assembly.open_collection import open_store_of
from kb.assembly.open_database import private_server
from stores.caches.cache import Cache, Place, pass_by_caches
from stores.caches.database_place import DatabasePlace
from stores.caches.process_place import ProcessPlace
from stores.caches.redis_place import RedisPlace

DATA = Path("data")
QUESTIONS = (
    "How long can a customer return a machine?",
    "Which warranty does the Galet have?",
    "Comment détartrer la machine ?",
    "espresso too sour",
    "What does error E31 mean?",
)
MB = 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--redis", help="the address of a Redis to be measured too")
    arguments = parser.parse_args()
    questions = QUESTIONS
    if arguments.questions:
        questions = tuple(filter(None, arguments.questions.read_text().splitlines()))
    with opened(arguments.config) as kb:
        _, chunks = kb.components.registry.count_totals()
        print(f"{chunks} chunks, {len(questions)} questions, {arguments.repetitions} repetitions")
        places: dict[str, Place] = {"process": ProcessPlace(64 * MB, 3600)}
        places["database"] = DatabasePlace(kb.components.engine, "benchmark", 64 * MB, 3600)
        if arguments.redis:
            places["redis"] = RedisPlace(arguments.redis, "benchmark", 3600)
        ways: dict[str, Callable[[str], object]] = {"no cache": kb.search}
        for name, place in places.items():
            known = with_results(kb, Cache("results", place))
            ways[f"{name}, unknown"] = partial(search_anew, known)
            ways[f"{name}, known"] = known.search
        measure(ways, questions, arguments.repetitions)
        for place in places.values():
            place.clear()


@contextmanager
def opened(config: Path | None) -> Iterator[KnowledgeBase]:
    """Open one's own knowledge base, or one of its own over the sample documents."""
    if config:
        with KnowledgeBase.open(config) as kb:
            yield kb
        return
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        sample = load_config("config.yaml").model_copy(update={"home": Path(home)})
        with KnowledgeBase.open(sample, say=print) as kb:
            kb.index(DATA)
            yield kb
        private_server(sample).stop()


def with_results(kb: KnowledgeBase, cache: Cache) -> KnowledgeBase:
    """Return the same knowledge base, whose searches are kept."""
    used = kb.components
    store = open_store_of(used.engine, used.config, used.collection, cache)
    return KnowledgeBase(used.copy_with(vector_store=store))


def search_anew(kb: KnowledgeBase, question: str) -> None:
    with pass_by_caches():
        kb.search(question)


def measure(
    ways: dict[str, Callable[[str], object]], questions: tuple[str, ...], repetitions: int
) -> None:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for question in questions:
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repetitions + 1):
            for name, search in ways.items():
                since = time.perf_counter()
                search(question)
                times[name].append(time.perf_counter() - since)
        for name, each in times.items():
            taken[name].append(median(each[1:]) * 1000)
    print(f"{'':<20}{'median':>8}{'mean':>8}")
    for name, each in taken.items():
        print(f"{name:<20}{median(each):>8.2f}{mean(each):>8.2f}")


if __name__ == "__main__":
    main()
