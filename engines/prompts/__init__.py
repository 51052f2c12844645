"""Loads prompts, each from a file beside this one."""

from functools import cache
from importlib import resources

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import ChatPromptTemplate


@cache
def load_prompt(name: str) -> str:
    """Load a prompt, which is the file NAME.md."""
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()


def chat_prompt(name: str) -> ChatPromptTemplate:
    """Return the prompt of the files NAME_system.md and NAME_user.md, a message each."""
    return ChatPromptTemplate(
        [
            ChatMessage(role=MessageRole.SYSTEM, content=load_prompt(f"{name}_system")),
            ChatMessage(role=MessageRole.USER, content=load_prompt(f"{name}_user")),
        ]
    )
