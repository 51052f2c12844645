"""Read e-mail: single messages and mailboxes."""

import mailbox
from dataclasses import dataclass
from email import message_from_binary_file, message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from kb.indexing.charset import decode_text
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.readers.html import parse_page

HEADERS = ("Subject", "From", "To", "Date")


@dataclass(frozen=True)
class _Body:
    """The text of a message, or words that stand for it when it cannot be read."""

    text: str = ""
    is_html: bool = False
    refusal: UnreadableFile | None = None


def read(path: Path) -> Extract:
    return _read_mailbox(path) if path.suffix.lower() == ".mbox" else _read_message(path)


def _read_message(path: Path) -> Extract:
    with path.open("rb") as file:
        message = message_from_binary_file(file, policy=policy.default)
    if not any(name in message for name in HEADERS):
        raise UnreadableFile("not an e-mail: it has no subject, sender, recipient or date")
    headers = _read_headers(message)
    body = _read_body(message)
    if body.refusal and not any(message.iter_attachments()):
        raise body.refusal
    return Extract(
        kind="markdown" if body.is_html else "text",
        sections=(Section(_message_to_text(message, headers, body.text)),),
        title=headers.get("subject", ""),
        metadata=headers,
    )


def _read_mailbox(path: Path) -> Extract:
    """Read a mailbox; every message is a section of its own, one without readable text as well."""
    mails = mailbox.mbox(path, create=False)
    sections: list[Section] = []
    refusals: list[UnreadableFile] = []
    try:
        for key in mails.iterkeys():
            message = message_from_bytes(mails.get_bytes(key), policy=policy.default)
            body = _read_body(message)
            if body.refusal:
                refusals.append(body.refusal)
            sections.append(Section(_message_to_text(message, _read_headers(message), body.text)))
    finally:
        mails.close()
    if not sections:
        raise UnreadableFile("not a mailbox: no message begins with a line of From")
    if len(refusals) == len(sections):
        raise refusals[0]
    return Extract(kind="text", sections=tuple(sections))


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


def _read_body(message: EmailMessage) -> _Body:
    """Return the text of a message, plain if there is a plain one."""
    part = message.get_body(preferencelist=("plain", "html"))
    payload = part.get_payload(decode=True) if part else None
    if not part or not isinstance(payload, bytes) or not payload.strip():
        return _Body()
    try:
        text = decode_text(payload, part.get_content_charset())
    except UnreadableFile as error:
        return _Body("(its text cannot be read)", refusal=error)
    if part.get_content_subtype() == "html":
        return _Body(parse_page(text).markdown, is_html=True)
    return _Body(text)
