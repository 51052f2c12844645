"""The documentation promises only what is there, and leaves out nothing that is."""

import json
import re
from pathlib import Path

import pytest
import yaml
from command_line import all_commands, command_line_page
from configuration import configuration_page
from documentation import (
    FENCE,
    ROOT,
    Block,
    blocks,
    find_command,
    inline_code,
    kb_arguments,
    pages,
    parse,
    shell_lines,
    written_blocks,
)
from http_api import http_page, openapi_document
from pydantic import BaseModel
from python_api import python_page

import kb
import stores.errors
from engines.search.profiles import READY, Profile
from kb.api.application import make_app
from kb.config.caches import CacheConfig
from kb.config.costs import BudgetConfig
from kb.config.loading import load_config
from kb.config.models import MULTILINGUAL
from kb.config.sections import Config, Sections
from kb.config.serving import MetricsConfig
from kb.verified_query_file import read_verified_queries
from stores.errors import KBError

PAGES = pages()
EVERYTHING = "\n".join(PAGES.values())
README = PAGES["README.md"]
MADE = {
    "docs/reference/configuration.md": configuration_page(),
    "docs/reference/command-line.md": command_line_page(),
    "docs/reference/python.md": python_page(),
    "docs/reference/http.md": http_page(openapi_document()),
    "docs/changelog.md": "",
    "docs/contributing.md": "",
}
COMMANDS = dict(all_commands())
STARTING_CONFIG = Path(kb.__file__).parent / "starting_config.yaml"
ONLY_SHELL = ("sh", "bash", "console", "text")
FOLDERS = ("stores", "engines", "kb", "tests", "data", "docs", "benchmarks")


def typed() -> list[tuple[str, str]]:
    """Each line with a `kb` command, of the pages and of the help of the commands."""
    made = blocks("kb --help", MADE["docs/reference/command-line.md"])
    helped = [block for block in made if block.language == "console"]
    return [
        (str(block), line)
        for block in (*written_blocks(*ONLY_SHELL), *helped)
        for line in shell_lines(block)
        if re.search(r"(?<![\w/])kb [a-z]", line)
    ]


# What there is ----------------------------------------------------------------------------------


def configuration_keys() -> list[str]:
    sections = {
        name: Profile if name == "profiles" else field.annotation
        for name, field in Sections.model_fields.items()
    }
    return [
        f"profiles.NAME.{key}" if section == "profiles" else f"{section}.{key}"
        for section, model in sections.items()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields
    ] + [
        *(f"caches.embeddings.{key}" for key in CacheConfig.model_fields),
        *(f"cost.budget.{key}" for key in BudgetConfig.model_fields),
        *(f"serve.metrics.{key}" for key in MetricsConfig.model_fields),
    ]


@pytest.mark.parametrize("key", configuration_keys())
def test_every_configuration_key_has_a_meaning(key: str) -> None:
    row = re.search(rf"^\| `{re.escape(key)}` \| (.+?) \|", configuration_page(), re.MULTILINE)
    assert row
    assert len(row[1]) > 15


def test_every_section_of_the_configuration_is_in_the_reference() -> None:
    assert {key.partition(".")[0] for key in configuration_keys()} == set(Sections.model_fields)


def test_a_key_without_a_description_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Profile.model_fields["neighbours"], "description", None)
    with pytest.raises(ValueError, match="no description"):
        configuration_page()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_in_a_page_and_in_the_reference(name: str) -> None:
    named = {" ".join(name.split()[:2]), name}
    written = [f"kb {line}" for line in map(" ".join, all_calls())] + inline_code(EVERYTHING)
    assert any(line.startswith(tuple(named)) for line in written)
    assert f"\n## {name}\n" in MADE["docs/reference/command-line.md"]


def all_calls() -> list[list[str]]:
    return [
        call
        for block in written_blocks(*ONLY_SHELL)
        for line in shell_lines(block)
        for call in kb_arguments(line)
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_has_words_in_the_reference(name: str) -> None:
    page = MADE["docs/reference/command-line.md"]
    section = page[page.index(f"\n## {name}\n") :].split("\n## ")[1]
    for parameter in COMMANDS[name].params:
        for option in (each for each in parameter.opts if each.startswith("--")):
            assert re.search(rf"^\| .*`{option}\b.*` \| \S.+ \|$", section, re.MULTILINE), option


@pytest.mark.parametrize("name", READY)
def test_every_ready_profile_is_explained(name: str) -> None:
    assert f"| `{name}` | " in PAGES["docs/guides/search.md"]


def test_every_error_is_in_the_reference() -> None:
    errors = [
        name
        for name, value in vars(stores.errors).items()
        if isinstance(value, type) and issubclass(value, KBError)
    ]
    for name in errors:
        assert f"- `{name}`: " in MADE["docs/reference/python.md"]
        assert name in PAGES["docs/guides/python.md"] or name == "KBError"


@pytest.mark.parametrize("name", sorted(set(kb.__all__) - {"__version__", "Config"}))
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert f"{name}`" in MADE["docs/reference/python.md"]


def test_every_endpoint_is_in_the_guide_or_is_for_the_page_alone() -> None:
    guide = PAGES["docs/guides/serve.md"]
    for path in make_app(Config()).openapi()["paths"]:
        stem = "/".join(path.split("/")[:3])
        assert stem in guide or stem == "/api/markdown", path


@pytest.mark.parametrize("package", ["stores", "engines", "kb"])
def test_the_map_of_folders_is_that_of_the_repository(package: str) -> None:
    there = {
        file.parent.relative_to(ROOT).as_posix()
        for file in (ROOT / package).glob("*/*")
        if file.suffix in (".py", ".js", ".sql", ".md")
    }
    text = PAGES["docs/architecture.md"]
    assert there == set(re.findall(rf"^\| `({package}/\w+)` \|", text, re.MULTILINE))


# What is said -----------------------------------------------------------------------------------


def test_the_first_screen_shows_the_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:25])
    assert "\nmake demo " in first_screen
    assert "\nmake test " in first_screen
    assert len(README.encode()) <= 8192


@pytest.mark.parametrize("page", PAGES)
def test_no_place_is_still_to_be_filled(page: str) -> None:
    assert not re.search(r"\b(DEMO|BENCH|TODO|TBD|FIXME)\b", PAGES[page])


@pytest.mark.parametrize(("place", "line"), typed())
def test_every_command_line_is_one_that_kb_takes(place: str, line: str, tmp_path: Path) -> None:
    assert kb_arguments(line), place
    for arguments in kb_arguments(line):
        parse(arguments, tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_is_there_with_its_options(page: str) -> None:
    for code in inline_code(PAGES[page]):
        if not re.match(r"kb [a-z]", code):
            continue
        command, words = find_command(code.removeprefix("kb ").split())
        options = {
            option for each in command.params for option in (*each.opts, *each.secondary_opts)
        }
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in options, code


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_is_there(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    typed_lines = [line for block in blocks(page, PAGES[page]) for line in shell_lines(block)]
    for code in inline_code(PAGES[page]) + typed_lines:
        if target := re.match(r"make (?!PYTHON)([\w-]+)", code):
            assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), code


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page: str) -> None:
    for code in inline_code(PAGES[page]):
        path = re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]+", code)
        if path and not re.search(r"NAME|NNNN", code):
            assert list(ROOT.glob(code.rstrip("/"))), code


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", PAGES[page])):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve().relative_to(ROOT).as_posix() if path else page
        assert file in MADE or (ROOT / file).exists(), target
        if anchor:
            text = MADE.get(file) or (ROOT / file).read_text("utf-8")
            assert anchor in anchors(text), target


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("block", written_blocks("yaml"), ids=str)
def test_every_configuration_loads(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(block.text, "utf-8")
    if isinstance(yaml.safe_load(block.text), list):
        assert read_verified_queries(file)
    else:
        load_config(file)


@pytest.mark.parametrize("block", written_blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    known = {*ONLY_SHELL, "python", "yaml", "json", "sql", "markdown"}
    assert {block.language for block in blocks(page, PAGES[page])} <= known


# The configuration that kb init writes -----------------------------------------------------------


def test_the_starting_configuration_has_the_keys_of_the_sample() -> None:
    starting = yaml.safe_load(STARTING_CONFIG.read_text("utf-8"))
    sample = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    assert {section: list(keys) for section, keys in starting.items()} == {
        section: list(keys) for section, keys in sample.items()
    }


def test_the_starting_configuration_changes_no_default() -> None:
    starting, default = load_config(STARTING_CONFIG), Sections()
    for section in ("database", "llm", "retrieval", "chat"):
        assert getattr(starting, section) == getattr(default, section)
    # a base that was made without saying a model keeps the one that it has
    multilingual = default.embedding.model_copy(update={"model": MULTILINGUAL})
    assert starting.embedding == multilingual
    assert not starting.tables.include
