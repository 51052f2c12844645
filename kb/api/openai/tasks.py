"""What chat clients ask a model for besides answers: titles, tags, follow-ups of a conversation.

They send such a task as a question, with the conversation in it. Nobody wants documents and tables
searched for it, and the conversation may hold cells that no model is shown: nobody is asked.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from engines.shortening import cut

_TASK: Final = re.compile(r"\s*#{1,6} *Task:", re.IGNORECASE)
_ASKED: Final = re.compile(r"^\s*USER: *(\S[^\n]*)", re.IGNORECASE | re.MULTILINE)
_KEY: Final = re.compile(r"\{\s*\"(\w+)\"\s*:\s*(\[?)")
_CONVERSATION: Final = "<chat_history>"
_TITLE_CHARACTERS: Final = 60


def do_client_task(question: str, past: Sequence[tuple[str, str]]) -> str | None:
    """Reply to a task of a client; None for a question.

    A title is the first question of the conversation. What is wanted as JSON, by the example in
    the task, comes in its form, and empty if it is no title.
    """
    wanted = _KEY.search(question)
    if not _TASK.match(question) or not (wanted or _CONVERSATION in question):
        return None
    first = _ASKED.search(question)
    asked = first[1] if first else past[0][0] if past else ""
    title = cut(" ".join(asked.split()), _TITLE_CHARACTERS) or "Chat"
    if not wanted:
        return title
    key, is_list = wanted.groups()
    value: str | list[str] = [] if is_list else title if key == "title" else ""
    return json.dumps({key: value}, ensure_ascii=False)
