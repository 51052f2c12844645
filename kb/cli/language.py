"""The language of the terminal, and what kb says there in it."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from stores.text.text_language import language_code
from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE, Message, load_translations

_HELP = "help"  # the context of help texts in the catalogues
_AS_IT_IS = "\b"  # begins a paragraph of examples, whose lines stay


@cache
def terminal_language() -> str:
    return choose_language(os.environ)


def choose_language(environment: Mapping[str, str]) -> str:
    """Return what KB_LANGUAGE says, else the locale, and LANGUAGE before it where there is one."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next(filter(None, map(environment.get, names)), "")
    if not (wishes := environment.get("KB_LANGUAGE", "")):
        is_plain = not _code_of(locale)  # C and POSIX
        wishes = locale if is_plain else environment.get("LANGUAGE") or locale
    spoken = (code for code in map(_code_of, wishes.split(":")) if code in LANGUAGES)
    return next(spoken, SOURCE_LANGUAGE)


def _code_of(locale: str) -> str:
    """Return `fr` for `fr_CA.UTF-8@euro`, "" for no language."""
    return language_code(locale.partition(".")[0].partition("@")[0])


def gettext(text: str) -> str:
    """Return a text in the language of the terminal."""
    return load_translations(terminal_language()).gettext(text)


def ngettext(one: str, more: str, n: int) -> str:
    """Return the text for a number of things in the language of the terminal."""
    return load_translations(terminal_language()).ngettext(one, more, n)


def translate_message(text: str) -> str:
    """Return a message in the language of the terminal, and any other text as it is."""
    if isinstance(text, Message):
        return text.say_in(load_translations(terminal_language()))
    return text


def translate_help(command: Any) -> None:
    """Put the help of a command, of its options and of the commands below it into the language."""
    if terminal_language() == SOURCE_LANGUAGE:
        return
    texts = load_translations(terminal_language())
    for shown in _find_shown(command):
        paragraphs = shown.help.split("\n\n")
        for place, paragraph in enumerate(paragraphs):
            if paragraph.strip() and not paragraph.startswith(_AS_IT_IS):
                line = " ".join(paragraph.split())
                paragraphs[place] = texts.pgettext(_HELP, line)
        shown.help = "\n\n".join(paragraphs)


def help_texts(command: Any) -> Iterator[str]:
    """The paragraphs that `translate_help` translates."""
    for shown in _find_shown(command):
        for paragraph in shown.help.split("\n\n"):
            if paragraph.strip() and not paragraph.startswith(_AS_IT_IS):
                yield " ".join(paragraph.split())


def _find_shown(command: Any) -> Iterator[Any]:
    """Find the command, its options and the commands below it, as far as they have a help."""
    below = getattr(command, "commands", {}).values()
    yield from (shown for shown in (command, *command.params) if getattr(shown, "help", None))
    for each in below:
        yield from _find_shown(each)
