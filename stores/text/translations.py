"""The texts that kb itself says to people, in each language that it speaks.

The code holds the English texts, marked by the calls of gettext; `locale/` holds one catalogue for
each other language. `make messages` keeps the catalogues after texts have changed.
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Final

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


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogues that is translated where it is used."""
    return text
