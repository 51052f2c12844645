"""Mails as people find them again: by sender, day and thread, the reply before what it quotes."""

import io
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path

import pytest
from sample_files import docx_file, msg_file, pdf_file

from kb.indexing.document import UnreadableFile
from kb.indexing.read import ReadDocument, read_document
from kb.indexing.split import split_document

QUOTED = "On Mon, 2 Mar 2026 at 10:11, Bob <bob@example.org> wrote:\n> Can you deliver?\n> Soon?\n"


def mail(text: str = "Hello", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def mailbox(folder: Path, *mails: EmailMessage | bytes) -> ReadDocument:
    path = folder / "team.mbox"
    begin = b"From ada@example.org Mon Mar  2 10:11:00 2026\n"
    path.write_bytes(b"".join(begin + bytes(each) + b"\n" for each in mails))
    return read_document(path)


def body(document: ReadDocument) -> str:
    return document.sections[0].text.partition("\n\n")[2].strip()


def facts_of_chunks(document: ReadDocument) -> list[Mapping[str, object]]:
    return [node.metadata for node in split_document(document, "id")]


def test_each_mail_of_a_mailbox_is_known_by_its_sender_day_and_thread(tmp_path):
    first = mail(
        Subject="[sales] Delivery", From="Ada L <ada@x.org>", Message_ID="<1@x>",
        To="bob@x.org", Cc="eve@x.org", Date="Mon, 2 Mar 2026 10:11:00 +0100",
    )  # fmt: skip
    second = mail(Subject="AW: Delivery", Message_ID="<2@x>", In_Reply_To="<1@x>")
    third = mail(Subject="Re: Re: Delivery", Message_ID="<3@x>", In_Reply_To="<2@x>")
    fourth = mail(Subject="Fwd: Other", References="<0@x> <1@x>", Message_ID="<4@x>")
    one, two, three, four = facts_of_chunks(mailbox(tmp_path, first, second, third, fourth))
    assert one["title"] == "[sales] Delivery (Ada L, 2026-03-02)"
    assert (one["from"], one["to"], one["cc"]) == ("Ada L <ada@x.org>", "bob@x.org", "eve@x.org")
    assert (one["subject"], one["date"]) == ("[sales] Delivery", "2026-03-02T10:11:00+01:00")
    assert [each["thread"] for each in (one, two, three, four)] == [*["Delivery"] * 3, "Other"]
    assert [each["thread_id"] for each in (one, two, three, four)] == [*["1@x"] * 4]


BROKEN = (  # some of which the parser of headers dies over
    *("undisclosed-recipients:;", "Group: a@x.org, b@y.org;", "Group: a@x.org, b@y.org", ": a@x;"),
    *("a@x.org, Group: b@x.org;, c@y.org", "outer: inner: a@x.org;;", "Ada <Group: a@x.org;>"),
    *("a@", "a@[1.2.3", "<>", "<@x:a@y>", "<a@x.org", '"unclosed <a@x.org>', "@", "=?utf-8?b?x"),
    *("attachment; filename*=utf-8''%ff%", "multipart/mixed; boundary", ";;;", "a/b/c; =x"),
)


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize(
    "name",
    [
        *("From", "To", "Cc", "Date", "Subject", "Message-ID", "References", "In-Reply-To"),
        *("Content-Disposition", "Content-Type"),
    ],
)
def test_a_broken_header_loses_neither_its_mail_nor_the_next(tmp_path, name, value):
    rest = "X-Mailer: x\nSubject: Fees\n" if name != "Subject" else "From: ada@x.org\n"
    long_name = "recipient of a name that is longer than a line of a mail may be, " * 2
    content = f"{name}: {value}\n{rest}X-Long: {long_name}\n\nThe fee is 4 EUR.\n"
    (tmp_path / "a.eml").write_text(content)
    assert body(read_document(tmp_path / "a.eml")) == "The fee is 4 EUR."
    box = mailbox(tmp_path, content.encode(), mail("Fine", Subject="Next"))
    assert [section.text.partition("\n\n")[2].strip() for section in box.sections] == [
        "The fee is 4 EUR.",
        "Fine",
    ]
    assert box.failures == ()


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("name", ["To", "Content-Type", "Content-Disposition"])
def test_a_broken_header_of_a_forwarded_mail_loses_neither_of_the_two(tmp_path, name, value):
    head = b"Subject: Forwarded\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee below.\n"
    inner = f"Subject: Inner\n{name}: {value}{' ' * 80}x\n\nThe fee is 4 EUR.\n".encode()
    part = b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"
    (tmp_path / "a.eml").write_bytes(head + part)
    text = "\n".join(section.text for section in read_document(tmp_path / "a.eml").sections)
    assert "See below." in text
    assert "The fee is 4 EUR." in text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"Yes, on Friday.\n\n{QUOTED}", "Yes, on Friday."),
        (f"{QUOTED}\nYes, on Friday.", "Yes, on Friday."),
        (f"Yes, on Friday.\n-- \nAda\n+44 20\n\n{QUOTED}", "Yes, on Friday."),
        ("> Can you deliver?\n> Soon?\n> Today?\n\nYes, on Friday.", "Yes, on Friday."),
    ],
)
def test_the_reply_comes_before_what_it_quotes(tmp_path, text, read):
    found = body(mailbox(tmp_path, mail(text, Subject="Re: Delivery")))
    assert found.startswith(read)
    assert "> Can you deliver?\n> Soon?" in found
    assert ("+44 20" in text) == found.endswith("Ada\n+44 20")


@pytest.mark.parametrize(
    "text",
    [
        f"{QUOTED}\nYes.\n\n> And the grinder?\n\nToo.",  # answers between the lines
        # forwarded
        "See below.\n\nFrom: Bob\nSent: Monday\nTo: Ada\nSubject: Old\n\nThe old text.",
        "Run:\n> make\nand all is well.",
        "No quotation at all.\n-- \nAda",
    ],
)
def test_other_texts_stay_in_their_order(tmp_path, text):
    assert body(mailbox(tmp_path, mail(text, Subject="Delivery"))) == text


def test_attachments_are_read_as_their_kind_and_cited_with_their_mail(tmp_path):
    message = mail("See the files.", Subject="Offer", From="Ada <ada@x.org>")
    pdf = pdf_file(tmp_path / "a.pdf", ["The hose costs 4 EUR."]).read_bytes()
    word = docx_file(tmp_path / "a.docx", [("Heading1", "Terms")], [["a"]]).read_bytes()
    for name, content in {"price.pdf": pdf, "terms.docx": word, "logo.png": b"x"}.items():
        message.add_attachment(content, maintype="application", subtype="x", filename=name)
    message.add_attachment(mail("Old text", Subject="Before"))
    document = mailbox(tmp_path, message)
    chunks = facts_of_chunks(document)
    assert [each.get("part") for each in chunks] == [None, "price.pdf", "terms.docx", "Before.eml"]
    assert chunks[1]["title"] == "price.pdf · Offer (Ada)"
    assert (chunks[1]["from"], chunks[1]["page"]) == ("Ada <ada@x.org>", 1)
    assert (chunks[1]["media_type"], chunks[0]["media_type"]) == (
        *("application/pdf", "application/mbox"),
    )
    assert "price.pdf, terms.docx, logo.png, Before.eml" in document.sections[0].text
    (tmp_path / "a.eml").write_bytes(bytes(message))
    assert len(read_document(tmp_path / "a.eml").sections) == 4


def test_an_attachment_that_cannot_be_read_is_named_and_loses_nothing_else(tmp_path):
    message = mail("See the file.", Subject="Offer")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment(b"KEY=1", maintype="application", subtype="x", filename=".env")
    document = mailbox(tmp_path, message)
    assert [name for name, _ in document.failures] == ["mail 1/a.pdf"]
    assert len(document.sections) == 1


def test_files_inside_of_files_end_somewhere(tmp_path):
    inner = mail("The innermost", Subject="0")
    for level in range(1, 6):
        outer = mail(f"Level {level}", Subject=str(level))
        outer.add_attachment(inner)
        inner = outer
    document = mailbox(tmp_path, inner)
    assert len(document.sections) == 4
    assert [reason for _, reason in document.failures] == ["nested more than 3 levels deep"]


def test_a_part_without_a_name_goes_on_below_the_text(tmp_path):
    message = mail("Signed text.", Subject="Offer")
    message.make_mixed()
    message.attach(mail("The footer of the list."))
    signature = EmailMessage()
    signature.set_content(b"x", maintype="application", subtype="pgp-signature")
    message.attach(signature)
    assert body(mailbox(tmp_path, message)) == "Signed text.\n\n\nThe footer of the list."


@pytest.mark.parametrize(
    "broken",
    [
        b"Subject: =?utf-8?b?!!!?=\nFrom: <<<>>> @\nDate: 32 Foo\n\nHello",
        b'From: "a\nContent-Type: multipart/mixed; boundary="\n\nHello',
        b"Content-Type: text/plain; charset=klingon\nContent-Transfer-Encoding: base64\n\n@@",
        b"\xff\xfe\0\0",
        b"Content-Type: message/rfc822\n\n" * 200,
    ],
)
def test_one_bad_mail_never_loses_its_mailbox(tmp_path, broken):
    document = mailbox(tmp_path, mail("One", Subject="1"), broken, mail("Two", Subject="2"))
    texts = [section.text for section in document.sections]
    assert "Subject: 1\n\nOne" in texts[0]
    assert "Subject: 2\n\nTwo" in texts[-1]


def test_a_message_of_outlook_is_read_like_any_other(tmp_path):
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("notes/plan.md", "# Plan\n\nShip it.")
    headers = "Message-ID: <1@x>\nTo: Bob <bob@x.org>\nDate: Mon, 2 Mar 2026 10:11:00 +0100\n"
    facts = {0x37: "Re: Délai", 0x1000: "Vendredi.", 0x0C1A: "Zoé", 0x0C1F: "zoe@x.org"}
    facts |= {0x1A: "IPM.Note", 0x7D: headers}
    attached = {"price.csv": b"part,price\nhose,4\n", "plan.zip": packed.getvalue()}
    document = read_document(msg_file(tmp_path / "a.msg", facts, attached))
    assert (document.title, document.metadata["thread"]) == ("Re: Délai", "Délai")
    assert document.metadata["from"] == "Zoé <zoe@x.org>"
    assert document.metadata["date"] == "2026-03-02T10:11:00+01:00"
    assert body(document) == "Vendredi."
    assert [each.get("part") for each in facts_of_chunks(document)] == [
        *(None, "price.csv", "plan.zip/notes/plan.md"),
    ]


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_header_of_a_message_of_outlook_does_not_lose_it(tmp_path, value):
    headers = f"To: {value}\nMessage-ID: {value}\n"
    facts = {0x37: "Fee", 0x1000: "It is 4 EUR.", 0x1A: "IPM.Note", 0x7D: headers}
    document = read_document(msg_file(tmp_path / "a.msg", facts | {0x0C1F: value}))
    assert body(document) == "It is 4 EUR."


@pytest.mark.parametrize(
    "content", [b"", b"Subject: x\n\nx", bytes.fromhex("d0cf11e0a1b11ae1") * 99]
)
def test_what_is_no_message_of_outlook_is_refused(tmp_path, content):
    path = tmp_path / "a.msg"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile):
        read_document(path)
