"""Check the server of kb's own database: installed, reachable, new enough, with room."""

import shutil
import socket
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from kb.assembly.open_database import open_database, private_server
from kb.config.sections import Config
from kb.doctor.check import MEGABYTE, MOST_NAMED, SECONDS, Check, format_size
from kb.doctor.collection import check_collection
from stores.connection import (
    count_slow_statements,
    measure_clock_lead,
    read_cipher,
    read_server_info,
)
from stores.errors import KBError, StoreError
from stores.text.translations import Message
from stores.tls import is_server_checked

_CLOCK_SECONDS: Final = 2.0  # more than the way there and back takes
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
LITTLE_SPACE: Final = 1024 * MEGABYTE


def check_server(config: Config) -> Iterator[Check]:
    """Check the server, and what is indexed on it if it answers."""
    if config.database.url == "embedded":
        installed = _check_installation(config)
        yield installed
        if installed.state == "fail":
            return
        yield _check_disk_space(config)
        yield from _check_updates(config)
    try:
        engine = open_database(config)
        info = read_server_info(engine)
    except KBError as error:
        yield explain_refusal(Message("Server"), error, config.database.url)
        return
    version = info.version.split("-")[0]
    seen = Message("MariaDB {version} answers and has vectors", version=version)
    yield Check(Message("Server"), "ok", seen)
    yield from check_encryption(engine, "database.url")
    yield check_clock(measure_clock_lead(engine))
    yield check_slow_statements(*count_slow_statements(engine))
    yield from check_collection(config, engine, info)
    engine.dispose()


def check_clock(lead: float) -> Check:
    """Check that clocks agree: what is open, kept or expired is judged by both."""
    name, seconds = Message("Clock"), round(abs(lead), 1)
    if seconds < _CLOCK_SECONDS:
        return Check(name, "ok", Message("the server's and this machine's agree"))
    seen = (
        Message("the server's is {seconds} s ahead of this machine's", seconds=seconds)
        if lead > 0
        else Message("the server's is {seconds} s behind this machine's", seconds=seconds)
    )
    advice = Message(
        "Let both follow a time server: answers under way, links and keys end too early or late."
    )
    return Check(name, "warn", seen, advice)


def check_slow_statements(number: int, seconds: float) -> Check:
    """Check whether the server had statements that are slow by its own measure."""
    name, days = Message("Slow statements"), round(seconds / 86_400, 1)
    if not number:
        return Check(name, "ok", Message("none in {days} days", days=days))
    seen = Message("{n} in {days} days", n=number, days=days)
    advice = Message(
        "`kb stats` names the steps that take long; on the server, slow_query_log=ON writes such "
        "statements down (long_query_time says from when)."
    )
    return Check(name, "warn", seen, advice)


def check_encryption(engine: sa.Engine, setting: str) -> Iterator[Check]:
    """Check that what goes to another machine is encrypted on its way."""
    url, name = engine.url, Message("TLS of {setting}", setting=setting)
    if "unix_socket" in url.query or (url.host or "localhost") in _THIS_MACHINE:
        return
    cipher = read_cipher(engine)
    if not cipher:
        seen = Message("what goes to {host} can be read on its way", host=url.host)
        advice = Message(
            "Add ?ssl_ca=FILE to {setting}, the certificate of who issued the server's, or "
            "?ssl=true for one that this machine trusts.",
            setting=setting,
        )
        yield Check(name, "warn", seen, advice)
    elif not is_server_checked(url):
        seen = Message(
            "encrypted by {cipher}, to whoever answers as {host}", cipher=cipher, host=url.host
        )
        advice = Message(
            "Add ssl_ca=FILE to {setting}, and no ssl_verify_cert=false.", setting=setting
        )
        yield Check(name, "warn", seen, advice)
    else:
        yield Check(
            name, "ok", Message("encrypted by {cipher}, certificate checked", cipher=cipher)
        )


def explain_refusal(name: Message, error: KBError, url: sa.URL | str) -> Check:
    """Tell why a server cannot be used; of one that does not answer, how far its address goes."""
    seen, question, _ = str(error).partition(" Is it running, and is ")
    if not question or not isinstance(url, sa.URL) or "unix_socket" in url.query:
        return Check(name, "fail", str(error))
    host, port = url.host or "127.0.0.1", url.port or 3306
    place = {"host": host, "port": port}
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except socket.gaierror:
        return Check(name, "fail", seen, Message("{host} is no known name. Correct it.", **place))
    except ConnectionRefusedError:
        advice = Message(
            "Nothing listens on port {port} of {host}. Start the server, correct host and port, or "
            "let it listen at that address (bind-address).",
            **place,
        )
    except OSError:
        advice = Message(
            "Nothing comes back from port {port} of {host}. Look for a firewall or a network that "
            "is not connected.",
            **place,
        )
    else:
        advice = Message(
            "Port {port} of {host} is open, but what listens there does not answer as MariaDB "
            "does. Correct the port, or read the server's log.",
            **place,
        )
    return Check(name, "fail", seen, advice)


def _check_installation(config: Config) -> Check:
    name = Message("Private MariaDB")
    try:
        status = private_server(config).status()
    except KBError as error:
        return Check(name, "fail", str(error))
    if status.binary is None:
        missing = Message("no MariaDB 11.8 or later on this machine")
        return Check(name, "fail", missing, Message("Run `kb setup`."))
    if not status.data_directory.exists():
        return Check(name, "fail", Message("it was never started"), Message("Run `kb setup`."))
    seen = Message(
        "{program}, data in {directory}", program=status.binary, directory=status.data_directory
    )
    return Check(name, "ok", seen)


def _check_updates(config: Config) -> Iterator[Check]:
    """Check a server that kb fetched, which no package manager renews, for newer packages."""
    name = Message("MariaDB updates")
    try:
        updates = private_server(config).find_updates()
    except StoreError as error:
        reason = str(error).splitlines()[0].removesuffix(":")
        seen = Message("could not look: {reason}", reason=reason)
        yield Check(name, "warn", seen, Message("Look again with a network."))
        return
    if updates:
        named, more = ", ".join(updates[:MOST_NAMED]), len(updates) - MOST_NAMED
        if more > 0:
            seen = Message("Debian has {packages} and {n} more", packages=named, n=more)
        else:
            seen = Message("Debian has {packages}", packages=named)
        yield Check(name, "warn", seen, Message("Run `kb setup --upgrade`."))
    elif updates is not None:
        newest = Message("the fetched packages are the newest of Debian's archive")
        yield Check(name, "ok", newest)


def _check_disk_space(config: Config) -> Check:
    free = shutil.disk_usage(config.home).free
    name = Message("Disk")
    seen = Message("{size} free at {directory}", size=format_size(free), directory=config.home)
    if free < LITTLE_SPACE:
        advice = Message("Free some space, or move KB_HOME to another disk.")
        return Check(name, "warn", seen, advice)
    return Check(name, "ok", seen)
