"""Importing kb, engines and stores changes nothing that belongs to the host program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST_OTHERS = """
import json, sys
{import_ours}
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in OURS]))
"""
COMPARE = """
import gc, json, logging, signal, sys
from contextlib import suppress

for name in json.loads(sys.stdin.read()):
    with suppress(Exception):
        __import__(name)

from llama_index_instrumentation import get_dispatcher
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.base import ischema_names

def is_ours(name):
    return name.partition(".")[0] in ("kb", "engines", "stores")

def look():
    loggers = {{name: logging.getLogger(name) for name in logging.root.manager.loggerDict}}
    root = get_dispatcher("root")
    return {{
        "loggers": {{
            name: [log.level, log.disabled, log.propagate, map_names(log.handlers + log.filters)]
            for name, log in {{**loggers, "": logging.root}}.items()
            if not is_ours(name)
            and (log.level or log.handlers or log.filters or log.disabled or not log.propagate)
        }},
        "types": sorted(ischema_names),
        "dialects": sorted(registry.impls),
        "handlers": map_names([*root.event_handlers, *root.span_handlers]),
        "interval": sys.getswitchinterval(),
        "frozen": gc.get_freeze_count(),
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
    }}

def map_names(objects):
    return [type(found).__name__ for found in objects]

before = look()
{import_ours}
print(json.dumps([before, look()]))
"""
IMPORT_OURS = """
import importlib, pkgutil
OURS = ("kb", "engines", "stores")
ELSEWHERE = ("haystack", "semantic_kernel")  # make test-frameworks installs them
for package in OURS:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name.partition(".")[0] not in ELSEWHERE:
                    raise
"""


def run(script: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", script.format(import_ours=IMPORT_OURS)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_importing_changes_no_logger_registry_dispatcher_or_interpreter():
    before, after = json.loads(run(COMPARE, run(LIST_OTHERS)))
    assert before["types"]
    assert after == before


def test_what_needs_no_llama_index_does_not_wait_for_it():
    """It takes seconds to import, and the state of a knowledge base is asked often."""
    script = (
        "import sys, kb.cli.commands.checking, kb.cli.opening, kb.status, kb.assembly.{opened}\n"
    )
    script += "print([name for name in sys.modules if name.startswith('llama_index')])"
    assert run(script.format(opened="open_database")) == "[]"
