"""Read mailboxes: every mail is a part of its own, with its attachments."""

import mailbox
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

from kb.indexing.clock import CLOCK
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.members import Failure
from kb.indexing.readers.mail_message import Mail, read_mail


def read(path: Path) -> Extract:
    failures: list[Failure] = []
    refusals: list[UnreadableFile] = []
    sections: list[Section] = []
    first_ids: dict[str, str] = {}
    mails = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(mails.iterkeys(), start=1):
            CLOCK.begin_part()
            try:
                message = message_from_bytes(mails.get_bytes(key), policy=policy.default)
                mail = read_mail(message)
            except Exception as error:  # noqa: BLE001 - one bad mail never loses its mailbox
                failures.append((f"mail {number}", f"not a valid mail ({error})"))
                continue
            refusals += [mail.refusal] if mail.refusal else []
            sections += _mail_to_sections(mail, number, first_ids)
            failures += [(f"mail {number}/{name}", why) for name, why in mail.attachments.failures]
    finally:
        mails.close()
    if not sections:
        reason = failures[0][1] if failures else "no message begins with a line of From"
        raise UnreadableFile(f"not a mailbox: {reason}")
    if len(refusals) == len(sections):
        raise refusals[0]
    return Extract(kind="text", sections=tuple(sections), failures=tuple(failures))


def _mail_to_sections(mail: Mail, number: int, first_ids: dict[str, str]) -> Iterator[Section]:
    """Yield the text of a mail, then its attachments, all of which say of which mail they are."""
    title = mail.title or f"mail {number}"
    facts = mail.headers | _find_thread_id(mail, first_ids)
    yield replace(mail.body, title=title, metadata=facts)
    for attachment in mail.attachments.sections:
        yield replace(
            attachment,
            title=f"{attachment.part} · {title}",
            metadata={**attachment.metadata, **facts},
        )


def _find_thread_id(mail: Mail, first_ids: dict[str, str]) -> dict[str, str]:
    """Return the id of the first mail of the thread, through mails that name only the one before.

    `first_ids` are those of the mails before, by their ids.
    """
    if not mail.ids:
        return {}
    known = (first_ids[each] for each in mail.ids[1:] if each in first_ids)
    first = next(known, mail.ids[-1])
    first_ids[mail.ids[0]] = first
    return {"thread_id": first}
