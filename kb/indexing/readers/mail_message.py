"""Make sections of the messages of mail: the reply first, then what it quotes."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage, MIMEPart
from email.utils import parseaddr, parsedate_to_datetime
from itertools import takewhile

from kb.indexing.charset import decode_text
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.members import Members
from kb.indexing.readers.html import parse_page

SHOWN = ("Subject", "From", "To", "Date")
_MOST_LEADING_LINES = 3  # "On Monday, so-and-so wrote:", as programs wrap it
_REPLY_MARK = re.compile(
    r"^(?:(?:re|fwd?|aw|wg|tr|rv|sv|vs|antw|réf|ynt)(?:\[\d+\])?\s*:\s*|\[[^\]]{1,40}\]\s*)+",
    re.IGNORECASE,
)
"""What mail programs and lists put before a subject."""
_SIGNATURE = re.compile(r"^-- ?\n", re.MULTILINE)  # RFC 3676
_SEALS = {
    *("application/pgp-signature", "application/pgp-encrypted", "application/pgp-keys"),
    *("application/pkcs7-signature", "application/x-pkcs7-signature"),
}
"""What programs attach for each other."""
_AS_IT_STANDS = policy.EmailPolicy(refold_source="none")  # folding parses headers, broken or not
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>")


@dataclass(frozen=True)
class Mail:
    """A message: its headers, its own text and what was attached to it."""

    headers: dict[str, str]
    body: Section
    attachments: Members = field(default_factory=Members)
    refusal: UnreadableFile | None = None
    """Why its text could not be read."""
    ids: tuple[str, ...] = ()
    """Its own id and those that it answers to: the nearest first, the first of all last."""

    @property
    def title(self) -> str:
        """Return subject, sender and day, by which people know a mail."""
        sender = parseaddr(self.headers.get("from", ""))
        about = ", ".join(filter(None, (sender[0] or sender[1], self.headers.get("date", "")[:10])))
        subject = self.headers.get("subject", "")
        return f"{subject} ({about})" if subject and about else subject or about


def mail_to_extract(mail: Mail) -> Extract:
    """Return a single mail as a document with its attachments."""
    if mail.refusal and not mail.attachments.sections and "attachments" not in mail.headers:
        raise mail.refusal
    return Extract(
        kind=mail.body.kind or "text",
        sections=(mail.body, *mail.attachments.sections),
        title=mail.headers.get("subject", ""),
        metadata=mail.headers,
        failures=tuple(mail.attachments.failures),
    )


def read_mail(message: EmailMessage) -> Mail:
    """Read the headers, the text and the attachments of a message."""
    headers = _read_headers(message)
    text, is_html, refusal = _read_body(message)
    attached = Members()
    names = []
    for part in _find_attachments(message):
        content = _read_payload(part)
        if name := _find_file_name(part):
            names.append(name)
            attached.add(name, io.BytesIO(content))
        elif part.get_content_type() == "text/plain" and content.strip():  # it goes on below
            text += "\n\n" + decode_text(content, part.get_content_charset())
    if names:
        headers["attachments"] = ", ".join(names)
    lines = [f"{name}: {headers[name.lower()]}" for name in SHOWN if name.lower() in headers]
    lines += [f"Attachments: {headers['attachments']}"] if names else []
    body = Section(
        "\n".join(lines) + "\n\n" + _put_reply_first(text), kind="markdown" if is_html else "text"
    )
    return Mail(headers, body, attached, refusal, tuple(_find_ids(message)))


def _read_headers(message: EmailMessage) -> dict[str, str]:
    """Return what the headers say, with the day in ISO and the thread by its plain subject."""
    found = {name.lower(): _read_header(message, name) for name in (*SHOWN, "Cc")}
    headers = {name: value for name, value in found.items() if value}
    if "date" in headers:
        headers["date"] = _date_to_iso(headers["date"])
    if thread := _REPLY_MARK.sub("", headers.get("subject", "")).strip():
        headers["thread"] = thread
    if ids := list(_find_ids(message)):
        headers["thread_id"] = ids[-1]
    return headers


def _read_header(message: EmailMessage, name: str) -> str:
    """Return the value of a header, as it stands if it is broken."""
    try:
        return " ".join(str(message[name] or "").split())
    except Exception:  # noqa: BLE001 - the parser of headers raises anything over a broken one
        raw = (value for key, value in message.raw_items() if key.lower() == name.lower())
        return " ".join(str(next(raw, "")).split())


def _find_ids(message: EmailMessage) -> Iterator[str]:
    """Yield the id of a message, then those it answers to, up to the first of its thread."""
    yield from _MESSAGE_ID.findall(_read_header(message, "Message-ID"))[:1]
    yield from _MESSAGE_ID.findall(_read_header(message, "In-Reply-To"))[:1]
    yield from reversed(_MESSAGE_ID.findall(_read_header(message, "References")))


def _date_to_iso(date: str) -> str:
    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, OverflowError):
        return date


def _find_attachments(message: MIMEPart) -> Iterator[MIMEPart]:
    """Yield what is attached, also where a signature or another part wraps it."""
    for part in message.iter_attachments():
        if part.get_content_maintype() == "multipart":
            body = part.get_body(preferencelist=("plain", "html"))
            yield from [body] if body is not None and body is not part else []
            yield from _find_attachments(part)
        elif part.get_content_type() not in _SEALS:
            yield part


def _find_file_name(part: MIMEPart) -> str:
    """Return the name of an attachment, "" for none; a forwarded message has its subject's."""
    if name := part.get_filename():
        return name
    if part.get_content_type() == "message/rfc822":
        subject = _read_header(part.get_content(), "Subject")
        return f"{subject.replace('/', ' ') or 'message'}.eml"
    return ""


def _read_payload(part: MIMEPart) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return bytes(part.get_content().as_bytes(policy=_AS_IT_STANDS))
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _read_body(message: EmailMessage) -> tuple[str, bool, UnreadableFile | None]:
    """Return the text, plain if there is a plain one, whether it was HTML, and why it is none."""
    part: MIMEPart | None = message.get_body(preferencelist=("plain", "html"))
    # Text that is called attached, or parts that nothing divides.
    says_text = message.get_content_maintype() in ("text", "multipart")
    if part is None and not message.is_multipart() and says_text:
        part = message
    # A part without headers is false, and none the less a part.
    payload = None if part is None else part.get_payload(decode=True)
    if part is None or not isinstance(payload, bytes) or not payload.strip():
        return "", False, None
    try:
        text = decode_text(payload, part.get_content_charset())
    except UnreadableFile as error:
        return "(its text cannot be read)", False, error
    if part.get_content_subtype() == "html":
        return parse_page(text).markdown, True, None
    return text, False, None


def _put_reply_first(text: str) -> str:
    """Return what the sender wrote, then the text that is quoted, and the signature at the end.

    Quoted is what `>` marks, with the paragraph that leads to it (RFC 3676 knows no other mark).
    Answers between the lines of a quotation stay there, and one in the midst of a paragraph.
    """
    lines = text.split("\n")
    marked = [number for number, line in enumerate(lines) if line.startswith(">")]
    if not marked:
        return _move_signature(text, "")
    first, last = marked[0], marked[-1] + 1
    goes_on = any(line.strip() for line in lines[last : last + 1])
    has_answers = any(line.strip() and line[0] != ">" for line in lines[first:last])
    first -= _count_leading_lines(lines[:first])
    own = "\n".join([*lines[:first], "", *lines[last:]])
    if goes_on or has_answers or not own.strip():
        return _move_signature(text, "")
    return _move_signature(own, "\n".join(lines[first:last]))


def _count_leading_lines(above: list[str]) -> int:
    """Count the last lines that lead to a quotation: a short paragraph that ends with a colon."""
    blank = len(list(takewhile(lambda line: not line.strip(), reversed(above))))
    written = above[: len(above) - blank]
    lead = len(list(takewhile(str.strip, reversed(written))))
    if not written or not written[-1].rstrip().endswith(":") or lead > _MOST_LEADING_LINES:
        return 0
    return lead + blank


def _move_signature(own: str, quoted: str) -> str:
    """Put what stands below the usual mark of signatures behind what is quoted."""
    *texts, signature = _SIGNATURE.split(own) if quoted else [own, ""]
    text = "-- \n".join(texts) if texts else signature
    parts = (text.strip("\n"), quoted.strip("\n"), signature.strip("\n") if texts else "")
    return "\n\n".join(filter(None, parts))
