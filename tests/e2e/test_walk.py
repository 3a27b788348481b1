"""A newcomer's walk: an example, one name, one tick, and the clip is made, verified and examined."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from demo import texts
from tests.e2e.test_browser import FIRST_VIDEO, assert_plays

LONGEST = 170.0  # seconds for all of it; the promise is three minutes with nothing to read


def test_a_newcomer_makes_verifies_and_examines_a_clip(page: Page) -> None:
    began = time.monotonic()
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
    assert time.monotonic() - began < LONGEST
