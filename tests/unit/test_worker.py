"""Reading in a child process survives whatever a parser does; here one that does it on demand."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_files import docx_file, pdf_file, zip_file

from kb.indexing.read import UnreadableFile, read_document
from kb.indexing.worker import ReadWorker

PARSER = """
import os, signal, sys, time
from types import SimpleNamespace

images = SimpleNamespace(img_element=lambda image: image)

def convert_to_html(file, **options):
    {body}
    return SimpleNamespace(value=f"<p>{{text}}</p>")
"""


@pytest.fixture
def worker_with_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., tuple[ReadWorker, Path]]:
    """A worker whose parser of Word files runs `body`, and such a file."""

    def start(body: str, **limits: float) -> tuple[ReadWorker, Path]:
        lines = body.replace("\n", "\n    ")
        (tmp_path / "mammoth.py").write_text(PARSER.format(body=lines))
        monkeypatch.syspath_prepend(tmp_path)
        worker = ReadWorker(**limits)
        request.addfinalizer(worker.close)
        return worker, docx_file(tmp_path / "a.docx", [("Normal", "text")], [["a"]])

    return start


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.md"
    path.write_text(
        "---\nlang: fr\ntags: [a, b]\nprice: 1.5\n---\n# Été 🦭\n\nLe texte.\n", encoding="utf-8"
    )
    return path


def test_the_child_reads_what_this_process_reads(tmp_path, good):
    files = [
        good,
        docx_file(tmp_path / "a.docx", [("Heading1", "Été")], [["a", "b"]]),
        pdf_file(tmp_path / "a.pdf", ["Care\nWipe it.", "Rinse it."], large=["Care"]),
        zip_file(tmp_path / "a.zip", {"a/b.md": "---\nkind: faq\n---\n# Été", "b.pdf": "%PDF"}),
    ]
    with ReadWorker() as worker:
        assert [worker.read(file) for file in files] == [read_document(file) for file in files]


def test_one_child_reads_many_files_and_ends_with_the_worker(good):
    with ReadWorker() as worker:
        worker.read(good)
        child = worker._child
        for _ in range(20):
            worker.read(good)
        assert worker._child is child
    assert child.returncode is not None


def test_an_unreadable_file_has_its_reason_and_spares_the_child(tmp_path, good):
    (tmp_path / "empty.md").touch()
    with ReadWorker() as worker:
        for _ in range(2):
            with pytest.raises(UnreadableFile, match=r"^the file is empty$"):
                worker.read(tmp_path / "empty.md")
            child = worker._child
        worker.read(good)
        assert worker._child is child


@pytest.mark.parametrize(
    ("body", "limits", "reason"),
    [
        ("while True: pass", {"seconds": 0.3}, "took longer than 0.3 s"),
        ("sum(range(10**12))", {"seconds": 0.3}, "took longer than 0.3 s"),  # one call into C
        (
            "text = str(bytearray(10**9))",
            {"memory": 400_000_000},
            "needed more than 400 MB of memory",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", {}, "the parser crashed (signal 11)"),
        ("sys.exit(4)", {}, "the parser crashed (exit status 4)"),
    ],
)
def test_a_parser_that_fails_costs_one_file(worker_with_parser, good, body, limits, reason):
    worker, file = worker_with_parser(body, **limits)
    started = time.monotonic()
    with pytest.raises(UnreadableFile) as caught:
        worker.read(file)
    assert str(caught.value).endswith(reason)
    assert time.monotonic() - started < 20
    assert worker.read(good).title == "Été 🦭"


def test_what_a_parser_prints_or_reads_reaches_nobody(worker_with_parser, good, capfd):
    worker, file = worker_with_parser(
        "print('noise', flush=True)\nos.write(1, b'noise')\nos.write(2, b'noise')\n"
        "text = repr(sys.stdin.read())"
    )
    assert worker.read(file).sections[0].text == "''"
    assert worker.read(good).title == "Été 🦭"
    assert capfd.readouterr() == ("", "")


def test_the_child_has_no_secrets_sockets_and_large_modules(worker_with_parser, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("DB_PASSWORD", "secret")
    worker, file = worker_with_parser(
        "files = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')[:-1]]\n"
        "text = [*os.environ, *files, *(name for name in sys.modules if 'llama' in name)]"
    )
    assert "PATH" in os.environ
    text = worker.read(file).sections[0].text
    assert "PATH" in text
    for unwanted in ("OPENAI", "PASSWORD", "socket:", "llama"):
        assert unwanted not in text


def test_copies_of_what_is_inside_of_a_file_go_even_if_a_parser_dies_over_them(
    worker_with_parser, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(scratch := tmp_path / "scratch"))
    scratch.mkdir()
    worker, word = worker_with_parser("os.kill(os.getpid(), signal.SIGSEGV)")
    packed = zip_file(tmp_path / "a.zip", {"a.docx": word.read_bytes()})
    with pytest.raises(UnreadableFile, match="the parser crashed"):
        worker.read(packed)
    assert list(scratch.rglob("a.docx"))
    worker.close()
    assert list(scratch.iterdir()) == []


def test_a_child_that_died_between_two_files_is_replaced(good):
    with ReadWorker() as worker:
        worker.read(good)
        worker._child.kill()
        worker._child.wait()
        assert worker.read(good).title == "Été 🦭"


def test_an_interrupted_read_does_not_answer_the_next_one(worker_with_parser, good):
    worker, file = worker_with_parser("time.sleep(1)\ntext = 'late'")
    worker.read(good)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        worker.read(file)
    assert worker.read(good).title == "Été 🦭"


def test_a_script_without_a_main_guard_can_read(tmp_path, good):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom kb.indexing.worker import ReadWorker\n"
        "with ReadWorker() as worker:\n    print(len(worker.read(Path(sys.argv[1])).sections))\n"
    )
    command = [sys.executable, str(script), str(good)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


def test_a_child_that_cannot_start_is_no_fault_of_the_file(worker_with_parser, tmp_path, good):
    worker, _ = worker_with_parser("")
    (tmp_path / "bs4.py").write_text("")
    (tmp_path / "resource.py").write_text("raise ImportError('broken installation')")
    with pytest.raises(RuntimeError, match="reader process ended with 1"):
        worker.read(good)


def test_an_orphan_does_not_parse_for_ever(worker_with_parser, tmp_path):
    _, file = worker_with_parser("while True: pass")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom kb.indexing.worker import ReadWorker\n"
        "worker = ReadWorker(seconds=0.5)\nworker._child = worker._start_child()\n"
        "print(worker._child.pid, flush=True)\nworker.read(Path(sys.argv[1]))\n"
    )
    command = [sys.executable, str(script), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        assert _is_alive(child)
        parent.kill()
    deadline = time.monotonic() + 10
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split()[2] != "Z"
