"""What an answer rests on: statement by statement, as it was, at an address, in its document."""

import io
import tempfile
import threading
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from hostile import TEXT
from model_server import CutStream, PausedStream
from openpyxl import Workbook
from sample_files import docx_file, pdf_file
from test_accessibility import LOOKS, violations
from test_asking import begin

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
QUESTION = "How are zebras cared for?"
ANSWER = "Zebras feed on grass [1]. They sleep standing [1]. Nobody rides them [1]."
ZEBRAS = (
    "# Zebras\n\nAll zebras eat grass and hay. Grown zebras sleep standing up.\n\n"
    "Nobody has ever ridden a zebra far.\n"
)
# What CSS marks as an excerpt.
MARKED = (
    """() => [...(CSS.highlights.get("excerpt") ?? [])].map((range) => range.toString()).join("")"""
)
LETTERS = "letters => letters.replace(/[^a-zA-Z]/g, '')"


@pytest.fixture
def keep(served):
    """Upload files, and have them indexed; at the end they are removed."""
    kept = []

    def keep(name, content):
        files = [("files", (name, content if isinstance(content, bytes) else content.encode()))]
        reply = served.client.post("/api/documents", files=files, data={"replace": True})
        assert served.finished(reply.json()["job"])["status"] == "done"
        kept.append(name)

    yield keep
    for name in kept:
        served.client.delete(f"/api/documents/uploads/{quote(name)}")


def expect_marked(page, words):
    letters = "".join(each for each in words if each.isalpha())
    wait = f"() => ({LETTERS})(({MARKED})()) === {letters!r}"
    page.wait_for_function(wait)


def panel_of(page):
    return page.get_by_role("complementary")


@pytest.fixture
def zebras(keep, models, ask):
    keep("zebras.md", ZEBRAS)
    models.script = [ANSWER]
    return ask(QUESTION)


def test_each_number_marks_the_words_of_its_statement(page, zebras):
    chips = zebras.locator("button.chip")
    expect(chips).to_have_count(3)
    for number, words in enumerate(
        [
            "All zebras eat grass and hay.",
            "Grown zebras sleep standing up.",
            "Nobody has ever ridden a zebra far.",
        ]
    ):
        chips.nth(number).click()
        expect(panel_of(page).locator(".cited")).to_contain_text(words)
        expect_marked(page, words)
    chips.nth(1).hover()
    expect(page.locator(".preview")).to_contain_text("Grown zebras sleep standing up.")


def test_back_closes_what_was_opened_and_a_reload_opens_it_again(page, zebras):
    address = page.url
    zebras.locator("button.chip").nth(1).click()
    expect(panel_of(page)).to_be_visible()
    assert page.url.endswith("/source/1/2")
    zebras.locator("button.chip").nth(0).click()
    assert page.url.endswith("/source/1/1")
    page.go_back()
    expect(panel_of(page)).to_be_hidden()
    assert page.url == address
    page.go_forward()
    expect_marked(page, "All zebras eat grass and hay.")
    page.reload()
    expect(panel_of(page)).to_be_visible()
    expect_marked(page, "All zebras eat grass and hay.")
    page.keyboard.press("Escape")
    expect(panel_of(page)).to_be_hidden()
    assert page.url == address
    expect(page.locator("button.chip").first).to_be_focused()


def test_an_address_opens_in_another_tab_and_is_left_there(page, zebras):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    zebras.locator("button.chip").nth(2).click()
    panel_of(page).get_by_role("button", name="Copy the link").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    link = page.evaluate("navigator.clipboard.readText()")
    with page.context.expect_page() as opened:
        page.evaluate("link => window.open(link)", link)
    other = opened.value
    expect_marked(other, "Nobody has ever ridden a zebra far.")
    panel_of(other).get_by_role("button", name="Close").click()
    expect(panel_of(other)).to_be_hidden()
    assert other.url.split("/turn/")[0] == link.split("/turn/")[0] == other.url


@pytest.fixture
def page_without_clipboard(page):
    permission = {"name": "clipboard-write"}
    session = page.context.new_cdp_session(page)
    session.send("Browser.setPermission", {"permission": permission, "setting": "denied"})
    state = page.evaluate(
        "navigator.clipboard.writeText('by itself').then(() => 'written', (error) => error.name)"
    )
    assert state == "NotAllowedError"
    return page


def test_a_link_is_copied_where_the_browser_refuses_its_clipboard(page_without_clipboard, zebras):
    page = page_without_clipboard
    zebras.locator("button.chip").nth(2).click()
    panel_of(page).get_by_role("button", name="Copy the link").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    expect(panel_of(page).get_by_role("button", name="Copy the link")).to_be_focused()
    page.context.grant_permissions(["clipboard-read"])
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_who_cannot_copy_at_all_is_told(page_without_clipboard, zebras):
    page = page_without_clipboard
    page.evaluate("document.execCommand = () => false")
    zebras.locator("button.chip").nth(2).click()
    panel_of(page).get_by_role("button", name="Copy the link").click()
    expect(page.get_by_role("alert")).to_contain_text("does not let this page copy")


def test_a_turn_far_above_is_found_by_its_address(page, served):
    store = served.kb.components.session_store
    for number in range(70):
        store.begin("long", f"t/{number}", f"Question {number}?")
        store.finish("long", f"t/{number}", answer=f"Answer {number}.", status="complete")
    page.evaluate(f"location.hash = '#/chat/long/turn/{quote('t/3', safe='')}'")
    turn = page.get_by_role("article").filter(has=page.get_by_text("Answer 3.", exact=True))
    expect(turn).to_be_in_viewport()
    questions = page.locator("h2.question").all_text_contents()
    assert questions[-67:] == [f"Question {number}?" for number in range(3, 70)]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#/chat/nobody/turn/x/source/1/1", "This chat is not there any more."),
        ("#/chat/ID/turn/%3Cimg%20src=x%3E", "This answer is not in this chat"),
        ("#/chat/ID/turn/%E0%A4%A", "What would you like to know?"),
        ("#/chat/ID/turn/TURN/source/99/1", "cites nothing under this number"),
        ("#/chat/ID/turn/TURN/source/x/y", "cites nothing under this number"),
    ],
)
def test_an_address_of_nothing_says_so(page, zebras, address, words):
    turn = zebras.get_attribute("data-turn")
    session = page.url.split("/chat/")[1]
    page.evaluate(
        "hash => { location.hash = hash; }", address.replace("ID", session).replace("TURN", turn)
    )
    expect(page.locator("body")).to_contain_text(words)


def test_a_chat_of_somebody_else_is_not_there(page, zebras, served, visit):
    hash_ = page.url.split("#")[1]
    turn = zebras.get_attribute("data-turn")
    client = served.with_key("other")
    try:
        other = visit(f"#{hash_}/turn/{turn}/source/1/1")
        secret = client.headers["Authorization"].removeprefix("Bearer ")
        other.get_by_role("dialog").get_by_label("Key").fill(secret)
        other.keyboard.press("Enter")
        expect(other.get_by_role("alert")).to_have_text("This chat is not there any more.")
        expect(panel_of(other)).to_be_hidden()
    finally:
        served.forget_keys()


def test_what_has_changed_since_is_told_then_and_now_and_can_be_asked_again(
    page, zebras, keep, models
):
    keep("zebras.md", ZEBRAS.replace("grass and hay", "nothing but apples"))
    zebras.locator("button.chip").first.click()
    panel = panel_of(page)
    expect(panel.get_by_role("note")).to_contain_text("This passage was changed on")
    expect(panel.locator(".cited")).to_contain_text("All zebras eat grass and hay.")
    expect(panel.locator(".now")).to_contain_text("nothing but apples")
    expect_marked(page, "All zebras eat grass and hay.")
    models.script = ["They eat apples [1]."]
    panel.get_by_role("button", name="Ask again").click()
    again = page.get_by_role("article").last
    expect(again).to_contain_text("They eat apples")
    again.locator("button.chip").click()
    expect(panel.get_by_role("note")).to_have_count(0)
    expect(panel.locator(".cited")).to_contain_text("apples")


def test_a_change_elsewhere_in_the_document_is_told_too(page, zebras, keep):
    keep("zebras.md", f"{ZEBRAS}\n# Horses\n\n{'Horses are something else. ' * 300}\n")
    zebras.locator("button.chip").first.click()
    panel = panel_of(page)
    expect(panel.get_by_role("note")).to_contain_text("this passage is as it was")
    expect_marked(page, "All zebras eat grass and hay.")


def test_of_a_removed_document_the_passage_stays(page, zebras, served):
    assert served.client.delete("/api/documents/uploads/zebras.md").status_code == 200
    zebras.locator("button.chip").nth(1).click()
    panel = panel_of(page)
    expect(panel.get_by_role("note")).to_contain_text("The document was removed on")
    expect(panel.get_by_role("button", name="Ask again")).to_be_visible()
    expect_marked(page, "Grown zebras sleep standing up.")
    expect(panel.get_by_role("link", name="Open the original")).to_have_count(0)


def pdf_of_zebras(tmp_path):
    pages = ["Zebras\nThis is the first page of the book of zebras.", "Horses\nNothing of use."]
    pages += ["Care of zebras\nZebras eat grass and hay.\nGrown zebras sleep standing up at night."]
    return pdf_file(tmp_path / "zebras.pdf", pages).read_bytes()


@pytest.mark.parametrize("look", LOOKS)
def test_a_pdf_is_shown_at_its_page_with_the_words_marked(visit, look, keep, models, tmp_path):
    keep("zebras.pdf", pdf_of_zebras(tmp_path))
    page = visit(**LOOKS[look])
    models.script = ["They sleep standing [1]."]
    page.locator("label:has(input[value=documents])").click()
    page.locator("#question").fill("Do zebras sleep standing up at night? Care of grown zebras")
    page.locator("#question").press("Enter")
    page.get_by_role("article").locator("button.chip").click()
    page.locator("#passage .ways .tab").nth(1).click()
    expect(page.locator(".pdf-page")).to_have_count(3)
    page.wait_for_function(f"() => ({LETTERS})(({MARKED})()).includes('sleepstanding')")
    place = page.locator("section.pdf-page").nth(2)
    expect(place).to_be_in_viewport()
    expect(place.locator("canvas")).to_be_visible()
    edges = "element => JSON.stringify(element.getBoundingClientRect())"
    assert place.locator("canvas").evaluate(edges) == place.locator(".pdf-words").evaluate(edges)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = place.locator("canvas").evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width,"
        " canvas.height).data).size"
    )
    assert drawn > 2
    page.keyboard.press("Escape")


def docx_of_zebras():
    with tempfile.TemporaryDirectory() as place:
        paragraphs = [("Heading1", "Zebras"), ("", "Grown zebras sleep standing up.")]
        return docx_file(Path(place) / "zebras.docx", paragraphs, [["a", "b"]]).read_bytes()


def xlsx_of_zebras():
    file = io.BytesIO()
    book = Workbook()
    for row in [["Animal", "Sleep"], ["Grown zebras", "sleep standing up"], ["Horses", "too"]]:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def mail_of_zebras():
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Zebras", "a@example.com", "b@example.com"
    mail.set_content("Hello,\n\nGrown zebras sleep standing up.\n\nAna\n")
    return bytes(mail)


KINDS = {
    "zebras.html": f"<h1>Zebras</h1><p>Grown zebras sleep standing up.</p><p>{TEXT}</p>".encode(),
    "zebras.docx": docx_of_zebras(),
    "zebras.xlsx": xlsx_of_zebras(),
    "zebras.csv": b"animal,sleep\nGrown zebras,sleep standing up\nHorses,too\n",
    "zebras.eml": mail_of_zebras(),
}


@pytest.mark.parametrize("name", KINDS)
def test_other_documents_are_shown_as_they_were_read(page, ask, keep, models, name):
    keep(name, KINDS[name])
    models.script = ["Grown zebras sleep standing up [1]."]
    ask("How do grown zebras sleep standing up?").locator("button.chip").click()
    panel = panel_of(page)
    panel.get_by_role("button", name="In the document").click()
    expect(panel.locator(".reading-text .cited")).to_contain_text("sleep standing up")
    page.wait_for_function(f"() => ({LETTERS})(({MARKED})()).includes('sleepstandingup')")
    assert page.locator("#passage :is(img, script, iframe, [onerror], [onclick])").count() == 0
    panel.get_by_role("button", name="The passage").click()
    expect(panel.locator(".reading-text")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_a_long_document_opens_in_its_middle_and_is_read_on(visit, look, keep, models):
    parts = [f"## Part {n}\n\n{f'Words of part {n}. ' * 60}" for n in range(80)]
    parts[40] += "\n\nGrown zebras sleep standing up."
    name = "<b>long & wide<b>.md"
    keep(name, "# Long\n\n" + "\n\n".join(parts))
    page = visit(**LOOKS[look])
    models.script = ["Zebras sleep standing [1]."]
    page.locator("label:has(input[value=documents])").click()
    page.locator("#question").fill("How do grown zebras sleep standing up?")
    page.locator("#question").press("Enter")
    page.get_by_role("article").locator("button.chip").click()
    page.locator("#passage .ways .tab").nth(1).click()
    text = page.locator(".reading-text")
    expect(text.locator(".cited")).to_be_in_viewport()
    assert violations(page) == []
    sections = text.locator("section")
    before = sections.count()
    page.locator(".passage-body > button").first.click()
    expect(sections).not_to_have_count(before)
    expect(text.locator(".cited")).to_have_count(1)
    while page.locator(".passage-body > button").last.is_visible():
        seen = sections.count()
        page.locator(".passage-body > button").last.click()
        expect(sections).not_to_have_count(seen)
    expect(text).to_contain_text("Words of part 79.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_where_documents_have_changed(visit, look, keep, models, served):
    keep("zebras.md", ZEBRAS)
    page = visit(**LOOKS[look])
    models.script = [ANSWER]
    page.locator("label:has(input[value=documents])").click()
    page.locator("#question").fill(QUESTION)
    page.locator("#question").press("Enter")
    chip = page.get_by_role("article").locator("button.chip").first
    chip.wait_for()
    keep("zebras.md", ZEBRAS.replace("grass and hay", "nothing but apples"))
    chip.click()
    page.locator(".now").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    served.client.delete("/api/documents/uploads/zebras.md")
    chip.click()
    page.locator(".news.gone").wait_for()
    assert violations(page) == []


def test_a_stopped_answer_keeps_its_numbers(page, models):
    go_on = threading.Event()
    models.script = [PausedStream("They go back [1]. And much more is said.", go_on, words=7)]
    turn = begin(page)
    expect(turn).to_contain_text("And much")
    page.get_by_role("button", name="Stop").click()
    expect(turn).to_contain_text("Stopped.")
    go_on.set()
    expect(turn.locator("button.chip")).to_have_count(1)
    expect(turn.locator(".source")).to_have_count(1)
    page.reload()
    turn = page.get_by_role("article")
    turn.locator("button.chip").click()
    expect(panel_of(page).locator(".cited")).to_be_visible()


def test_an_answer_that_breaks_off_keeps_its_numbers(page, models):
    models.script = [CutStream("They go back [1]. And much more.", words=6)]
    turn = begin(page)
    expect(turn.get_by_role("alert")).to_contain_text("not complete")
    turn.locator("button.chip").first.click()
    expect(panel_of(page).locator(".cited")).to_be_visible()
