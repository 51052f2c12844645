"""No package of kb is imported without switching off what libraries tell their makers."""

import subprocess
import sys
from pathlib import Path

import pytest

from stores.telemetry import SWITCHED_OFF

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["stores", "engines", "kb"])
@pytest.mark.parametrize("setting", [{}, dict.fromkeys(SWITCHED_OFF, "0")], ids=["none", "on"])
def test_each_package_switches_it_off_whatever_the_environment_says(package, setting):
    told = subprocess.run(
        [sys.executable, "-c", f"import os, {package}; print(*os.environ.items(), sep='\\n')"],
        env={"PYTHONPATH": str(ROOT), **setting},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {str(variable) for variable in SWITCHED_OFF.items()} <= set(told)
