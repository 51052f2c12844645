"""The lines of a chat: what is completed, what is kept, and what may come through a pipe."""

import io
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory

from kb.cli.chat_commands import is_command, list_commands_with_values
from kb.cli.chat_input import _make_completer, _open_line_history, read_piped_lines


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "kb"


def completions(typed: str) -> list[str]:
    completer = _make_completer(list_commands_with_values(["default", "faq"], ["large"]))
    return [
        typed[: len(typed) + each.start_position] + each.text
        for each in completer.get_completions(Document(typed), CompleteEvent())
    ]


def test_commands_are_completed_and_then_their_values():
    assert completions("/so") == ["/sources", "/source"]
    assert completions("/source d") == ["/source documents", "/source database"]
    assert completions("/profile f") == ["/profile faq"]
    assert completions("/help x") == completions("/nope x") == completions("How /so") == []


@pytest.mark.parametrize(
    "line", ["/help", "/source\tdatabase", "/nope", "  /quit", "/Help", "/", "/été"]
)
def test_a_word_behind_a_stroke_is_a_command(line):
    assert is_command(line)


@pytest.mark.parametrize("line", ["/etc/hosts?", "what is /help?", "//x", "/5 ml"])
def test_what_only_looks_like_a_command_is_a_question(line):
    assert not is_command(line)


def test_the_history_is_read_by_its_owner_alone(state):
    state.mkdir(parents=True)
    (state / "chat_history").touch(mode=0o644)
    history = _open_line_history()
    assert isinstance(history, FileHistory)
    history.append_string("How long?\nReally 🙂?")
    assert stat.S_IMODE((state / "chat_history").stat().st_mode) == 0o600
    assert list(_open_line_history().load_history_strings()) == ["How long?\nReally 🙂?"]


def test_without_a_place_for_the_history_it_lasts_as_long_as_the_chat(state, capsys):
    state.parent.mkdir()
    state.write_text("a file where the directory should be")
    assert isinstance(_open_line_history(), InMemoryHistory)


def test_piped_bytes_that_are_no_text_do_not_end_the_chat():
    stream = io.TextIOWrapper(io.BytesIO(b"caf\xe9?\r\nnext \x00 \xf0\x9f\x99\x82\n"), "ascii")
    assert list(read_piped_lines(stream)) == ["caf�?", "next \0 🙂"]
