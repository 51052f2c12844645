"""Passwords as the server keeps them: themselves they never leave this process and its file."""

import hashlib


def hash_password(password: str) -> str:
    """Hash a password as `mysql_native_password` does: SHA-1 of the SHA-1, after a star."""
    inner = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the server's own format
    return "*" + hashlib.sha1(inner).hexdigest().upper()  # noqa: S324 - the server's own format
