"""The ways through the consent step that need more than typing, and the way back: withdrawal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from demo.texts import en, fr
from safety import Vault
from safety.consent import find_record, withdrawn_at
from tests.e2e.serving import App
from tests.e2e.test_browser import FIRST_VIDEO, add_inputs


def fill(page: Page, **fields: str) -> None:
    for field, words in fields.items():
        page.locator(f"#{field} input, #{field} textarea").first.fill(words)


def receipt_of(page: Page, folder: Path) -> Path:
    """Press Create and save the receipt."""
    page.locator("#statement input").check()
    page.locator("#create").click()
    with page.expect_download(timeout=FIRST_VIDEO) as download:
        page.locator("#download-receipt").click(timeout=FIRST_VIDEO)
    download.value.save_as(folder / "receipt.json")
    return folder / "receipt.json"


def evidence_of(receipt: Path) -> dict[str, object]:
    stated: dict[str, object] = json.loads(receipt.read_text())["record"]["processing"]["evidence"]
    return stated


def test_the_words_may_be_said_aloud(page: Page, hopper_jpeg: Path, speech: Path, tmp_path: Path) -> None:
    add_inputs(page, hopper_jpeg, speech)
    page.get_by_label(en.BASIS["self"]).check()
    fill(page, subject="Ada Example")
    expect(page.locator("#answer")).to_contain_text("type these words")
    page.locator("#statement input").check()
    page.locator("#create").click()
    expect(page.locator("#notice")).to_contain_text(en.MISSING_PHRASE)
    page.locator("#say").get_by_role("button").first.click()
    field = page.locator("#spoken")
    field.get_by_label("Upload file").click()
    field.locator("input[type=file]").set_input_files(speech)  # the voice of the video is no answer
    field.get_by_label("Play", exact=True).wait_for()
    page.locator("#create").click()
    expect(page.locator("#notice")).to_contain_text("one recording", timeout=FIRST_VIDEO)
    page.locator("#answer-again").click()  # other words: the recording of the former ones goes
    expect(field.get_by_label("Play", exact=True)).to_have_count(0)
    page.context.grant_permissions(["microphone"])
    field.get_by_label("Record audio").click()
    field.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1800)
    with page.expect_response(lambda answer: "gradio_api/upload" in answer.url):
        field.get_by_role("button", name="Stop").first.click()
    field.get_by_label("Play", exact=True).wait_for()
    stated = evidence_of(receipt_of(page, tmp_path))
    assert stated["channel"] == "spoken" and str(stated["checked"]).startswith("no:")


def test_a_document_is_committed_to_and_its_consent_withdrawn_in_french(
    open_page: Callable[..., Page], app: App, hopper_jpeg: Path, speech: Path, tmp_path: Path
) -> None:
    page = open_page(locale="fr-FR")
    letter = tmp_path / "lettre.txt"
    letter.write_text("Elle est d'accord.")
    page.locator("#photo input[type=file]").set_input_files(hopper_jpeg)
    page.locator("#photo-card img").wait_for()
    page.locator("#speech input[type=file]").set_input_files(speech)
    page.locator("#speech-notice .notice").wait_for()
    page.get_by_label(fr.BASIS["written-consent"]).check()
    fill(page, subject="Grace", attester="Ada")
    page.locator("#statement input").check()
    page.locator("#create").click()
    expect(page.locator("#notice")).to_contain_text(fr.MISSING_PERMISSION)
    page.locator("#document input[type=file]").set_input_files(letter)
    expect(page.locator("#document")).to_contain_text("lettre")
    receipt = receipt_of(page, tmp_path)
    stated = evidence_of(receipt)
    assert (stated["kind"], stated["bytes"]) == ("document", len(letter.read_bytes()))

    page.get_by_role("tab", name=fr.VERIFY_TAB).click()
    page.locator("#withdraw").get_by_role("button", name=fr.WITHDRAW_TITLE).click()
    page.locator("#withdraw-receipt input[type=file]").set_input_files(receipt)
    expect(page.locator("#withdraw-notice")).to_contain_text(fr.WITHDRAW_READ)
    page.locator("#withdraw-go").click()
    expect(page.locator("#withdraw-notice")).to_contain_text(fr.WITHDRAW_UNSURE)
    page.locator("#withdraw-sure input").check()
    good = page.locator("#withdraw-code input, #withdraw-code textarea").input_value()
    fill(page, **{"withdraw-code": "guess"})
    page.locator("#withdraw-go").click()
    expect(page.locator("#withdraw-notice")).to_contain_text("ne vont pas ensemble")
    fill(page, **{"withdraw-code": good})
    page.locator("#withdraw-go").click()
    record = json.loads(receipt.read_text())["record"]["record_id"]
    expect(page.locator("#withdraw-notice")).to_contain_text(fr.WITHDRAWN.format(record=record))
    house = Vault.open(app.temp.parent / "home", environment={})
    assert find_record(house, record) is not None and withdrawn_at(house, record) is not None
    house.close()
    assert not list(app.visitor_root.rglob("receipt.json"))  # the code in it is a secret
    page.get_by_role("tab", name=fr.CREATE_TAB).click()
    page.locator("#send").click()  # the video just made reads as withdrawn
    expect(page.locator("#report")).to_contain_text(fr.CONSENT["withdrawn"][0], timeout=FIRST_VIDEO)
