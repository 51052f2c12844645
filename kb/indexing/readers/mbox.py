"""Read mailboxes: every mail is a part of its own, with its attachments."""

import mailbox
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from tempfile import NamedTemporaryFile

from kb.indexing.clock import CLOCK
from kb.indexing.document import Bookmark, Extract, Section, UnreadableFile
from kb.indexing.members import Failure
from kb.indexing.readers.mail_message import Mail, read_mail


def read(path: Path) -> Extract:
    return _read_mails(path, 1)


def find_part_end(lines: Sequence[bytes]) -> int:
    """End a part where its last mail begins; 0 if it has but one."""
    last = range(len(lines) - 1, 0, -1)
    return next((at for at in last if lines[at].startswith(b"From ")), 0)


def read_slice(data: bytes, start: Bookmark) -> Extract:
    with NamedTemporaryFile(prefix="kb-mails-") as copy:  # a mailbox is read by its path
        copy.write(data)
        copy.flush()
        return _read_mails(Path(copy.name), start.carried.get("mail", 1))


def _read_mails(path: Path, first: int) -> Extract:
    """Read the mails of a mailbox, which are numbered from `first` on."""
    number = first - 1
    failures: list[Failure] = []
    refusals: list[UnreadableFile] = []
    sections: list[Section] = []
    first_ids: dict[str, str] = {}
    mails = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(mails.iterkeys(), start=first):
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
    return Extract(
        kind="text",
        sections=tuple(sections),
        failures=tuple(failures),
        carried={"mail": number + 1},
    )


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
