"""Work on a database in a process of its own."""

import subprocess
import sys
import textwrap

import sqlalchemy as sa


def in_another_process(engine: sa.Engine, work: str) -> subprocess.Popen[str]:
    url = engine.url.render_as_string(hide_password=False)
    program = f"""
        import sys
        from stores.connection import make_engine
        engine = make_engine({url!r})
    """
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program) + textwrap.dedent(work)],
        stdin=pipe, stdout=pipe, text=True,
    )  # fmt: skip
