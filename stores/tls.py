"""TLS to a server as its URL asks for it: the same with either driver, and never less than asked.

By themselves MariaDB's driver speaks plainly where a URL names a certificate and not `ssl`, and
PyMySQL checks no certificate where it names none.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

_FILES: Final = ("ssl_ca", "ssl_cert", "ssl_key")
_KNOWN: Final = ("ssl", "ssl_verify_cert", *_FILES)
_SWITCHES: Final = {"true": True, "1": True, "false": False, "0": False}


def list_tls_arguments(url: sa.URL) -> dict[str, Any]:
    """List what a driver has to be told of TLS, whatever it makes of the URL itself.

    A server's certificate is checked, with its name, unless `ssl_verify_cert` is false; a URL that
    says nothing of TLS leaves it to the driver. Raises ValueError, which goes on behind the name of
    the setting, for what is not known, or not there.
    """
    asked = {key: value for key, value in url.query.items() if key.startswith(("ssl", "tls"))}
    if not asked:
        return {}
    if unknown := sorted(asked.keys() - set(_KNOWN)):
        raise ValueError(
            f"has {', '.join(unknown)}, which kb does not know. "
            f"Of TLS there are {', '.join(_KNOWN)}."
        )
    is_on, is_checked = (_read_switch(asked, key) for key in _KNOWN[:2])
    is_pymysql = url.get_driver_name() == "pymysql"
    if not is_on:
        if others := sorted(asked.keys() - {"ssl"}):
            raise ValueError(
                f"has ssl=false and {', '.join(others)}, which ask for TLS. Remove the "
                "one or the others."
            )
        return {"ssl": None, "ssl_disabled": True} if is_pymysql else {"ssl": False}
    files = {name: _find_file(asked, name) for name in _FILES}
    if files["ssl_key"] and not files["ssl_cert"]:
        raise ValueError("has ssl_key without its certificate. Add ssl_cert.")
    context = _make_context(files, is_checked=is_checked)
    if is_pymysql:
        return {"ssl": context, "ssl_verify_cert": None}
    return {"ssl": True, "ssl_verify_cert": is_checked, **files}


def is_server_checked(url: sa.URL) -> bool:
    """Tell whether a URL asks for TLS with a server whose certificate is checked."""
    asked = {key: str(value).lower() for key, value in url.query.items()}
    refused = any(_SWITCHES.get(asked.get(key, "true")) is False for key in _KNOWN[:2])
    return any(key in asked for key in _KNOWN) and not refused


def list_client_options(url: sa.URL) -> list[str]:
    """List the options of MariaDB's own client for what a URL asks for."""
    asked = {key: str(value) for key, value in url.query.items() if key in _KNOWN}
    if not asked:
        return []
    if _SWITCHES.get(asked.get("ssl", "true").lower()) is False:
        return ["--skip-ssl"]
    check = "ssl-verify-server-cert" if is_server_checked(url) else "skip-ssl-verify-server-cert"
    files = [f"--{key.replace('_', '-')}={asked[key]}" for key in _FILES if key in asked]
    return ["--ssl", f"--{check}", *files]


def _make_context(files: Mapping[str, str | None], *, is_checked: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files["ssl_ca"])
        if files["ssl_cert"]:
            context.load_cert_chain(files["ssl_cert"], files["ssl_key"])
    except OSError as error:  # of which ssl.SSLError is one
        raise ValueError(
            f"names certificates that cannot be read: {error}. Write PEM files."
        ) from error
    if not is_checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read_switch(asked: Mapping[str, Any], key: str) -> bool:
    value = str(asked.get(key, "true")).lower()
    if value not in _SWITCHES:
        raise ValueError(f"has {key}={value}; write true or false.")
    return _SWITCHES[value]


def _find_file(asked: Mapping[str, Any], key: str) -> str | None:
    if key not in asked:
        return None
    path = Path(str(asked[key])).expanduser()
    if not path.is_file():
        raise ValueError(f"has {key}={asked[key]}, and there is no such file.")
    return str(path)
