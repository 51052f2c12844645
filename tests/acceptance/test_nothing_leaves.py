"""The first promise, seen from the kernel: whom kb's processes talk to, which files they make.

It holds for every dependency: none phones home, none keeps a file of its own about the machine.
"""

import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fetched import CACHE, MARIADBD

from kb.sentence_model import fetch
from stores.private_server import PrivateServer

ROOT = Path(__file__).parents[2]
# With a home of its own, whose server starts and ends under the same eyes.
DRIVER = """\
import json, os, signal, subprocess, sys, time, urllib.error, urllib.request

token = os.environ["KB_SERVE_TOKEN"] = "the-token-of-this-test"
port, (*kb,) = sys.argv[1], (sys.executable, "-m", "kb")
question = "How long may customers return a kettle?"

def ask_server():
    body = json.dumps({"question": question}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/ask", body, headers)
    with urllib.request.urlopen(request) as reply:
        assert "30 days" in reply.read().decode()

def serve():
    serving = subprocess.Popen([*kb, "serve", "--port", port, "--processes", "2"])
    try:
        for _ in range(600):
            try:
                return ask_server()
            except urllib.error.URLError:
                assert serving.poll() is None
                time.sleep(0.1)
        raise AssertionError("the server does not answer")
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait()

try:
    for arguments in (["index"], ["search", question], ["ask", question]):
        subprocess.run([*kb, *arguments], check=True)
    serve()
    library = "import stores, engines; from kb import KnowledgeBase; KnowledgeBase.open().close()"
    subprocess.run([sys.executable, "-c", library], check=True)
finally:
    subprocess.run([*kb, "db", "stop"], check=True)
"""

ADDRESS = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([0-9a-fA-F.:]+)"'
)
MADE = re.compile(r"O_CREAT.* = \d+<(.+)>$")
NAME_SERVICE = re.compile(r'"(/etc/resolv\.conf|[^"]*/systemd/resolve/[^"]*)"')

SECONDS = 240  # for eight processes that import LlamaIndex, in front of the kernel's eyes

pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(SECONDS + 60),
]


@dataclass(frozen=True)
class Trace:
    """What the kernel was asked for while kb ran in `folder`, its port the only one to talk to."""

    folder: Path
    port: int
    lines: list[str]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory, server: PrivateServer) -> Iterator[Trace]:
    """Each command, from its start to the end of the private server, in a fresh home."""
    fetch(CACHE, print)  # as the server's program was
    folder = tmp_path_factory.mktemp("traced")
    for name in ("home", "docs", "tmp"):
        (folder / name).mkdir()
    (folder / "docs" / "returns.md").write_text("# Returns\n\nKettles go back within 30 days.\n")
    (folder / "docs" / "page.html").write_text("<title>Lamps</title><p>A page about lamps.</p>")
    (folder / "config.yaml").write_text(yaml.safe_dump({"documents": {"path": "docs"}}))
    port, record = free_port(), folder / "trace"  # and a number, for each thread
    watch = ["strace", "-ff", "-qq", "--seccomp-bpf", "-yy", "-s", "200", "-o", str(record)]
    watch += ["-e", "trace=connect,sendto,sendmsg,sendmmsg,open,openat,creat"]
    done = subprocess.run(
        [*watch, sys.executable, "-c", DRIVER, str(port)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = (path.read_text("utf-8", "replace") for path in folder.glob("trace.*"))
    yield Trace(folder, port, [line for text in texts for line in text.splitlines()])
    shutil.rmtree(folder)


def environment(folder: Path) -> dict[str, str]:
    """A user's on the first day: no setting of the developer's, and none that kb itself makes."""
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "KB_HOME": str(folder / "kb-home"),
        "KB_CACHE": str(CACHE),
    }
    return given | ({"KB_MARIADBD": MARIADBD} if MARIADBD else {})


def test_no_address_is_talked_to_but_the_configured_one(trace: Trace) -> None:
    talked = {
        (ipaddress.ip_address(match[2]).is_loopback, int(match[1]))
        for line in trace.lines
        for match in ADDRESS.finditer(line)
    }
    assert talked == {(True, trace.port)}


def test_no_name_is_looked_up(trace: Trace) -> None:
    assert [line for line in trace.lines if NAME_SERVICE.search(line)] == []


def test_no_file_is_made_but_in_the_places_of_kb(trace: Trace) -> None:
    made = {Path(match[1]) for line in trace.lines if (match := MADE.search(line))}
    own = (trace.folder / "kb-home", trace.folder / "tmp", CACHE, Path("/dev"))
    assert any(path.is_relative_to(own[0]) for path in made)
    assert {
        path
        for path in made
        if path.parent.name != "__pycache__" and not any(map(path.is_relative_to, own))
    } == set()


def test_the_home_directory_stays_empty(trace: Trace) -> None:
    assert [*(trace.folder / "home").rglob("*")] == []
