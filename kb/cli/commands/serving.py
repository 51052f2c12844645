"""The commands `kb serve` and `kb key`."""

import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, fit_on_one_line, say
from stores.errors import ConfigError
from stores.text.translations import gettext_noop

if TYPE_CHECKING:
    from kb.config.sections import Config
    from stores.api_keys import ApiKey

key = typer.Typer(help="Keys of the server.", no_args_is_help=True)


def serve(
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Where to listen.  [default: serve.host]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="The port.  [default: serve.port]"),
    ] = None,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="How many processes serve.")
    ] = 1,
    config: ConfigPath = None,
) -> None:
    """Serve the knowledge base over HTTP.

    While there is no key, callers need the token of the address that it says.

    \b
    kb serve
    kb serve --port 9000
    kb serve --host 0.0.0.0            # takes a key: kb key create NAME
    """
    try:
        from kb.api.serve import run
    except ModuleNotFoundError as error:
        missing = gettext(
            "kb serve needs {package}, which is not installed. From a checkout: "
            "pip install '.[serve]'"
        )
        raise ConfigError(missing.format(package=error.name)) from error
    from kb.api.guards.access import with_token
    from kb.config.loading import load_config

    loaded = load_config(config)
    address, number = host or loaded.serve.host, port or loaded.serve.port
    has_keys = require_key_beyond_loopback(config, address)
    require_free_port(address, number)
    guarded = with_token(loaded)
    where = web_address(address, number)
    if (token := find_token_to_announce(loaded, guarded)) and not has_keys:
        where = f"{where}/?token={token}"
    say(gettext("Ask at {address} (the API: /docs). Ctrl-C stops.").format(address=where))
    with suppress(KeyboardInterrupt):  # the way to stop it, once running answers have ended
        run(guarded, address, number, processes)


def find_token_to_announce(loaded: "Config", guarded: "Config") -> str | None:
    """Return the token that nobody knows yet; who has set one needs not be told."""
    if loaded.serve.token or not guarded.serve.token:
        return None
    return guarded.serve.token.get_secret_value()


def web_address(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}"


def require_free_port(address: str, port: int) -> None:
    """Raise ConfigError for a port in use: the server itself would say so in a log only."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError as error:
            taken = gettext(
                "Port {port} of {address} cannot be served on: {reason}. Stop what uses it, or "
                "choose another with --port."
            )
            raise ConfigError(
                taken.format(port=port, address=address, reason=error.strerror)
            ) from error


def require_key_beyond_loopback(config: Path | None, address: str) -> bool:
    """Return whether there are keys. Raises ConfigError where other machines need one."""
    from kb.api.guards.access import LOOPBACK
    from stores.api_keys import ApiKeys

    # It also shows what is wrong before anything is served.
    with open_knowledge_base(config) as knowledge_base:
        has_keys = ApiKeys(knowledge_base.components.engine).has_any()
        serve = knowledge_base.config.serve
    signs_in = serve.trusted_proxy or serve.oidc
    if address not in LOOPBACK and not (has_keys or signs_in):
        unguarded = gettext(
            "{address} can be reached from other machines, and no key guards the server. "
            "Create one first: kb key create NAME"
        )
        raise ConfigError(unguarded.format(address=address))
    return has_keys


KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")]
Scope = Annotated[
    Literal["read", "write", "admin"],
    typer.Option(help="read asks; write also uploads; admin also indexes and verifies."),
]
Collections = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROOT",
        help="An indexed directory whose documents the key may see, by its name in `kb status`."
        " May be repeated.  [default: all]",
    ),
]
KeyGroups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="GROUP",
        help="A group that its holder is in, for `access` of config.yaml. May be repeated."
        "  [default: everyone alone; with --scope admin everything is seen]",
    ),
]
Only = Annotated[
    Literal["documents", "tables"] | None,
    typer.Option(help="What the key may ask from.  [default: both]"),
]
MayVerify = Annotated[
    bool, typer.Option("--verify", help="May keep verified queries, as admin may.")
]
Expiry = Annotated[
    str | None,
    typer.Option(
        metavar="DAYSd|DATE",
        help="When the key ends: after so many days (30d), or at 00:00 UTC of a day "
        "(2027-01-31).  [default: never]",
    ),
]
RequestRate = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Requests a minute.  [default: serve.requests_per_minute]"
    ),
]
TokensPerDay = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Model tokens a day.  [default: serve.tokens_per_day]"),
]
MonthBudget = Annotated[
    float | None,
    typer.Option(
        metavar="SUM",
        min=0.01,
        help="The most that models may cost in a month, in the currency of cost.prices.  "
        "[default: cost.budget]",
    ),
]


@key.command()
def create(
    name: KeyName,
    scope: Scope = "read",
    collection: Collections = None,
    group: KeyGroups = None,
    only: Only = None,
    verify: MayVerify = False,
    expires: Expiry = None,
    rate: RequestRate = None,
    tokens: TokensPerDay = None,
    budget: MonthBudget = None,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Make a key, and show it once."""
    end = _parse_expiry(expires) if expires else None
    if verify and only == "documents":
        raise typer.BadParameter(
            gettext("verified queries are of tables: leave out --verify or --only")
        )
    with open_knowledge_base(config) as knowledge_base:
        from stores.api_keys import ApiKeys

        if budget is not None and knowledge_base.config.cost.prices is None:
            raise typer.BadParameter(
                gettext("--budget needs prices: name a file of them in cost.prices")
            )
        _require_roots(
            collection or [],
            [root["name"] for root in knowledge_base.components.registry.list_roots()],
        )
        secret = ApiKeys(knowledge_base.components.engine).create(
            name,
            scope,
            collections=collection or None,
            groups=group or None,
            only=only,
            verifies=verify,
            expires=end,
            requests_per_minute=rate,
            tokens_per_day=tokens,
            month_budget=None if budget is None else Decimal(str(budget)),
        )
    if as_json:
        from kb.cli.print_json import print_json

        about = {"name": name, "scope": scope, "groups": group or None, "only": only}
        print_json({**about, "verifies": verify, "expires": end, "key": secret})
    else:
        shown = gettext("The key of {name}, scope {scope}. It is shown this once:")
        say(shown.format(name=name, scope=scope))
        OUT.print(secret, soft_wrap=True, highlight=False, markup=False)


def _parse_expiry(expires: str) -> datetime:
    """Parse the end of a key: days from now, or a date.

    Raises BadParameter for what is neither, or is over.
    """
    now = datetime.now(UTC)
    try:
        if expires.endswith("d"):
            end = now + timedelta(days=int(expires[:-1]))
        else:
            given = datetime.fromisoformat(expires)
            end = given if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        wrong = gettext("--expires is {given}; give 30d or 2027-01-31")
        raise typer.BadParameter(wrong.format(given=expires)) from error
    if end <= now:
        over = gettext("--expires is {given}, which is over")
        raise typer.BadParameter(over.format(given=expires))
    return end


def _require_roots(wanted: list[str], known: list[str]) -> None:
    if missing := sorted({*wanted} - {*known}):
        wrong = (
            gettext(
                "No indexed directory is named {missing}; there are {known}. Index it first, or "
                "correct --collection."
            )
            if known
            else gettext(
                "No indexed directory is named {missing}; there are none yet. Index it first, or "
                "correct --collection."
            )
        )
        raise ConfigError(wrong.format(missing=", ".join(missing), known=", ".join(known)))


@key.command("list")
def list_keys(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """All keys, without their secrets."""
    with open_knowledge_base(config) as knowledge_base:
        from stores.api_keys import ApiKeys

        keys = ApiKeys(knowledge_base.components.engine).list_keys()
    if as_json:
        from dataclasses import asdict

        from kb.cli.print_json import print_json

        print_json([asdict(listed_key) for listed_key in keys])
        return
    for listed_key in keys:
        OUT.print(_describe_key(listed_key), soft_wrap=True, highlight=False, markup=False)


_ONLY = {"documents": gettext_noop("documents only"), "tables": gettext_noop("tables only")}


def _describe_key(key: "ApiKey") -> str:
    roots = ", ".join(key.collections) if key.collections else gettext("all documents")
    limits = [
        text.format(n=limit)
        for limit, text in (
            (key.requests_per_minute, gettext("{n} requests a minute")),
            (key.tokens_per_day, gettext("{n} tokens a day")),
            (key.month_budget, gettext("{n} a month")),
        )
        if limit
    ]
    about = [
        *(key.name, key.scope),
        *([gettext("verifies")] if key.verifies else []),
        *([gettext(_ONLY[key.only])] if key.only else []),
        *([] if key.only == "tables" else [roots]),
        *([", ".join(key.groups)] if key.groups else []),
        *limits,
        *_describe_key_states(key),
    ]
    return fit_on_one_line(" · ".join(about))


def _describe_key_states(key: "ApiKey") -> list[str]:
    if key.revoked:
        return [gettext("revoked {day:%Y-%m-%d}").format(day=key.revoked)]
    states = [gettext("since {day:%Y-%m-%d}").format(day=key.created)]
    if key.expires:
        ends = (
            gettext("expired {time:%Y-%m-%d %H:%M} UTC")
            if key.is_expired
            else gettext("until {time:%Y-%m-%d %H:%M} UTC")
        )
        states.append(ends.format(time=key.expires))
    return states


@key.command()
def revoke(name: Annotated[str, typer.Argument(metavar="NAME")], config: ConfigPath = None) -> None:
    """Refuse a key from now on."""
    with open_knowledge_base(config) as knowledge_base:
        from stores.api_keys import ApiKeys
        from stores.verified_queries import VerifiedQueries

        ApiKeys(knowledge_base.components.engine).revoke(name)
        left = [
            query.name
            for query in VerifiedQueries(knowledge_base.components.engine)
            if query.key == name
        ]
    say(gettext("The key of {name} is of no use any more.").format(name=name))
    if left:
        still = gettext(
            "Queries that it has verified still answer: {names}. `kb sql --remove NAME` removes "
            "one."
        )
        say(still.format(names=", ".join(left)))
