"""llm, the program of the command line, told of the server as its page on other models says."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "extra-openai-models.yaml").write_text(
        "- model_id: kb\n  model_name: kb-documents\n  api_key_name: kb\n"
        f"  api_base: {os.environ['KB_API']}\n"
    )
    for options in ([], ["--no-stream"]):
        words = [*options, "--key", os.environ["KB_TOKEN"], "-m", "kb", os.environ["KB_QUESTION"]]
        command = [str(Path(sys.executable).with_name("llm")), *words]
        subprocess.run(command, check=True, env=os.environ | {"LLM_USER_PATH": folder})
