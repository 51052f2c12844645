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
from stores.connection import read_server_info
from stores.errors import KBError, StoreError
from stores.text.translations import Message

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
    yield from check_collection(config, engine, info)
    engine.dispose()


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
