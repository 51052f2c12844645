"""Run comparison.py in an environment of its own, made on first use.

The public integration needs an older SQLAlchemy than kb's own environment may hold.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".cache" / "benchmark"
READY = ENVIRONMENT / ".ready"
PUBLIC = ("llama-index-vector-stores-mariadb==0.6.0", "sqlalchemy<2.1")


def main() -> None:
    python = ENVIRONMENT / "bin" / "python"
    if not READY.exists():
        print(f"Installing kb and the public integration into {ENVIRONMENT} …", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--editable", f"{ROOT}[pymysql]", *PUBLIC], check=True)
        READY.touch()
    comparison = Path(__file__).with_name("comparison.py")
    os.execv(python, [str(python), str(comparison), *sys.argv[1:]])


if __name__ == "__main__":
    main()
