"""Loads prompts, each from a file beside this one."""

from functools import cache
from importlib import resources

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import ChatPromptTemplate


@cache
def load_prompt(name: str) -> str:
    """Load a prompt, which is the file NAME.md."""
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()


def chat_prompt(name: str, instructions: str = "") -> ChatPromptTemplate:
    """Return the prompt of the files NAME_system.md and NAME_user.md, a message each.

    The `instructions` of who runs kb stand behind the rules of the system message.
    """
    rules = add_instructions(load_prompt(f"{name}_system"), instructions)
    return ChatPromptTemplate(
        [
            ChatMessage(role=MessageRole.SYSTEM, content=rules),
            ChatMessage(role=MessageRole.USER, content=load_prompt(f"{name}_user")),
        ]
    )


def add_instructions(rules: str, instructions: str) -> str:
    """Write instructions behind rules, which stay above them; braces in them name nothing."""
    if not instructions:
        return rules
    written = instructions.strip().replace("{", "(").replace("}", ")")
    return f"{rules}\n\n{load_prompt('instructions')}\n{written}"
