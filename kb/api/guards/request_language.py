"""The language that the client of a request reads."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from stores.text.text_language import language_code
from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE

_MOST_WISHES: Final = 20
_of_request: ContextVar[str] = ContextVar("request_language", default=SOURCE_LANGUAGE)


def take_language(scope: Scope) -> None:
    """Tell of problems in the language of this request from here on."""
    wishes = ",".join(Headers(scope=scope).getlist("accept-language")).split(",")
    _of_request.set(choose_language(wishes[:_MOST_WISHES]))


def current_language() -> str:
    """Return the language of the request, English for what no request asked for."""
    return _of_request.get()


def choose_language(wishes: Iterable[str]) -> str:
    """Return which of the languages that kb speaks is wished most, as Accept-Language says it."""
    best, most = SOURCE_LANGUAGE, 0.0
    for wish in wishes:
        name, _, parameters = wish.partition(";")
        language, weight = language_code(name), _read_weight(parameters)
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return best


def _read_weight(parameters: str) -> float:
    name, _, value = parameters.replace(" ", "").partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name == "q" else 0.0
    except ValueError:
        return 0.0
