"""Work that is killed at one statement after another, each time in a process of its own."""

import signal
import subprocess
import sys

# Everything is imported once; each point forks a process that is killed before its statement of
# that number which writes.
_PROGRAM = """\
import os, signal, sys
import sqlalchemy as sa
from sqlalchemy import event
{setup}

def work(arguments):
    {work}

WRITES = ("INSERT", "DELETE", "UPDATE", "REPLACE", "CREATE", "DROP", "ALTER", "RENAME", "TRUNCATE")
for point in map(int, sys.argv[1].split(",")):
    if os.fork() == 0:
        seen = 0

        @event.listens_for(sa.Engine, "before_cursor_execute")
        def count(_c, _cursor, sql, *_):
            global seen
            seen += sql.lstrip().startswith(WRITES)
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

        work(sys.argv[2:])
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    print(status, flush=True)
    if status != -signal.SIGKILL:
        break
"""


def kill_at_points(setup: str, work: str, arguments: list[str], points: range) -> int:
    """Begin work anew for each point at which it is killed, until it ends; return how often."""
    program = _PROGRAM.format(setup=setup, work=work)
    listed = ",".join(map(str, points))
    done = subprocess.run(
        [sys.executable, "-c", program, listed, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    ends = list(map(int, done.stdout.split()))
    assert set(ends) <= {0, -signal.SIGKILL}
    return ends.count(-signal.SIGKILL)
