"""The sections on documents, on how they are searched, and on chats."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from engines.search.profiles import DEFAULT
from kb.config.section import Positive, RelativePath, Seconds, Section, Weight


def _read_off(value: Any) -> Any:
    """Return the word `off`, which YAML reads as false where it has no quotes."""
    return "off" if value is False else value


class DocumentsConfig(Section):
    """What is indexed."""

    description: str | None = None
    """What the documents are about, in a sentence: for the model that chooses between them and the
    tables, and for AI applications."""
    path: RelativePath | None = None
    """What `kb index` reads when it is given no path."""
    filter_keys: tuple[str, ...] = ()
    """Metadata keys that get an indexed column; filters work on all others too."""
    hidden_sheets: bool = False
    """Whether the hidden sheets of workbooks are read too. Rows that somebody hid are not."""
    max_file_mb: Positive = 200
    """The largest file that is read at once. Its reader may take memory as large as 2.5 times this
    number, 512 MB at the least."""
    max_parted_file_mb: Positive = 2000
    """The largest file that is read by parts, as a text, a table or a mailbox can be."""


class RetrievalConfig(Section):
    """How passages are searched for."""

    profile: str = DEFAULT
    """The search profile that is used where none is named."""
    deadline: Seconds = 30
    """Seconds that the documents have in an answer from documents and tables."""
    top_k: Positive = 6
    """The passages that an answer may rest on."""
    log: Annotated[Literal["full", "no-text", "off"], BeforeValidator(_read_off)] = "no-text"
    """What is kept of each search: `full`, `no-text` (all but the question) or `off`."""
    experiment: dict[str, Weight] | None = None
    """Profiles that sessions are split between, by weight: `{default: 50, precision: 50}`."""

    def profile_names(self) -> dict[str, str]:
        """Each profile that is named here, by the key that names it."""
        split = {f"retrieval.experiment.{name}": name for name in self.experiment or ()}
        return {"retrieval.profile": self.profile, **split}


class ChatConfig(Section):
    """What a chat session remembers, and for how long."""

    user_memory: bool = False
    """Whether facts and earlier turns are found in all sessions of a user, not only in the one
    where they were said."""
    token_limit: Positive = 8000
    """Tokens of a conversation that a model is reminded of: 70 % for the last turns, the rest for
    the summary, facts and earlier turns. Never more than half of the model's window."""
    titles: Literal["question", "model"] = "question"
    """What a session is called until somebody names it: its first question, cut between words, or
    what a model writes after the first answer, a short call more."""
    retention_days: Positive | None = None
    """Sessions that nobody used for so many days are deleted; `null` keeps them."""
