"""Scripts of SQL run as they are written."""

import pytest
import sqlalchemy as sa

from stores.errors import StoreError
from stores.registry.script import run_script

SCRIPT = """\
DROP TABLE IF EXISTS note;
CREATE TABLE note (text VARCHAR(80) NOT NULL);
INSERT INTO note VALUES
('100 % :sure? It''s 10:30; and {so} %s on'),
('été');
"""


def test_a_script_runs_statement_by_statement_and_can_be_repeated(engine):
    for _ in range(2):
        run_script(engine, SCRIPT)
    with engine.connect() as connection:
        texts = connection.execute(sa.text("SELECT text FROM note")).scalars().all()
    assert texts == ["100 % :sure? It's 10:30; and {so} %s on", "été"]


def test_a_statement_that_the_server_refuses_is_an_error_of_ours(engine):
    with pytest.raises(StoreError, match="refused"):
        run_script(engine, "CREATE TABLE a (b INT);\nSELEKT 1;\n")
