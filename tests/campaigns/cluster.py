"""A knowledge base on several servers, all on this machine, each blind to the others' folders."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import haproxy
import httpx
import yaml
from parts import (
    Database,
    Part,
    Program,
    accepts_connections,
    find_free_ports,
    put_on_machine,
)
from redis_server import REDIS
from replication import run_primary, run_replica

from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database

ROOT: Final = Path(__file__).parents[2]
REPLICA_SECONDS: Final = 5
_DATABASE: Final = "kb"
_DEAD_AFTER: Final = 6  # seconds without a sign of life of a worker


@dataclass(frozen=True)
class Machine:
    """What a server has for itself: its folder with a directory of documents, and its port."""

    name: str
    folder: Path
    port: int

    @property
    def documents(self) -> Path:
        return self.folder / f"archive-{self.name}"

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Cluster:
    """`url` is the proxy's; `parts` are what may be killed."""

    url: str
    key: str
    machines: tuple[Machine, Machine]
    primary: PrivateServer
    replicas: tuple[PrivateServer, PrivateServer]
    parts: tuple[Part, ...]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def require_programs() -> None:
    """Raise SystemExit for what has to be installed first."""
    names = {"haproxy": haproxy.PROGRAM, "redis-server": REDIS, "unshare": shutil.which("unshare")}
    if missing := [name for name, place in names.items() if not place]:
        raise SystemExit(
            f"The campaign needs {', '.join(missing)}. On Debian: apt-get install haproxy "
            "redis-server util-linux"
        )


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run all parts over a new knowledge base, in which each machine's documents are indexed."""
    require_programs()
    with ExitStack() as running:
        primary, port = running.enter_context(run_primary())
        replicas = tuple(running.enter_context(run_replica(port, number)) for number in (2, 3))
        admin = make_engine(primary.url(""))
        create_database(admin, _DATABASE)
        admin.dispose()
        ports = find_free_ports(4)
        broker = f"redis://127.0.0.1:{ports[0]}/0"
        machines = tuple(
            _make_machine(folder, name, port) for name, port in zip("ab", ports[1:3], strict=True)
        )
        for machine in machines:
            _configure(machine.config, primary, replicas, broker, machine)
        programs = _list_programs(folder, machines, ports[0], ports[3])
        running.callback(_kill_all, programs)
        key = _prepare(machines)
        for program in programs:
            program.start()
        databases = [
            Database("primary", primary),
            *(Database(f"replica {n}", server) for n, server in enumerate(replicas, 1)),
        ]
        url = f"http://127.0.0.1:{ports[3]}"
        yield Cluster(url, key, machines, primary, replicas, (*databases, *programs))


def _make_machine(folder: Path, name: str, port: int) -> Machine:
    machine = Machine(name, folder / f"machine-{name}", port)
    machine.documents.mkdir(parents=True)
    return machine


def _configure(
    file: Path,
    primary: PrivateServer,
    replicas: tuple[PrivateServer, ...],
    broker: str,
    machine: Machine,
) -> None:
    database = {
        "url": _write_url(primary),
        "replicas": [_write_url(replica) for replica in replicas],
        "replica_seconds": REPLICA_SECONDS,
    }
    sections = {
        "database": database,
        "documents": {"path": str(machine.documents)},
        "serve": {"port": machine.port, "redis_url": broker},
        "workers": {"broker": broker, "dead_after": _DEAD_AFTER},
    }
    file.write_text(yaml.safe_dump(sections))
    file.chmod(0o600)


def _write_url(server: PrivateServer) -> str:
    return server.url(_DATABASE).render_as_string(hide_password=False)


def _list_programs(
    folder: Path, machines: tuple[Machine, ...], redis_port: int, proxy_port: int
) -> list[Program]:
    """List what is started after the databases, in the order in which it is."""
    redis = [str(REDIS), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
    places = [f"127.0.0.1:{machine.port}" for machine in machines]
    proxy = haproxy.name_places(proxy_port, places[0], places[1], folder)
    servers = [
        Program(
            f"server {machine.name}",
            put_on_machine(
                f"machine-{machine.name}",
                other.folder,
                run_kb("--config", str(machine.config), "serve"),
            ),
            folder / f"server-{machine.name}.log",
            lambda machine=machine: _is_ready(machine.url),
            _environment(machine),
        )
        for machine, other in (machines, machines[::-1])
    ]
    workers = [
        Program(
            f"worker {number}",
            run_kb("--config", str(machines[0].config), "worker", "--processes", "1"),
            folder / f"worker-{number}.log",
            lambda: True,
            _environment(machines[0]),
        )
        for number in (1, 2)
    ]
    return [
        Program(
            "redis",
            [*redis, "--dir", str(folder)],
            folder / "redis.log",
            lambda: accepts_connections(redis_port),
        ),
        *servers,
        *workers,
        Program(
            "haproxy",
            [str(haproxy.PROGRAM), "-db", "-f", str(haproxy.FILE)],
            folder / "haproxy.log",
            lambda: accepts_connections(proxy_port),
            proxy,
        ),
    ]


def run_kb(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kb", *arguments]


def _environment(machine: Machine) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "KB_HOME": str(machine.folder / "home"), "KB_LANGUAGE": "en"}


def _is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    return False


def _prepare(machines: tuple[Machine, ...]) -> str:
    """Index a first document of each machine, without which no server is ready; return a key."""
    for machine in machines:
        (machine.documents / "first.md").write_text("# First\n\nThe first document of all.\n")
        _run(machine, "index")
    told = _run(
        *(machines[0], "key", "create", "campaign", "--scope", "admin"),
        *("--rate", "1000000", "--json"),
    )
    return str(yaml.safe_load(told)["key"])


def _run(machine: Machine, *arguments: str) -> str:
    command = run_kb("--config", str(machine.config), *arguments)
    environment = {**os.environ, **_environment(machine)}
    return subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _kill_all(programs: list[Program]) -> None:
    for program in programs:
        if program.process and program.process.poll() is None:
            program.kill()


@contextmanager
def temporary_folder(*, keep: bool) -> Iterator[Path]:
    """Make a folder for machines and logs, whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="kb-campaign-", dir="/tmp"))
    yield folder
    if keep:
        print(f"Logs are kept in {folder}")
    else:
        shutil.rmtree(folder)
