"""The first data directory of a private server: system tables and one account."""

import os
import shutil
import tempfile
from pathlib import Path

from stores.errors import StoreUnavailable
from stores.password_hash import hash_password
from stores.private_server.find_binary import ServerProgram, run_program
from stores.private_server.home import ACCOUNT, Home

# The account may do everything in every database but the server's own, which the more
# specific grant on `mysql` keeps from it; so it cannot give itself FILE, SUPER or SHUTDOWN.
# No other account exists: neither root nor anonymous.
ACCOUNT_SQL = """
DELETE FROM mysql.proxies_priv;
FLUSH PRIVILEGES;
CREATE USER {account}@localhost IDENTIFIED VIA mysql_native_password USING '{digest}';
GRANT CREATE USER ON *.* TO {account}@localhost;
GRANT ALL ON `%`.* TO {account}@localhost WITH GRANT OPTION;
GRANT SELECT ON mysql.* TO {account}@localhost;
"""


def make_data(program: ServerProgram, home: Home) -> None:
    """Make the data directory beside its place, then move it there: it is never half made."""
    for left_over in home.path.glob("data.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="data.new-", dir=home.path))
    try:
        _run_bootstrap(program, home, folder)
        folder.rename(home.data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_bootstrap(program: ServerProgram, home: Home, folder: Path) -> None:
    options = ["--bootstrap", "--skip-grant-tables", "--skip-networking", f"--datadir={folder}"]
    done = run_program(
        program.make_command(*options, f"--tmpdir={home.temporary}", *list_root_options()),
        stdin=None,
        input=_write_statements(program, home.read_password()),
        timeout=120,
    )
    if done.returncode or "ERROR:" in done.stdout:
        raise StoreUnavailable(
            f"MariaDB could not make its data directory in {home.path} "
            f"(exit status {done.returncode}). It said:\n{done.stdout.strip()[-1500:]}"
        )


def list_root_options() -> list[str]:
    """List the options without which MariaDB refuses to run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _write_statements(program: ServerProgram, password: str) -> str:
    tables = (program.share / "mariadb_system_tables.sql").read_text("utf-8")
    account = ACCOUNT_SQL.format(account=ACCOUNT, digest=hash_password(password))
    return f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}\n{account}"
