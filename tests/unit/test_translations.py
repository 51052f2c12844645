"""What kb says to people is there in each of its languages, and says the same."""

import ast
import copy
import re
from collections.abc import Iterator
from typing import Any

import messages
import pytest
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry

from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE, Message, load_translations

OTHERS = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]
MARKS = {"Message", "of_number", "gettext", "gettext_noop", "ngettext", "pgettext"}
OF_TWO_TEXTS = {"of_number", "ngettext", "pgettext"}
HOLE = re.compile(r"\{(\w*)[^{}]*\}")


@pytest.fixture(scope="module")
def template() -> Catalog:
    return messages.extract_texts()


@pytest.fixture(params=OTHERS)
def catalogue(request) -> Catalog:
    return messages.read_catalogue(request.param)


def entries(catalogue: Catalog) -> Iterator[Entry]:
    return (message for message in catalogue if message.id)


def ids(catalogue: Catalog) -> set:
    return {(message.context, message.id) for message in entries(catalogue)}


def test_each_text_of_the_code_is_translated_and_nothing_else(template, catalogue):
    assert ids(template) - ids(catalogue) == set(), "make messages, then translate what is new"
    assert ids(catalogue) - ids(template) == set(), "make messages drops what is gone"
    assert not catalogue.obsolete
    assert [message.id for message in entries(catalogue) if message.fuzzy] == []
    assert [message.id for message in entries(catalogue) if not all(strings(message))] == []


def test_translations_have_the_places_of_the_text(catalogue):
    for message in entries(catalogue):
        texts = message.id if message.pluralizable else (message.id,)
        wanted = holes(texts[-1])
        for form in strings(message)[1 if message.pluralizable else 0 :]:
            assert holes(form) == wanted, message.id
        assert holes(strings(message)[0]) <= wanted, message.id


def test_each_plural_has_the_forms_of_its_language(catalogue):
    for message in entries(catalogue):
        assert len(strings(message)) == (catalogue.num_plurals if message.pluralizable else 1)


def strings(message: Entry) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def holes(text: str) -> set[str]:
    return set(HOLE.findall(text))


def test_what_the_extractor_does_not_see_is_marked_nowhere(template):
    """Texts in f-strings, texts that are put together, and names in place of texts."""
    found = {
        text for _, id_ in ids(template) for text in (id_ if isinstance(id_, tuple) else [id_])
    }
    for package in ("stores", "engines", "kb"):
        for path in sorted((messages.ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(call, ast.Call) and called(call) in MARKS:
                    text: Any
                    *_, text = call.args[: 2 if called(call) in OF_TWO_TEXTS else 1]
                    where = f"{path}:{call.lineno}"
                    assert is_marked_elsewhere(call, text) or text.value in found, where


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def is_marked_elsewhere(call: ast.Call, text: ast.expr) -> bool:
    """`_REPLIES[kind]`, a table of texts that are marked by gettext_noop; a problem's; help."""
    is_passed_on = ast.unparse(text) in {"text", "line", "more", "self._one", "self._more"}
    return (
        is_passed_on
        or isinstance(text, ast.Subscript)
        or ast.unparse(call.args[0]) == "self.code.value"
    )


def test_a_message_is_english_until_it_is_said_in_another_language():
    french = load_translations("fr")
    text = Message("The tables could not be asked: {reason}", reason=Message("Nothing was found."))
    assert text == "The tables could not be asked: Nothing was found."
    assert text.say_in(french) == french.gettext("The tables could not be asked: {reason}").format(
        reason=french.gettext("Nothing was found.")
    )
    assert copy.deepcopy(text).say_in(french) == text.say_in(french)
    assert text.say_in(load_translations("en")) == text
    assert Message("").say_in(french) == ""


def test_a_message_of_a_number_is_said_in_its_plural():
    one, none = (Message.of_number("{n} chunk", "{n} chunks", n) for n in (1, 0))
    assert (one, none) == ("1 chunk", "0 chunks")
    assert none.say_in(load_translations("en")) == none
    assert none.say_in(load_translations("fr")) == "0 fragment"


def test_french_begins_the_plural_with_two():
    french = load_translations("fr")
    one, more = "The first row; there are more.", "The first {shown} rows; there are more."
    assert french.ngettext(one, more, 0) == french.ngettext(one, more, 1)
    assert french.ngettext(one, more, 2) != french.ngettext(one, more, 1)
    assert load_translations("en").ngettext(one, more, 2) == more
