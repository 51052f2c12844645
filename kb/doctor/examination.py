"""Look at everything that kb stands on, one thing after the other."""

from collections.abc import Iterator
from pathlib import Path

from kb.config.loading import load_config
from kb.doctor.check import Check
from kb.doctor.configuration import check_configuration
from kb.doctor.models import check_models
from kb.doctor.server import check_server
from kb.doctor.tables import check_tables
from kb.doctor.workers import check_broker
from stores.errors import ConfigError
from stores.text.translations import Message


def examine(path: Path | None = None) -> Iterator[Check]:
    """Check everything, and yield each finding as soon as it is made; none raises or installs."""
    try:
        config = load_config(path)
    except ConfigError as error:
        yield Check(Message("Configuration"), "fail", str(error))
        return
    yield check_configuration(config)
    yield from check_server(config)
    if config.tables.include:
        yield from check_tables(config)
    yield from check_models(config)
    if config.workers.broker:
        yield check_broker(config)
