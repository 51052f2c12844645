"""The title of a chat session, by a language model, from its first question and answer."""

from typing import Final

from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate

from engines.model_errors import model_errors
from engines.prompts import load_prompt
from engines.shortening import cut
from engines.visible_text import make_visible
from stores.chats.chat_sessions import SessionStore, Turn

_READ_CHARACTERS: Final = 1_000  # of a question or an answer
_TITLE_CHARACTERS: Final = 80
_MARKS: Final = " \t*_#`\"'“”«».:"  # that models set around a title


class Titles:
    """Gives sessions their titles; what a person has named keeps its name."""

    def __init__(self, sessions: SessionStore, llm: LLM) -> None:
        self._sessions = sessions
        self._llm = llm

    async def entitle(self, session_id: str, turn: Turn) -> None:
        """Entitle a session after its first turn. Raises ModelUnavailable, StoreError."""
        if turn.number != 1 or turn.status != "complete":
            return
        template = PromptTemplate(load_prompt("session_title"))
        question, answer = (cut(text, _READ_CHARACTERS) for text in (turn.question, turn.answer))
        with model_errors("writing a title"):
            written = await self._llm.apredict(template, question=question, answer=answer)
        if title := clean_title(written):
            self._sessions.replace_title(session_id, turn.question, title)


def clean_title(written: str) -> str:
    """Return the title that stands in a model's reply, "" where none does."""
    lines = (make_visible(line).strip(_MARKS) for line in written.splitlines())
    return cut(next(filter(None, lines), ""), _TITLE_CHARACTERS)
