"""The commands `kb status` and `kb doctor`."""

from dataclasses import asdict

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_only_database
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, show_waiting


def status(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show what is indexed, and what failed."""
    from kb.cli.print_json import print_json
    from kb.cli.rendering.state import show_status
    from kb.status import read_status

    with open_only_database(config) as (engine, loaded):
        state = read_status(engine, loaded)
    if as_json:
        print_json(state)
    else:
        show_status(OUT, state)


def doctor(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Check everything, and say what to change.

    Looks at the configuration, the server, the collection and the models. The exit code is 1 when
    something fails, 0 when there are only warnings.
    """
    with show_waiting(gettext("Looking")):
        from kb.cli.print_json import print_json
        from kb.cli.rendering.state import show_check
        from kb.doctor.examination import examine
    checks = []
    for check in examine(config):
        checks.append(check)
        if not as_json:
            show_check(OUT, check)
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(ExitCode.FAILED)
