"""The page is installed as an app, and texts have the direction of their letters."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
ARABIC = "متى تعود البضائع؟"


def test_it_can_be_installed(page, served):
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["manifest"]["startUrl"] == f"{str(served.client.base_url).rstrip('/')}/"
    assert manifest["manifest"]["display"].endswith("tandalone")
    [icon] = manifest["manifest"]["icons"]
    assert served.client.get(icon["url"]).headers["content-type"] == "image/svg+xml"
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [each["errorId"] for each in errors] in ([], ["in-incognito"])


def test_letters_from_right_to_left_stand_so_in_an_english_page(page, models):
    models.script = [f"{ARABIC} [1]\n\n- {ARABIC}\n\nThey go back [1]."]
    box = page.get_by_role("textbox", name="Your question")
    box.fill(ARABIC)
    assert direction(box) == "rtl"
    page.get_by_role("group", name="Where to look").get_by_text("Documents", exact=True).click()
    box.press("Enter")
    turn = page.get_by_role("article").last
    turn.get_by_role("button", name="Copy the answer").wait_for()
    assert direction(turn.locator(".question")) == "rtl"
    assert direction(turn.locator(".prose")) == "rtl"
    assert page.evaluate("getComputedStyle(document.querySelector('.prose p')).unicodeBidi") == (
        "plaintext"
    )
    assert direction(page.locator("html")) == "ltr"


def direction(element):
    return element.evaluate("element => getComputedStyle(element).direction")


def test_languages_are_those_of_the_catalogues(page):
    languages = page.get_by_label("Language").locator("option")
    expect(languages).to_have_text(["English", "Français"])
    page.get_by_label("Language").select_option("fr")
    expect(page.get_by_role("textbox", name="Votre question")).to_be_visible()
