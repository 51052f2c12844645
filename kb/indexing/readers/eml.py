"""Read e-mail: single messages and mailboxes."""

import mailbox
from collections.abc import Iterator
from email import message_from_binary_file, message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from kb.indexing.charset import decode_text
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.readers.html import parse_page

HEADERS = ("Subject", "From", "To", "Date")


def read(path: Path) -> Extract:
    return _read_mailbox(path) if path.suffix.lower() == ".mbox" else _read_message(path)


def _read_message(path: Path) -> Extract:
    with path.open("rb") as file:
        message = message_from_binary_file(file, policy=policy.default)
    if not any(name in message for name in HEADERS):
        raise UnreadableFile("not an e-mail: it has no subject, sender, recipient or date")
    headers = _read_headers(message)
    body, is_html = _read_body(message)
    return Extract(
        kind="markdown" if is_html else "text",
        sections=(Section(_message_to_text(message, headers, body)),),
        title=headers.get("subject", ""),
        metadata=headers,
    )


def _read_mailbox(path: Path) -> Extract:
    """Read a mailbox; every message is a section of its own."""
    messages = mailbox.mbox(path, create=False)
    try:
        sections = tuple(_read_mailbox_messages(messages))
    finally:
        messages.close()
    if not sections:
        raise UnreadableFile("not a mailbox: no message begins with a line of From")
    return Extract(kind="text", sections=sections)


def _read_mailbox_messages(messages: mailbox.mbox) -> Iterator[Section]:
    for key in messages.iterkeys():
        message = message_from_bytes(messages.get_bytes(key), policy=policy.default)
        body, _ = _read_body(message)
        yield Section(_message_to_text(message, _read_headers(message), body))


def _read_headers(message: EmailMessage) -> dict[str, str]:
    found = {name.lower(): str(message[name]) for name in HEADERS if message[name]}
    if "date" in found:
        found["date"] = _date_to_iso(found["date"])
    return found


def _date_to_iso(date: str) -> str:
    try:
        return parsedate_to_datetime(date).isoformat()
    except ValueError:
        return date


def _message_to_text(message: EmailMessage, headers: dict[str, str], body: str) -> str:
    """Return headers, names of attachments and body as one text."""
    lines = [f"{name}: {headers[name.lower()]}" for name in HEADERS if name.lower() in headers]
    attachments = [part.get_filename() or "without name" for part in message.iter_attachments()]
    if attachments:
        lines.append(f"Attachments: {', '.join(attachments)}")
    return "\n".join(lines) + "\n\n" + body


def _read_body(message: EmailMessage) -> tuple[str, bool]:
    """Return the text, plain if there is a plain one, and whether it was HTML."""
    part = message.get_body(preferencelist=("plain", "html"))
    payload = part.get_payload(decode=True) if part else None
    if not isinstance(payload, bytes) or not payload.strip():
        return "", False
    text = decode_text(payload, part.get_content_charset() if part else None)
    if part and part.get_content_subtype() == "html":
        return parse_page(text).markdown, True
    return text, False
