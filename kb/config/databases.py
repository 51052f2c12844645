"""The sections on MariaDB: where kb keeps its own tables, and which business tables it asks."""

from typing import Annotated, Any, Final, Literal

import sqlalchemy as sa
from pydantic import Field, PlainSerializer, PlainValidator

from kb.config.section import Positive, RelativePath, Seconds, Section

EMBEDDED: Final = "embedded"


DRIVER = "mariadb+mariadbconnector"


def _read_database_url(value: Any) -> Any:
    if value == EMBEDDED:
        return value
    try:
        url = sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or not url.drivername.startswith("mariadb+"):
        raise ValueError(f"{EMBEDDED}, or {DRIVER}://user:password@host:3306/database")
    return url


def _read_server_url(value: Any) -> sa.URL:
    url = _read_database_url(value)
    if not isinstance(url, sa.URL):
        raise ValueError(f"{DRIVER}://user:password@host:3306/database")  # noqa: TRY004 - pydantic's
    return url


def _write_without_password(url: sa.URL | str) -> str:
    return url if isinstance(url, str) else url.render_as_string(hide_password=True)


DatabaseUrl = Annotated[
    sa.URL | Literal["embedded"],
    PlainValidator(_read_database_url),
    PlainSerializer(_write_without_password),
]


ServerUrl = Annotated[
    sa.URL, PlainValidator(_read_server_url), PlainSerializer(_write_without_password)
]


class DatabaseConfig(Section):
    """Where kb keeps its own tables."""

    url: DatabaseUrl = EMBEDDED
    """`embedded` is a private MariaDB that kb starts; any other from 11.8 on is
    `mariadb+mariadbconnector://user:password@host:3306/name` (`mariadb+pymysql://…` with the extra
    `pymysql`). Where it is not set and `DB_HOST` is, it is made of `DB_HOST`, `DB_PORT`, `DB_USER`,
    `DB_PASSWORD` and `DB_NAME`."""
    replicas: tuple[ServerUrl, ...] = ()
    """Servers that replicate that of `url` by GTID, with the same database: searches are read from
    them, and everything else from `url`."""
    replica_seconds: Seconds = 10
    """The most seconds that a replica may be behind; further behind it is not asked."""
    name: str = "kb"
    """The database on the embedded server. Each one is a knowledge base of its own."""
    vector_cache_mb: Positive | None = None
    """The most memory of the embedded server for the vector index, from its next start on; without
    it a sixteenth of the machine's, 256 to 4096."""
    buffer_pool_mb: Positive | None = None
    """The most memory of the embedded server for all other tables, from its next start on; without
    it an eighth of the machine's, 256 to 4096. Its log of changes is half as large, up to 1024."""


class TablesConfig(Section):
    """The business tables that may be asked."""

    url: DatabaseUrl = EMBEDDED
    """The server that holds them, as `database.url`, from MariaDB 10.6 on; elsewhere than
    `embedded` with an account that can only `SELECT`, for which `kb db account` prints the SQL."""
    database: str | None = None
    """The database of the tables that are named without one; `null` for that of `url`."""
    include: tuple[str, ...] = ()
    """The tables that may be asked: `orders`, or `crm.contacts` of another database of the server.
    No other is ever read."""
    descriptions: dict[str, str] = Field(default_factory=dict)
    """What tables and columns mean, besides their SQL comments:
    `{orders: "…", orders.total: "…"}`."""
    show_values: bool = True
    """Whether a model is shown the values of short text columns."""
    row_limit: Positive = 1000
    """The most rows of an answer."""
    export_limit: Annotated[int, Field(gt=0, le=1_000_000)] = 100_000
    """The most rows of a file, CSV or XLSX, with the whole result of a statement; at most
    1,000,000, which a sheet still holds."""
    timeout: Seconds = 10
    """Seconds that one statement may take."""
    export_timeout: Seconds = 60
    """Seconds that a statement may take while its rows are written into a file; the first of them
    comes within `timeout`."""
    deadline: Seconds = 120
    """Seconds that the tables have in an answer from documents and tables."""
    allow_powerful_account: bool = False
    """Whether an account that may write is taken all the same."""
    verified_queries: RelativePath | None = None
    """A file of questions whose SQL a person has checked."""
