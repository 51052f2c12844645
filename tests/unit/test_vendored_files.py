"""The files of others are those that they gave out, to the byte, with their licence beside them."""

import hashlib
from pathlib import Path

import pytest

from kb.api.routes import page

VENDOR = Path(page.__file__).parents[2] / "page" / "vendor"
VERSION = "5.6.205"  # of pdfjs-dist, whose legacy/build/ holds the scripts
DIGESTS = {
    "LICENSE": "0d542e0c8804e39aa7f37eb00da5a762149dc682d7829451287e11b938e94594",
    "pdf.min.mjs": "0d29c4871eff0b72f3896825f2673ddf7dfbccf815a7095a5d14f5aa68fab0e5",
    "pdf.worker.min.mjs": "7fc442c268d107d656755252cf38c422a88e825b7f0caaac6a5f58364dff4179",
}


def test_no_other_file_is_there():
    assert {file.name for file in VENDOR.iterdir()} == {*DIGESTS, "README.md"}


@pytest.mark.parametrize("name", DIGESTS)
def test_each_file_is_as_it_was_given_out(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize("name", ["pdf.min.mjs", "pdf.worker.min.mjs"])
def test_version_and_licence_are_said(name):
    assert f"pdfjsVersion = {VERSION}" in (VENDOR / name).read_text("utf-8")
    told = (VENDOR / "README.md").read_text("utf-8")
    assert VERSION in told
    assert name in told
    assert "Apache License" in (VENDOR / "LICENSE").read_text("utf-8")
