"""The sample shop: config.yaml and data/, beside the packages or, installed, in kb/sample."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from kb.assembly.open_database import open_private_database
from kb.config.loading import load_config
from kb.config.sections import Config
from stores.errors import ConfigError
from stores.registry.script import run_script

QUESTIONS = (
    "Should I descale the Brume 2 again when it shows CB-121?",  # minutes, e-mail and PDF agree
    "Why did customers fail to pay on Black Friday?",  # the report calls it a checkout outage
    "Pourquoi mon espresso est-il trop acide ?",
    "What was our revenue in 2025?",  # a verified query
)


def sample_directory() -> Path:
    package = Path(__file__).parent
    for directory in (package / "sample", package.parent):
        if (directory / "data" / "shop.sql").is_file():
            return directory
    raise ConfigError(f"The sample data are missing from {package}; install kb again.")


def list_sample_documents() -> list[tuple[str, Path]]:
    """List the documents of the shop, each by its path in their directory and where it is."""
    directory = sample_directory() / "data" / "documents"
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return [(path.relative_to(directory).as_posix(), path) for path in files]


def sample_config() -> Config:
    return load_config(sample_directory() / "config.yaml")


def load_shop(config: Config, say: Callable[[str], None] = lambda _: None) -> None:
    """Load the business tables into their database on the private server, anew each time."""
    name = config.tables.database or "shop"
    script = (sample_directory() / "data" / "shop.sql").read_text(encoding="utf-8")
    engine = open_private_database(config, name, say)
    with FileLock(config.home / "shop.lock"):  # tables are dropped and created without transaction
        run_script(engine, script)
    engine.dispose()
