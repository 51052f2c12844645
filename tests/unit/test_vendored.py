"""What the page takes from other projects is what the recipe made of it, with its licences."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import kb

VENDOR = Path(kb.__file__).parent / "page" / "vendor"
ENTRIES = json.loads((VENDOR / "manifest.json").read_text("utf-8"))
FORBIDDEN = ("AGPL", "GPL", "SSPL", "UNLICENSED")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_a_file_is_the_one_that_was_made(entry):
    assert hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_a_file_has_the_licence_of_each_project_in_it(entry):
    assert not any(word in entry["licence"] for word in FORBIDDEN)
    licences = (VENDOR / entry["file"]).with_suffix(".LICENSE.txt").read_text("utf-8")
    for name, version in entry["packages"].items():
        assert f"{name} {version} " in licences
    assert "Copyright" in licences


def test_nothing_lies_there_without_an_entry():
    files = {file.name for file in VENDOR.iterdir() if file.suffix in {".js", ".mjs", ".css"}}
    assert files == {entry["file"] for entry in ENTRIES}


# PDF.js makes code of texts where it may, for speed, and asks before.
NEVER_ASKING = [entry for entry in ENTRIES if "pdfjs-dist" not in entry["packages"]]


@pytest.mark.parametrize("entry", NEVER_ASKING, ids=lambda entry: entry["file"])
def test_a_file_works_under_the_policy_of_the_page(entry):
    """It makes no code of texts."""
    code = (VENDOR / entry["file"]).read_text("utf-8")
    assert not re.findall(r"\beval\(|\bnew Function\b", code)
