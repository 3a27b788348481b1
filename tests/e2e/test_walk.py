"""A newcomer's walk: an example, one name, one tick, and the clip is made, verified and examined; other ways in."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from demo import texts, voices
from tests.e2e.serving import App
from tests.e2e.test_browser import FIRST_VIDEO, assert_plays

LONGEST = 170.0  # CPU seconds of the app for all of it; the promise is three minutes with nothing to read

COPY = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})})]) }"""


def test_a_newcomer_makes_verifies_and_examines_a_clip(page: Page, app: App) -> None:
    began = app.spent()
    page.locator("#example").click()
    name = page.locator("#attester input, #attester textarea").first
    expect(name).to_be_focused()  # the only field that is left
    expect(page.locator("#subject input, #subject textarea").first).to_have_value("Rosalind, who does not exist")
    expect(page.get_by_label(texts.BASIS["synthetic"])).to_be_checked()
    statement = page.locator("#statement input")
    expect(statement).not_to_be_checked()  # nobody consents for the visitor
    page.keyboard.type("Ada Example")
    statement.check()
    page.locator("#create").click()
    expect(page.locator("#stage [role=progressbar]")).to_be_in_viewport()
    expect(page.locator("#stop")).to_be_in_viewport()
    expect(page.locator("#send")).to_be_in_viewport(timeout=FIRST_VIDEO)
    assert_plays(page)
    page.locator("#send").click()
    expect(page.locator("#report")).to_contain_text(texts.VERDICT["sealed"], timeout=FIRST_VIDEO)
    page.locator("#verify-detect").click()
    expect(page.locator("#detect-report")).to_contain_text("Looks generated", timeout=FIRST_VIDEO)
    assert app.spent() - began < LONGEST


def test_a_photo_comes_from_the_camera_the_clipboard_or_a_file(page: Page, hopper_jpeg: Path) -> None:
    page.context.grant_permissions(["camera", "clipboard-read", "clipboard-write"])
    page.locator("#photo").get_by_label("Capture from camera").click()
    page.locator("#photo .access-wrap, #photo [title='grant webcam access']").first.click()
    page.wait_for_function("() => document.querySelector('#photo video')?.videoWidth > 0", timeout=FIRST_VIDEO)
    page.locator("#photo").get_by_label("capture photo").click()  # before the camera gives pictures there is none
    expect(page.locator("#photo-notice [role=alert]")).to_contain_text("No human face", timeout=FIRST_VIDEO)
    picture = io.BytesIO()
    Image.open(hopper_jpeg).save(picture, "PNG")
    page.evaluate(COPY, base64.b64encode(picture.getvalue()).decode())
    page.locator("#photo").get_by_label("Paste from clipboard").click()
    expect(page.locator("#photo-card")).to_contain_text("1 face", timeout=FIRST_VIDEO)
    page.locator("#photo-again").click()  # a file does as well, after that
    page.locator("#photo input[type=file]").set_input_files(hopper_jpeg)
    expect(page.locator("#photo-card")).to_contain_text("1 face")


@pytest.mark.skipif(not voices.available(), reason="needs espeak-ng")
def test_words_are_typed_and_spoken_by_a_synthetic_voice(page: Page) -> None:
    page.locator("#typing").get_by_role("button").first.click()
    page.locator("#type-text textarea").fill("Hello, this is not my voice.")
    page.locator("#type-say").click()
    expect(page.locator("#speech-notice")).to_contain_text("Synthetic voice", timeout=FIRST_VIDEO)
