"""Recognise files that hold keys and passwords, which nobody wants found: they are passed over."""

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import translate
from itertools import islice
from pathlib import Path
from typing import Final, Self

import yaml

from kb.config.sections import Config, Sections
from kb.indexing.document import BOMS
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
    *(".env", ".env.*", ".env[-_ ]*", "*.env", ".envrc"),
    *("secret.y*ml", "secret.json", "secret.toml", "secrets.y*ml", "secrets.json", "secrets.toml"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_*_sk", "*.pem", "*.key", "*.ppk"),
    *("*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdb", "*.kdbx"),
    *(".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".mylogin.cnf", ".htpasswd"),
    *(".git-credentials", ".npmrc", ".pypirc", ".dockercfg", ".dockerconfigjson", "kubeconfig"),
    *("credentials", "credentials.json", "application_default_credentials.json"),
    *("client_secret*.json", "service[-_]account*.json", ".s3cfg", ".boto", ".vault-token"),
    *("*.tfstate", "*.tfvars"),
)
_NAME: Final = re.compile("|".join(map(translate, _NAMES)))
_BACKUP: Final = re.compile(r"(?:~|\.(?:bak|backup|old|orig|save|swp|txt))+$")
_COPY: Final = re.compile(
    r"(?: -)? copy(?: \d{1,3})?(?=(?:\.\w{1,9})?$)| ?\(\d{1,3}\)(?=(?:\.\w{1,9})?$)"
)
_BLANK: Final = frozenset("\u115f\u1160\u2800")  # which are no spaces, and look like none
_KEY: Final = re.compile(  # with its body: a text about keys may show where one begins
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\"'+,>|#*;]|\\[rn]|[A-Za-z-]+: [^\n]{0,200}\n){1,100}[A-Za-z0-9+/]{40}"
)
_BEGINS_PUTTY_KEY: Final = "PuTTY-User-Key-File-"
_BEGINS_WITH_SECTION: Final = re.compile(
    r"(?:[ \t]*(?:[#;!][^\n]*)?\n)*[ \t]*\[[^\]\n]+\][ \t]*(?:[#;][^\n]*)?\n"
)
_CLIENT: Final = re.compile(r"(?m:^)[ \t]*\[(?:client|mysql|mariadb|mariabackup)[^\]\n]*\]")
_PASSWORD: Final = re.compile(r"(?m:^)[ \t]*(?:loose[-_])?pass\w*[ \t]*=[ \t]*\S")
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(getattr(field.annotation, "model_fields", ()))
    for name, field in Sections.model_fields.items()
}
_SECTION: Final = re.compile(rf"\b(?:{'|'.join(_KNOWN)})[\"']?[ \t]*:")
_FEWEST_SECTIONS: Final = 2  # that tell a configuration of kb among keys of other programs
_DEEPEST: Final = 20  # levels of lists and mappings; reading more of them takes ever longer
_MOST_EVENTS: Final = 5_000  # of YAML: some ten times a whole configuration, read in milliseconds
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def why_secret(name: str, head: bytes = b"") -> str | None:
    """Say why a file is passed over, by its name and its first HEAD_BYTES; None for a document."""
    plain = _simplify_name(name)
    if _NAME.match(plain):
        return _BY_NAME
    text = _decode_head(head)
    if _KEY.search(text) or text.startswith(_BEGINS_PUTTY_KEY):
        return _PRIVATE_KEY
    if _is_option_file_with_password(text):
        return _OPTION_FILE
    return _CONFIGURATION if _is_configuration(text) else None


def _simplify_name(name: str) -> str:
    """Return the name as somebody would read it, without what tells a backup or a copy."""
    composed = unicodedata.normalize("NFKC", name).replace("\\", "/").rpartition("/")[2]
    visible = "".join(
        character
        for character in composed
        if unicodedata.category(character)[0] not in "CM" and character not in _BLANK
    )
    return _COPY.sub("", _BACKUP.sub("", visible.lower().strip().rstrip(" .")))


def _decode_head(head: bytes) -> str:
    """Decode the first bytes of a file.

    Without a mark UTF-16 is read as ASCII, which is enough to find keys and passwords.
    """
    encoding = next((name for mark, name in BOMS if head.startswith(mark)), "utf-8")
    text = head.decode(encoding, "replace").replace("\0", "")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_option_file_with_password(text: str) -> bool:
    """Tell whether a text is an option file of MariaDB that sets a client's password."""
    if not _BEGINS_WITH_SECTION.match(text):
        return False
    client = _CLIENT.search(text)
    return client is not None and _PASSWORD.search(text, client.end()) is not None


def why_secret_file(path: Path) -> str | None:
    """Say why a file on disk is passed over; an unreadable one is judged by its name alone."""
    if reason := why_secret(path.name):
        return reason
    with suppress(OSError), path.open("rb") as file:
        return why_secret(path.name, file.read(HEAD_BYTES))
    return None


@dataclass(frozen=True)
class OwnFiles:
    """The files that kb itself needs, whatever they are called and wherever they lie.

    `parts` are never read. Documents may lie in `home`, but only when they are asked for.
    """

    parts: Mapping[Identity, str] = field(default_factory=dict)
    home: Identity | None = None

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Identify the parts of the home and the configuration in use, as far as they exist."""
        home = Home(config.home)
        server = (
            *(home.data, home.temporary, home.log, home.credentials),
            *(home.socket, home.pid_file, home.start_lock, home.life_lock),
        )
        reasons = dict.fromkeys(server, _OF_KB) | ({config.file: _IN_USE} if config.file else {})
        found = {identify_file(path): reason for path, reason in reasons.items()}
        return cls(
            {identity: found[identity] for identity in found if identity},
            identify_file(config.home),
        )

    def why_passed_over(self, identity: Identity) -> str | None:
        """Say why something met below an indexed directory is passed over; None if it is not."""
        return _OF_KB if identity == self.home else self.parts.get(identity)

    def why_secret(self, path: Path) -> str | None:
        """Say why a file must not be read, wherever it is; None if it may be."""
        identity = identify_file(path)
        return (self.parts.get(identity) if identity else None) or why_secret_file(path)

    def why_refused(self, path: Path) -> str | None:
        """Say why a path must not be indexed, by what it lies in; None if it may be."""
        around = filter(None, map(identify_file, (path, *path.parents)))
        return next((self.parts[identity] for identity in around if identity in self.parts), None)


def identify_file(path: Path) -> Identity | None:
    """Return device and inode of what a path leads to, None when there is nothing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@dataclass
class _Mapping:
    """A mapping of YAML; `keys` has for each of its keys those of the mapping below it."""

    keys: dict[str, set[str]] = field(default_factory=dict)
    is_outermost: bool = True
    _nodes: int = 0
    _last: str = ""

    @property
    def is_key_next(self) -> bool:
        """Tell whether the next node is a key: keys and values take turns."""
        return self._nodes % 2 == 0

    def add_node(self, node: str) -> None:
        """Count a node, and keep it if it is a key."""
        if self.is_key_next:
            self._last = node
            self.keys.setdefault(node, set())
        self._nodes += 1

    def add_key_below(self, key: str) -> None:
        """Add a key of the mapping that is the value of the last key.

        A mapping that is a key itself is left out.
        """
        if self.is_key_next:
            self.keys[self._last].add(key)

    @property
    def is_configuration(self) -> bool:
        """Tell whether the keys are those of a configuration of kb.

        Inside of something else it takes more sections of kb, since names are common.
        """
        known = {name: keys & _KNOWN.get(name, frozenset()) for name, keys in self.keys.items()}
        sections = [keys for keys in known.values() if keys]
        if len(sections) >= _FEWEST_SECTIONS:
            return True
        is_whole = bool(sections) and self.keys.keys() <= _KNOWN.keys()
        return is_whole and (self.is_outermost or "api_key" in sections[0])


def _is_configuration(text: str) -> bool:
    """Tell whether a text holds a configuration of kb, alone or among keys of other programs."""
    return bool(_SECTION.search(text)) and any(
        mapping.is_configuration for mapping in _find_mappings(text)
    )


def _find_mappings(text: str) -> list[_Mapping]:
    """Return the mappings of a text, as far as it is YAML at all.

    Events are counted and nothing is built, so that neither depth nor aliases cost anything.
    """
    found: list[_Mapping] = []
    around: list[_Mapping | None] = []  # None for a list
    with suppress(yaml.YAMLError):
        for event in islice(yaml.parse(text, Loader=_Loader), _MOST_EVENTS):
            if len(around) > _DEEPEST:
                break
            if isinstance(event, yaml.CollectionEndEvent):
                around.pop()
            elif isinstance(event, yaml.NodeEvent):
                _add_to_innermost(
                    around, event.value if isinstance(event, yaml.ScalarEvent) else ""
                )
                if isinstance(event, yaml.MappingStartEvent):
                    found.append(_Mapping(is_outermost=not around))
                    around.append(found[-1])
                elif isinstance(event, yaml.CollectionStartEvent):
                    around.append(None)
    return found


def _add_to_innermost(around: list[_Mapping | None], node: str) -> None:
    """Add a node to the mapping around it, and a key also to the mapping around that one."""
    inner = around[-1] if around else None
    if inner is None:
        return
    outer = around[-2] if len(around) > 1 else None
    if outer and inner.is_key_next:
        outer.add_key_below(node)
    inner.add_node(node)
