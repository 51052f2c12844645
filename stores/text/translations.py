"""The texts that kb itself says to people, in each language that it speaks.

The code holds the English texts, marked by the calls of gettext; `locale/` holds one catalogue for
each other language. `make messages` keeps the catalogues after texts have changed.
"""

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

SOURCE_LANGUAGE: Final = "en"
LANGUAGES: Final = (SOURCE_LANGUAGE, "fr")


@cache
def load_translations(language: str) -> NullTranslations:
    """Return the texts in one of `LANGUAGES`; English ones are the code's own, and cost nothing."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - `kb --help` does without

    compiled = BytesIO()
    write_mo(compiled, load_catalogue(language))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def load_catalogue(language: str) -> "Catalog":
    """Return the entries of a language other than English, as they stand in its file."""
    from babel.messages.pofile import read_po  # noqa: PLC0415 - as above

    with resources.files("stores.text").joinpath("locale", f"{language}.po").open("rb") as file:
        return read_po(file, language)


class Message(str):
    """A text in English that can still be said in another language.

    Its places are filled, so whatever is no person reads it as any other text.
    """

    __slots__ = ("_more", "_one", "_values")

    _one: str
    _more: str
    _values: Mapping[str, Any]

    def __new__(cls, text: str, /, **values: Any) -> Self:
        message = super().__new__(cls, text.format(**values) if values else text)
        message._one, message._more, message._values = text, "", values
        return message

    @classmethod
    def of_number(cls, one: str, more: str, n: int, **values: Any) -> Self:
        """Return the message for a number `{n}` of things: `one` text or that of `more`."""
        message = cls(one if n == 1 else more, n=n, **values)
        message._one, message._more = one, more
        return message

    def say_in(self, texts: NullTranslations) -> str:
        if not self:
            return ""
        if self._more:
            text = texts.ngettext(self._one, self._more, self._values["n"])
        else:
            text = texts.gettext(self._one)
        values = {
            name: value.say_in(texts) if isinstance(value, Message) else value
            for name, value in self._values.items()
        }
        return text.format(**values) if values else text


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogues that is translated where it is used."""
    return text
