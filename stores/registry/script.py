"""Run a script of SQL statements, such as a dump of business tables."""

import sqlalchemy as sa

from stores.connection import run_transaction


def split_script(script: str) -> list[str]:
    """Split a script into its statements; `;` at the end of a line divides them."""
    return [statement for statement in script.split(";\n") if statement.strip()]


def run_script(engine: sa.Engine, script: str) -> None:
    """Run each statement of a script as it is written."""

    def work(connection: sa.Connection) -> None:
        for statement in split_script(script):
            connection.exec_driver_sql(statement)

    run_transaction(engine, work)
