"""Several servers at work while each of their parts is killed in turn, and what came of it.

`make campaign CAMPAIGN_MINUTES=30 CAMPAIGN_SEED=1`. Ends with 1 when an acknowledged write is lost,
an answer is wrong, or a request failed that could be sent again.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from campaign_clients import Client, ask_question, chat, index_directory, upload
from cluster import Cluster, run_cluster, temporary_folder
from ledger import Ledger
from parts import Part, is_running
from read_throughput import measure_reads
from verify import verify_everything

_SETTLING: Final = 240  # seconds that clients have to end what they have begun


@dataclass(frozen=True)
class Kill:
    """A part that was killed: `at` and `seconds` until it did its work again."""

    part: str
    at: float
    pid: int
    new_pid: int
    seconds: float


def main() -> int:
    options = _read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    print(f"CAMPAIGN_SEED={options.seed}", flush=True)
    ledger = Ledger(options.seed)
    with temporary_folder(keep=options.keep) as folder, run_cluster(folder) as cluster:
        print(f"All parts run; the clients begin. Logs: {folder}", flush=True)
        kills = _work_and_kill(cluster, ledger, options.minutes * 60)
        seconds = verify_everything(cluster, ledger)
        reads = measure_reads(cluster, ledger, options.read_seconds) if options.read_seconds else {}
        _report(ledger, kills, seconds, reads, options.report)
        return int(bool(ledger.faults))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**9))
    parser.add_argument("--read-seconds", type=float, default=20, help="0 measures no reads")
    parser.add_argument("--report", type=Path, help="a file for the report, as JSON")
    parser.add_argument("--keep", action="store_true", help="keep logs and documents")
    return parser.parse_args()


def _work_and_kill(cluster: Cluster, ledger: Ledger, seconds: float) -> list[Kill]:
    """Have clients work, and kill parts until the time is over, each as often as the others."""
    over = threading.Event()
    threads = _start_clients(cluster, ledger, over)
    chance, end = random.Random(ledger.seed), time.monotonic() + seconds
    kills: list[Kill] = []
    try:
        while time.monotonic() < end:
            for part in chance.sample(cluster.parts, len(cluster.parts)):
                if time.monotonic() > end:
                    break
                time.sleep(chance.uniform(2, 10))
                kills.append(_kill(part, chance.uniform(0, 8)))
    finally:
        over.set()
        for thread in threads:
            thread.join(_SETTLING)
    for thread in threads:
        if thread.is_alive():
            ledger.blame(f"{thread.name} does not end")
    return kills


def _start_clients(
    cluster: Cluster, ledger: Ledger, over: threading.Event
) -> list[threading.Thread]:
    steps: list[tuple[str, Callable[[Client], None]]] = [
        ("asking 1", ask_question),
        ("asking 2", ask_question),
        ("chatting", chat),
        ("uploading", upload),
        *(
            (f"indexing {machine.name}", partial(index_directory, machine=machine))
            for machine in cluster.machines
        ),
    ]
    threads = []
    for number, (name, step) in enumerate(steps):
        client = Client(cluster, ledger, over, number)
        threads.append(threading.Thread(target=client.run, args=(step,), name=name, daemon=True))
        threads[-1].start()
    return threads


def _kill(part: Part, down: float) -> Kill:
    """Kill a part and start it again after a while; return the proof of both."""
    pid, at = part.find_pid(), time.time()
    part.kill()
    assert not is_running(pid), f"{part.name} outlives SIGKILL"
    time.sleep(down)
    part.start()
    new_pid = part.find_pid()
    assert new_pid != pid
    assert is_running(new_pid)
    kill = Kill(part.name, at, pid, new_pid, round(time.time() - at, 1))
    print(
        f"  {part.name}: {pid} killed, {new_pid} does its work {kill.seconds} s later", flush=True
    )
    return kill


def _report(
    ledger: Ledger,
    kills: Sequence[Kill],
    verified: float,
    reads: dict[str, Any],
    file: Path | None,
) -> None:
    values = {
        "seed": ledger.seed,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[1],
        "kills": [asdict(kill) for kill in kills],
        "counts": ledger.counts,
        "documents": len(ledger.documents),
        "verified in seconds": round(verified, 1),
        "reads": reads,
        "faults": ledger.faults,
    }
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values, indent=2, ensure_ascii=False))
    print("\nkilled, times, seconds until it worked again (longest)")
    for name in sorted({kill.part for kill in kills}):
        away = [kill.seconds for kill in kills if kill.part == name]
        print(f"  {name:12} {len(away):3}  {max(away):6.1f}")
    for what, number in sorted({**ledger.counts, "documents": len(ledger.documents)}.items()):
        print(f"  {what}: {number}")
    print(f"  reads: {json.dumps(reads, indent=4)}")
    print(f"{len(ledger.faults)} faults")
    for fault in ledger.faults:
        print(f"  {fault}")


if __name__ == "__main__":
    sys.exit(main())
