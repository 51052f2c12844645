"""Keep the catalogues of `stores/text/locale` after texts have changed: `make messages`.

A text that is new stands there without a translation until somebody writes one; one that is gone is
dropped. `tests/unit/test_translations.py` says which are missing.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from kb.api.problem_codes import Code
from kb.cli import app
from kb.cli.language import help_texts
from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE

os.environ["KB_LANGUAGE"] = SOURCE_LANGUAGE  # what is extracted is the code's own
ROOT: Final = Path(__file__).parents[1]
CATALOGUES: Final = ROOT / "stores" / "text" / "locale"
_PACKAGES: Final = ("stores", "engines", "kb")
_METHODS: Final = [("**.py", "python"), ("page/texts.js", "javascript")]
_KEYWORDS: Final = {
    "Message": None,
    "of_number": (1, 2),
    "gettext": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
_WIDTH: Final = 100


def update_catalogues() -> None:
    for language in LANGUAGES:
        if language != SOURCE_LANGUAGE:
            catalogue = read_catalogue(language)
            catalogue.update(extract_texts(), no_fuzzy_matching=True, update_creation_date=False)
            write_catalogue(language, catalogue)


def extract_texts() -> Catalog:
    """Return every text that the code marks, with the files that it stands in."""
    found = Catalog(fuzzy=False)
    for file, text, context in sorted(_marked_texts(), key=lambda marked: marked[0]):
        found.add(text, locations=[(file, 0)], context=context)
    return found


def _marked_texts() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    for text in help_texts(typer.main.get_command(app)):
        yield "kb/cli", text, "help"
    for code in Code:
        for text in (code.title, code.detail):
            if text and text != "{reason}":
                yield "kb/api/problem_codes.py", text, code.value
    for package in _PACKAGES:
        for file, _, message, _, context in extract_from_dir(
            ROOT / package, method_map=_METHODS, keywords=_KEYWORDS
        ):
            yield f"{package}/{file}", message, "page" if file == "page/texts.js" else context


def read_catalogue(language: str) -> Catalog:
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, language)


def write_catalogue(language: str, catalogue: Catalog) -> None:
    with (CATALOGUES / f"{language}.po").open("wb") as file:
        write_po(
            file,
            catalogue,
            width=_WIDTH,
            omit_header=False,
            ignore_obsolete=True,
            include_lineno=False,
            sort_by_file=True,
        )


if __name__ == "__main__":
    update_catalogues()
