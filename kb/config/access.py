"""The section on who may see which documents and tables."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kb.config.section import Positive, Section
from stores.audiences import NAME_CHARACTERS


def _require_pattern(value: str) -> str:
    """Let a pattern pass that names paths; one with ! would take some out again."""
    if not value.strip() or value.startswith(("!", "#")):
        raise ValueError("a pattern of paths such as hr/** or *.secret.md, without ! before it")
    return value


GroupName = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)]


class DocumentAccessConfig(Section):
    path: Annotated[str, AfterValidator(_require_pattern)]
    """A pattern as `.gitignore` has them, of paths below an indexed directory: `/hr/`, `*.key`."""
    root: str | None = None
    """The name of the directory; `null` for every one."""
    groups: tuple[GroupName, ...]
    """Who may see these documents."""


class TableAccessConfig(Section):
    table: str
    """A table of `tables.include`, as it is named there."""
    columns: tuple[str, ...] = ()
    """Its columns that the rule is about; without any, all of it. Not of another database."""
    groups: tuple[GroupName, ...]
    """Who may ask from it."""


class AccessConfig(Section):
    """Who may see which documents, and ask from which tables; without any of it, everybody."""

    default: tuple[GroupName, ...] | None = None
    """The groups that see documents of which no rule tells; `null` for `[everyone]`, in which
    everybody is."""
    documents: tuple[DocumentAccessConfig, ...] = ()
    """Rules for documents, of which the first that matches decides; `kb index` applies them. What a
    document's own metadata say as `groups` is demanded besides."""
    tables: tuple[TableAccessConfig, ...] = ()
    """Tables, or columns, that only some groups may ask from; for all others they are not there."""

    audit: bool = False
    """Whether `kb audit` tells who asked what, and which documents and tables that read: an entry
    is written before each answer, and without it there is none. The words of questions are in it
    where `retrieval.log` is `full`."""
    audit_days: Positive | None = 365
    """Days for which entries are kept; `null` keeps them."""

    @property
    def is_set(self) -> bool:
        """Whether anything is for some groups alone."""
        return self.default is not None or bool(self.documents or self.tables)
