"""Two knowledge bases: one with documents that a person may not see, one that never held them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from api_server import database_of
from model_server import FakeModels

from kb import KnowledgeBase
from kb.config.sections import Config
from stores.private_server import PrivateServer

WORDS = [
    *("invoice", "salary", "contract", "kettle", "lamp", "garden", "returns", "shipment", "bonus"),
    *("dismissal", "candidate", "week", "month", "review", "plan", "budget", "meeting", "boiler"),
]
ACCESS = {
    "default": ["everyone"],
    "documents": [
        {"path": "/sales/", "groups": ["sales"]},
        {"path": "/hr/", "groups": ["hr"]},
    ],
    "tables": [{"table": "secrets", "groups": ["hr"]}],
}
VISIBLE = {
    "sales/returns.md": "# Returns\n\nGoods go back within 30 days, with the invoice SKU-12345.\n",
    "sales/kettle.md": "# Kettle\n\nThe kettle boils in 3 minutes. Its warranty is two years.\n",
    "sales/long.md": "# Terms\n\n" + "".join(
        f"## Part {number}\n\n{'The contract of the garden lamp, in a week. ' * 30}\n\n"
        for number in range(5)
    ),
    "sales/fr.md": "# Retours\n\nLes articles reviennent dans les trente jours avec la facture.\n",
}  # fmt: skip
MARKED = (
    "---\ngroups: [hr]\ncategory: secret\n---\n# Marked\n\nThe salary of the kettle, SKU-999.\n"
)


def make_hidden(count: int) -> dict[str, str]:
    """Documents that no one in sales may see, of the same words as the others, and of their own."""
    chosen = random.Random(7)
    texts = {
        f"hr/{number}.md": f"---\ncategory: staff\n---\n# Person {number}\n\n"
        + " ".join(chosen.choices(WORDS, k=60))
        + f" zanzibar{number}.\n"
        for number in range(count)
    }
    return {**texts, "open/marked.md": MARKED}


@dataclass(frozen=True)
class Twins:
    """`whole` holds everything, `never` what somebody in sales may see; both by one server."""

    whole: KnowledgeBase
    never: KnowledgeBase
    documents: Path


def write_files(directory: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        file = directory / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def configure(url: sa.URL, directory: Path, embeddings: FakeModels, **sections: Any) -> Config:
    model = {"provider": "openai-like", "model": "fake", "max_retries": 0}
    data: dict[str, Any] = {
        "database": {"url": url},
        "documents": {"path": directory / "documents", "filter_keys": ["category"]},
        "embedding": {**model, "base_url": embeddings.openai_url},
        "tables": {"url": url, "include": ["orders", "secrets"], "allow_powerful_account": True},
        "access": ACCESS,
        "directory": directory,
        "home": directory,
    }
    return Config.model_validate({**data, **sections}, context={"directory": directory})


@contextmanager
def open_twins(
    server: PrivateServer, directory: Path, embeddings: FakeModels, hidden: int
) -> Iterator[Twins]:
    with database_of(server) as url, database_of(server) as other:
        held, never = directory / "held", directory / "never"
        write_files(held, {**make_hidden(hidden // 2), **VISIBLE, **make_hidden(hidden)})
        write_files(never, VISIBLE)
        fewer = {"url": other, "include": ["orders"], "allow_powerful_account": True}
        with (
            KnowledgeBase.open(configure(url, held, embeddings)) as whole,
            KnowledgeBase.open(
                configure(other, never, embeddings, tables=fewer, access={})
            ) as twin,
        ):
            whole.index()
            twin.index()
            yield Twins(whole, twin, held / "documents")
