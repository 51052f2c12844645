"""Run a script of SQL statements, such as a dump of business tables."""

import sqlalchemy as sa

from stores.connection import in_transaction


def run_script(engine: sa.Engine, script: str) -> None:
    """Run each statement as it is written; `;` at the end of a line divides them."""

    def work(connection: sa.Connection) -> None:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)

    in_transaction(engine, work)
