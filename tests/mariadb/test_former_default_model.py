"""A collection that the English model alone has built goes on with it, whatever the default is."""

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from kb import KnowledgeBase
from kb.assembly.setup import set_up
from kb.config import load_config
from kb.doctor.check import Check
from kb.doctor.examination import examine
from stores import CollectionMismatch

FORMER = "all-MiniLM-L6-v2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "returns.md").write_text("# Returns\n\nGoods can be sent back.\n", "utf-8")
    return tmp_path


def write_config(folder: Path, database: sa.URL, model: str | None) -> Path:
    url = database.render_as_string(hide_password=False)
    settings = {"database": {"url": url}, "embedding": {"provider": "local", "model": model}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    set_up(load_config(folder / "config.yaml"), print)
    return folder / "config.yaml"


def check_collection(config: Path) -> Check:
    return next(check for check in examine(config) if check.name == "Collection")


def test_it_opens_searches_and_indexes_on(folder: Path, database: sa.URL) -> None:
    with KnowledgeBase.open(write_config(folder, database, FORMER)) as knowledge:
        knowledge.index(folder / "docs")
    config = write_config(folder, database, None)
    (folder / "docs" / "delivery.md").write_text("# Delivery\n\nIt takes two days.\n", "utf-8")
    with KnowledgeBase.open(config) as knowledge:
        assert knowledge.components.collection.embedding_model == f"local/{FORMER}"
        assert knowledge.index(folder / "docs").failed == []
        assert len(knowledge.components.embed_model.get_text_embedding("text")) == 384
        found = knowledge.search("How long does it take until a parcel arrives?")
        assert "two days" in found[0].text
        french = knowledge.search("Combien de temps dure la livraison ?")
        assert french
    check = check_collection(config)
    assert check.state == "warn"
    assert FORMER in check.seen
    assert "database.name" in check.advice


def test_a_new_collection_has_both_models(folder: Path, database: sa.URL) -> None:
    config = write_config(folder, database, None)
    with KnowledgeBase.open(config) as knowledge:
        knowledge.index(folder / "docs")
        assert knowledge.components.collection.dimension == 896
        [found] = knowledge.search("Puis-je renvoyer un article ?")
        assert "sent back" in found.text
    assert check_collection(config).state == "ok"
    with pytest.raises(CollectionMismatch, match=FORMER):
        KnowledgeBase.open(write_config(folder, database, FORMER))
