"""Commands that need no LlamaIndex do not wait for it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "modules",
    [
        "kb.cli",
        "kb.assembly.open_database, kb.status, kb.cli.rendering.state",
        "stores.chats.session_list, kb.session_values, kb.cli.rendering.session_list",
    ],
    ids=["kb --help", "kb status", "kb session list"],
)
def test_llama_index_is_not_imported(modules):
    program = (
        f"import sys, {modules}; print(any(name.startswith('llama_index') for name in sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "False"
