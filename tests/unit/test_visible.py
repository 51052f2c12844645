"""What documents and models say is shown as it is, and in the order that it has."""

import json

import pytest

from engines.documents.cited_text import CitedText
from engines.visible_text import make_visible
from kb.cli.print_json import print_json
from kb.cli.terminal import fit_on_one_line, make_printable

SHALOM, MARHABA = "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("a\u2066b\u2069 \u2067c\u2069 \u202ad\u202c", "ab c d"),
        ("12\u200f-\u200f5 \u061c\u200e", "12-5 "),
        ("\x1b]8;;https://evil.example\x07x\x9b2J\x85\x7f", "\ufffd]8;;https://evil.example\ufffdx\ufffd2J\ufffd\ufffd"),
        ("a\r\nb\tc\rd", "a\nb\tc\ufffdd"),
        (f"{SHALOM}!\u200f - 5", f"{SHALOM}!\u200f - 5"),
        (f"\u202b{MARHABA}\u061c 12\u202c", f"{MARHABA}\u061c 12"),
        (f"{MARHABA}\u200c{MARHABA} 👩\u200d💻", f"{MARHABA}\u200c{MARHABA} 👩\u200d💻"),
    ],
)  # fmt: skip
def test_nothing_takes_over_a_terminal_or_turns_letters_round(text, shown):
    assert make_visible(text) == make_printable(text) == shown
    assert fit_on_one_line(text) == make_printable(" ".join(text.split()))


def test_an_answer_is_shown_so_however_it_comes():
    text = f"It is \u202egpj.exe.\r\n{SHALOM}\u200f \x1b[2J and \u200f so."
    shown = f"It is gpj.exe.\n{SHALOM}\u200f \ufffd[2J and \u200f so."
    for step in (1, 2, 1000):
        pieces = [text[start : start + step] for start in range(0, len(text), step)]
        assert "".join(CitedText(0).clean_pieces(pieces)) == shown
    assert CitedText(0).clean_whole("]\u202e(https://evil.example)") == "] ()"


def test_json_on_a_terminal_shows_what_it_holds_without_loss(capsysbinary):
    value = {"a\u202eb": "\x9b2J\x1b \x7f é"}
    print_json(value)
    told = capsysbinary.readouterr().out.decode()
    assert json.loads(told) == value
    assert not set("\u202e\x9b\x1b\x7f") & set(told)
    assert "é" in told
