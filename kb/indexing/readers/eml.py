"""Read e-mail: a message with its attachments."""

from email import message_from_binary_file, policy
from pathlib import Path

from kb.indexing.document import Extract, UnreadableFile
from kb.indexing.readers.mail_message import SHOWN, mail_to_extract, read_mail


def read(path: Path) -> Extract:
    with path.open("rb") as file:
        message = message_from_binary_file(file, policy=policy.default)
    if not any(name in message for name in SHOWN):
        raise UnreadableFile("not an e-mail: it has no subject, sender, recipient or date")
    return mail_to_extract(read_mail(message))
