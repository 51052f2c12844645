"""Read the messages of Outlook."""

import mimetypes
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from oxmsg import Message

from kb.indexing.charset import OLD_OFFICE
from kb.indexing.document import Extract, UnreadableFile
from kb.indexing.readers.mail_message import mail_to_extract, read_mail

_THREAD = ("Message-ID", "In-Reply-To", "References")


def read(path: Path) -> Extract:
    content = path.read_bytes()
    if not content.startswith(OLD_OFFICE):
        raise UnreadableFile("not a message of Outlook, or a damaged one")
    return mail_to_extract(read_mail(_convert_message(Message.load(content))))


def _convert_message(outlook: Message) -> EmailMessage:
    """Return the message as one of the internet, of which it has headers if it came from there."""
    sent = {name.lower(): value for name, value in outlook.message_headers.items()}
    to = ", ".join(f"{each.name} <{each.email_address}>" for each in outlook.recipients)
    headers = {
        "Subject": outlook.subject,
        "From": outlook.sender or "",
        "To": sent.get("to", to),
        "Cc": sent.get("cc", ""),
        "Date": format_datetime(outlook.sent_date) if outlook.sent_date else sent.get("date", ""),
        **{name: sent.get(name.lower(), "") for name in _THREAD},
    }
    shown = {name: " ".join(value.split()) for name, value in headers.items()}
    lines = [f"{name}: {words}\n" for name, words in shown.items() if words]
    message = message_from_string("".join(lines), policy=policy.default)  # unlike set, as it stands
    if outlook.body:
        message.set_content(outlook.body)
    elif outlook.html_body:
        message.set_content(outlook.html_body, subtype="html")
    for attachment in outlook.attachments:
        name = attachment.file_name or "without name"
        guess = mimetypes.guess_type(name)[0] or "application/octet-stream"
        maintype, _, subtype = guess.partition("/")
        content = attachment.file_bytes or b""
        message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return message
