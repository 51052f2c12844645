"""Check the file of the configuration."""

import stat

from kb.config.config_file import find_literal_secrets
from kb.config.sections import Config
from kb.doctor.check import Check
from stores.text.translations import Message


def check_configuration(config: Config) -> Check:
    name = Message("Configuration")
    if config.file is None:
        return Check(
            name,
            "ok",
            Message("no config.yaml, so the defaults"),
            Message("`kb init` writes one."),
        )
    secrets = find_literal_secrets(config.file)
    if not secrets or not config.file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return Check(name, "ok", str(config.file))
    return Check(
        name,
        "warn",
        Message(
            "{file} holds {secrets}, and other accounts can read it",
            file=config.file,
            secrets=", ".join(secrets),
        ),
        Message(
            "Run chmod 600 {file}, or take them from the environment: ${{NAME}}.",
            file=config.file,
        ),
    )
