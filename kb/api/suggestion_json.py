"""Suggested questions as HTTP tells them: in the caller's language, and of sources they may ask."""

from collections.abc import Iterable

from kb.api.guards.access import Caller
from kb.api.guards.request_language import current_language
from kb.suggestions import Suggestion
from stores.text.translations import Message, load_translations


def choose_suggestions(found: Iterable[Suggestion], caller: Caller) -> list[Suggestion]:
    """Choose the suggestions that the caller may ask, in their language."""
    texts = load_translations(current_language())
    return [
        Suggestion(
            each.question.say_in(texts) if isinstance(each.question, Message) else each.question,
            each.source,
        )
        for each in found
        if caller.may_use(each.source)
    ]
