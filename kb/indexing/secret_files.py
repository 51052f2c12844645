"""Files that hold keys and passwords: nobody wants them found, so they are passed over."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Self

import yaml

from kb.config import Config, Sections
from stores.private_server.home import Home

Identity = tuple[int, int]
"""Device and inode: the same by whatever name or link a file is reached."""

HEAD_BYTES: Final = 2**18
"""What is looked at of each file."""

_IN_USE: Final = "it is the configuration in use"
_OF_KB: Final = "kb keeps its own data there"
_CONFIGURATION: Final = "it is a configuration of kb, which may hold keys and passwords"
_PRIVATE_KEY: Final = "it holds a private key"
_OPTION_FILE: Final = "it holds a password of MariaDB"
_BY_NAME: Final = "files of that name hold keys or passwords"

_NAMES: Final = (
    *(".env", ".env.*", "*.env", ".envrc", "secrets.y*ml", "secrets.json", "secrets.toml"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_*_sk", "*.pem", "*.key", "*.ppk"),
    *("*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdb", "*.kdbx"),
    *(".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".mylogin.cnf", ".htpasswd"),
    *(".git-credentials", ".npmrc", ".pypirc", ".dockercfg", ".dockerconfigjson", "kubeconfig"),
    *("credentials", "credentials.json", "application_default_credentials.json"),
    *("client_secret*.json", "service[-_]account*.json", ".s3cfg", ".boto", ".vault-token"),
    *("*.tfstate", "*.tfvars"),
)
_BACKUP: Final = re.compile(r"(?:~|\.(?:bak|backup|old|orig|save|swp))+$")
_KEY: Final = re.compile(  # with its body: a text about keys may show where one begins
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:[\s\"'+,]|\\[rn]|[A-Za-z-]+: [^\r\n]{0,200}\r?\n){1,100}[A-Za-z0-9+/]{40}"
    rb"|\APuTTY-User-Key-File-"
)
_PASSWORD: Final = re.compile(
    rb"\A(?:[ \t]*(?:[#;!][^\n]*)?\r?\n)*\[(?:client|mysql|mariadb)[^\]\n]*\]"
    rb"(?s:.*)\n[ \t]*password[ \t]*=[ \t]*\S"
)
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(getattr(field.annotation, "model_fields", ()))
    for name, field in Sections.model_fields.items()
}
_SECTION: Final = re.compile(rf"\b(?:{'|'.join(_KNOWN)})[\"']?[ \t]*:".encode())
_FEWEST_SECTIONS: Final = 2  # that tell a configuration of kb among keys of other programs
_DEEPEST: Final = 20  # levels of lists and mappings; reading more of them takes ever longer
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def why_secret(name: str, head: bytes = b"") -> str | None:
    """Say why a file is passed over, by its name and its first HEAD_BYTES; None for a document."""
    last = _BACKUP.sub("", name.replace("\\", "/").rpartition("/")[2].lower())
    if any(fnmatchcase(last, pattern) for pattern in _NAMES):
        return _BY_NAME
    plain = head.replace(b"\0", b"")  # so UTF-16 reads as ASCII does
    if _KEY.search(plain):
        return _PRIVATE_KEY
    if _PASSWORD.match(plain):
        return _OPTION_FILE
    return _CONFIGURATION if _is_configuration(plain) else None


def why_secret_file(path: Path) -> str | None:
    """The same of a file on disk; what cannot be read is told by its name alone."""
    if reason := why_secret(path.name):
        return reason
    with suppress(OSError), path.open("rb") as file:
        return why_secret(path.name, file.read(HEAD_BYTES))
    return None


@dataclass(frozen=True)
class OwnFiles:
    """What kb itself needs, whatever it is called and wherever it lies.

    `parts` are never read. Documents may lie in `home`, but only when they are asked for.
    """

    parts: Mapping[Identity, str] = field(default_factory=dict)
    home: Identity | None = None

    @classmethod
    def of(cls, config: Config) -> Self:
        home = Home(config.home)
        server = (
            *(home.data, home.temporary, home.log, home.credentials),
            *(home.socket, home.pid_file, home.start_lock, home.life_lock),
        )
        reasons = dict.fromkeys(server, _OF_KB) | ({config.file: _IN_USE} if config.file else {})
        found = {identify(path): reason for path, reason in reasons.items()}
        return cls({each: found[each] for each in found if each}, identify(config.home))

    def why_passed_over(self, identity: Identity) -> str | None:
        """Of what is met below an indexed directory."""
        return _OF_KB if identity == self.home else self.parts.get(identity)

    def why_secret(self, path: Path) -> str | None:
        """Of a file, wherever it is."""
        identity = identify(path)
        return (self.parts.get(identity) if identity else None) or why_secret_file(path)

    def why_refused(self, path: Path) -> str | None:
        """Of a directory or file that is to be indexed, by what it lies in."""
        places = filter(None, map(identify, (path, *path.parents)))
        return next((self.parts[each] for each in places if each in self.parts), None)


def identify(path: Path) -> Identity | None:
    """None when there is nothing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_configuration(head: bytes) -> bool:
    if not _SECTION.search(head):
        return False
    found = _keys_by_section(head)
    sections = [name for name, keys in found.items() if keys & _KNOWN.get(name, frozenset())]
    return len(sections) >= _FEWEST_SECTIONS or (bool(sections) and found.keys() <= _KNOWN.keys())


def _keys_by_section(head: bytes) -> dict[str, set[str]]:
    """The keys of a YAML mapping, each with those below it, as far as it is YAML at all.

    Events are counted and nothing is built, so that neither depth nor aliases cost anything.
    """
    found: dict[str, set[str]] = {}
    section = ""
    nodes: list[int | None] = []  # of each open mapping; None for a list
    with suppress(yaml.YAMLError):
        for event in _events(head):
            if len(nodes) > _DEEPEST:
                break
            if isinstance(event, yaml.CollectionEndEvent):
                nodes.pop()
            elif isinstance(event, yaml.NodeEvent):
                key = event.value if isinstance(event, yaml.ScalarEvent) else ""
                if nodes and (count := nodes[-1]) is not None:
                    nodes[-1] = count + 1
                    if count % 2 == 0 and len(nodes) == 1:
                        section = key
                        found.setdefault(section, set())
                    elif count % 2 == 0 and len(nodes) == 2:  # noqa: PLR2004 - below a section
                        found.setdefault(section, set()).add(key)
                if isinstance(event, yaml.CollectionStartEvent):
                    nodes.append(0 if isinstance(event, yaml.MappingStartEvent) else None)
    return found


def _events(head: bytes) -> Iterable[yaml.Event]:
    return yaml.parse(head.decode("utf-8", "replace"), Loader=_Loader)
