"""The rest of the pages in a real browser: languages, live, preview, two takes, accessibility, phone width."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from safetensors.numpy import load_file

from demo import texts
from demo.doorman import MAX_UPLOAD
from tests.e2e.serving import HANG, App
from tests.e2e.test_browser import FIRST_VIDEO, add_inputs, assert_plays, attest

SETTLED = """() => document.getAnimations().every((one) => one.playState !== "running"
  || one.effect.getTiming().iterations === Infinity)"""
TABS = ("CREATE_TAB", "LIVE_TAB", "VERIFY_TAB", "DETECT_TAB", "ABOUT_TAB")
GIVE_LARGE = """(field, bytes) => { const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(bytes)], "grand.jpg", {type: "image/jpeg"}));
  field.files = given.files; field.dispatchEvent(new Event("change", {bubbles: true})) }"""


def violations(found: dict[str, Any]) -> list[str]:
    """Broken rules of axe-core, each with the first place where it is broken."""
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found["violations"]]


def french(name: str) -> Any:
    with texts.speaking("fr"):
        return getattr(texts, name)


def test_a_french_browser_gets_a_french_page_errors_included(
    open_page: Callable[..., Page], app: App, tmp_path: Path
) -> None:
    page = open_page(locale="fr-FR")
    assert page.url.rstrip("/").endswith("/fr") and page.evaluate("document.documentElement.lang") == "fr"
    expect(page.locator("#create")).to_have_text(french("CREATE"))
    expect(page.locator("#speech")).to_contain_text("Déposez")  # the framework's own words follow
    page.locator("#create").click()
    expect(page.locator("#notice")).to_contain_text(french("MISSING_PHOTO"))
    broken = tmp_path / "vacances.jpg"
    broken.write_bytes(b"not a picture")
    page.locator("#photo input[type=file]").set_input_files(broken)
    expect(page.locator("#photo-notice [role=alert]")).to_contain_text("« vacances.jpg » n’est pas une image")
    page.locator("#photo input[type=file]").evaluate(GIVE_LARGE, MAX_UPLOAD + 1)
    toast = page.locator(".toast-wrap").first
    expect(toast).to_contain_text(
        french("TOASTS")["large"].format(files="grand.jpg")
    )  # the framework's own messages too
    expect(toast).to_contain_text("Erreur")
    page.get_by_role("link", name="English").click()
    expect(page.locator("#create")).to_have_text(texts.CREATE)
    assert page.evaluate("document.documentElement.lang") == "en"


def test_the_language_changes_and_everything_given_stays(page: Page, hopper_jpeg: Path, speech: Path) -> None:
    add_inputs(page, hopper_jpeg, speech)
    attest(page)
    page.get_by_role("link", name="Français").click()
    page.wait_for_url("**/fr*")
    expect(page.locator("#photo-card")).to_contain_text("1 visage")
    expect(page.locator("#speech-notice")).to_contain_text(speech.name)
    expect(page.locator("#basis").get_by_label(french("BASIS")["public-domain"])).to_be_checked()
    expect(page.locator("#subject input, #subject textarea").first).to_have_value("Grace Hopper")
    statement = page.locator("#statement input")
    expect(statement).not_to_be_checked()  # its words have changed
    assert "moved" not in page.url
    statement.check()
    page.locator("#create").click()
    assert_plays(page)
    page.get_by_role("link", name="English").click()
    page.wait_for_url("**lang=en*")
    page.locator("#result-card").wait_for()
    assert_plays(page)
    expect(page.locator("#result-card")).to_contain_text(texts.RESULT_TITLE)


def test_a_preview_follows_the_gaze_pad_and_a_second_take_stands_beside_the_first(
    page: Page, hopper_jpeg: Path, speech: Path
) -> None:
    add_inputs(page, hopper_jpeg, speech)
    page.locator("#look").get_by_role("button").first.click()
    still = page.locator("#preview img")
    still.wait_for(timeout=FIRST_VIDEO)
    before = still.get_attribute("src")
    pad = page.locator("#look .gaze-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"])
    expect(page.locator("#gaze-yaw input[type=number]")).to_have_value("24")
    page.wait_for_function("old => document.querySelector('#preview img').src !== old", arg=before)
    pad.press("ArrowLeft")
    expect(page.locator("#gaze-yaw input[type=number]")).to_have_value("22")
    attest(page)
    page.locator("#create").click()
    page.locator("#download-motion").wait_for(timeout=FIRST_VIDEO)
    with page.expect_download() as motion:
        page.locator("#download-motion").click()
    assert len(load_file(motion.value.path())["pose"]) >= 25  # latents, 25 a second
    page.locator("#again").click()
    page.locator("#earlier video").wait_for(timeout=FIRST_VIDEO)
    assert_plays(page)
    assert_plays(page, "#earlier video")
    assert not violations(Axe().run(page).response)  # the page in use, with its players and both videos
    first, second = page.locator("#earlier-seed").inner_text(), page.locator("#result-seed").inner_text()
    assert first == texts.TAKE.format(seed=0) and second != first


def test_the_keyboard_chooses_and_its_place_is_seen(page: Page) -> None:
    page.locator("#look").get_by_role("button").first.press("Enter")
    neutral, happy = (page.locator("#emotion").get_by_label(texts.EMOTIONS[name]) for name in ("neutral", "happy"))
    neutral.press("ArrowRight")
    expect(happy).to_be_checked()
    happy.press("ArrowLeft")
    expect(neutral).to_be_checked()
    pad, yaw = page.locator("#look .gaze-pad"), page.locator("#gaze-yaw input[type=number]")
    pad.press("ArrowRight")
    expect(yaw).to_have_value("2")
    pad.press("Home")
    expect(yaw).to_have_value("0")
    for field in (pad, page.locator("#seed input"), page.locator("#create"), page.locator("#example")):
        field.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(field).to_be_focused()
        expect(field).to_have_css("outline-style", "solid")  # not at once while the preview of the last look comes in
        expect(field).to_have_css("outline-width", "2px")


def test_live_shows_pictures_and_its_recording_is_sealed(
    open_page: Callable[..., Page], app: App, hopper_jpeg: Path
) -> None:
    page = open_page(permissions=["microphone"])
    page.get_by_role("tab", name=texts.LIVE_TAB).click()
    page.locator("#live-start").click()
    expect(page.locator("#live-notice")).to_contain_text(texts.MISSING_PHOTO)
    page.locator("#live-photo input[type=file]").set_input_files(hopper_jpeg)
    page.locator("#live-photo-card img").wait_for()
    page.locator("#live-basis").get_by_label(texts.BASIS["public-domain"]).check()
    for field, words in (("subject", "Grace Hopper"), ("attester", "Ada Example"), ("source", "US Navy portrait")):
        page.locator(f"#live-{field} input, #live-{field} textarea").first.fill(words)
    page.locator("#live-statement input").check()
    page.locator("#live-start").click()
    page.wait_for_selector("#live-board[data-state=live]", timeout=FIRST_VIDEO)
    page.wait_for_function("() => window.candorLive.session()?.delays.length > 5", timeout=FIRST_VIDEO)
    words = page.locator("#live-board").get_attribute("data-words") or ""
    drawn = "() => document.querySelector('#live-board canvas').getContext('2d').getImageData(256, 256, 1, 1).data[3]"
    assert page.evaluate(drawn) == 255
    page.locator("#live-emotion").get_by_label(texts.EMOTIONS["happy"]).check()
    page.wait_for_function("() => window.candorLive.session().look?.[0] === 'happy'")
    page.wait_for_function("old => window.candorLive.session().shown > old + 10", arg=_shown(page))
    before = page.evaluate("() => { const s = window.candorLive.session(); s.socket.close(); return s.shown }")  # lost
    expect(page.locator(".live-status")).to_have_text(json.loads(words)["again"])
    page.wait_for_function(
        "old => { const s = window.candorLive.session(); return s.ready && s.shown > old }", arg=before
    )
    page.locator("#live-stop").click()
    page.locator("#live-seal").click()
    page.locator("#live-download").wait_for(timeout=FIRST_VIDEO)
    assert_plays(page, "#live-result video")
    page.locator("#live-send").click()
    expect(page.locator("#report h2")).to_contain_text(texts.VERDICT["sealed"], timeout=FIRST_VIDEO)


def _shown(page: Page) -> int:
    shown: int = page.evaluate("() => window.candorLive.session().shown")
    return shown


def test_live_says_what_is_missing(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_role("tab", name=texts.LIVE_TAB).click()
    page.evaluate("() => { delete window.AudioWorkletNode; window.candorLive.start('x') }")
    words = json.loads(page.locator("#live-board").get_attribute("data-words") or "{}")
    expect(page.locator(".live-status")).to_have_text(words["old"])


def test_verify_and_detect_have_files_to_try(page: Page) -> None:
    page.get_by_role("tab", name=texts.VERIFY_TAB).click()
    for kind, verdict in (
        ("own", "sealed"),
        ("stripped", "stripped_copy"),
        ("tampered", "altered"),
        ("real", "nothing"),
    ):
        page.locator(f"#verify-specimen-{kind}").click()
        expect(page.locator("#report h2")).to_contain_text(texts.VERDICT[verdict], timeout=FIRST_VIDEO)
    page.get_by_role("tab", name=texts.DETECT_TAB).click()
    page.locator("#detect-specimen-real").click()
    page.locator("#detect-save").wait_for(timeout=FIRST_VIDEO)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_tab_is_accessible_and_fits_a_phone(open_page: Callable[..., Page], language: str) -> None:
    locale = {"en": "en-US", "fr": "fr-FR"}[language]
    page = open_page(locale=locale, viewport={"width": 390, "height": 844})
    axe, broken = Axe(), {}
    with texts.speaking(language):
        for tab in (getattr(texts, name) for name in TABS):
            page.get_by_role("tab", name=tab, exact=True).click()  # none hides in a menu
            page.get_by_role("tab", name=tab, exact=True, selected=True).wait_for()
            page.wait_for_function(SETTLED)
            assert page.evaluate("() => document.scrollingElement.scrollWidth <= window.innerWidth"), tab
            broken[tab] = violations(axe.run(page).response)
    assert not any(broken.values()), broken


def test_health_and_documents_are_served(app: App) -> None:
    assert httpx.get(f"{app.url}healthz", timeout=HANG).status_code in (200, 503)
    assert "Candor" in httpx.get(f"{app.url}documents/model-card", timeout=HANG).text
    assert httpx.get(f"{app.url}documents/..%2fapp.py", timeout=HANG).status_code in (403, 404)
