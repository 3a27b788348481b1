"""What goes wrong around the page: uploads that break off, a second tab, a tab closed while the work runs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, Route, expect

from demo import texts
from tests.e2e.conftest import PATIENCE
from tests.e2e.serving import HANG, App, wait_until
from tests.e2e.test_browser import FIRST_VIDEO, add_inputs, attest


def folders(app: App) -> set[Path]:
    return set(app.visitor_root.glob("v-*"))


def test_an_upload_that_breaks_off_can_be_tried_again(page: Page, app: App, hopper_jpeg: Path) -> None:
    place, before = urlsplit(app.url), folders(app)
    with socket.create_connection((place.hostname or "", place.port or 0)) as line:
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 5000000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        part = '--x\r\nContent-Disposition: form-data; name="files"; filename="big.jpg"\r\n\r\n'
        line.sendall(head.encode() + part.encode() + bytes(500_000))  # and gone
    assert folders(app) <= before  # nobody became a visitor

    def lose(route: Route) -> None:
        route.abort("connectionreset")

    page.route("**/gradio_api/upload*", lose)
    page.locator("#photo input[type=file]").set_input_files(hopper_jpeg)
    expect(page.locator(".toast-wrap").first).to_contain_text(texts.TOASTS["broken"])
    page.unroute("**/gradio_api/upload*")
    page.locator("#photo input[type=file]").set_input_files(hopper_jpeg)
    page.locator("#photo-card img").wait_for()
    assert httpx.get(app.url, timeout=HANG).status_code == 200


def test_a_second_tab_is_a_visitor_of_its_own(page: Page, app: App, hopper_jpeg: Path, speech: Path) -> None:
    before = folders(app)
    add_inputs(page, hopper_jpeg, speech)
    mine = folders(app) - before
    second = page.context.new_page()
    second.set_default_timeout(PATIENCE)
    second.goto(app.url)
    second.locator("#create").click()
    expect(second.locator("#notice")).to_contain_text(texts.MISSING_PHOTO)  # what the first tab holds is not there
    second.locator("#photo input[type=file]").set_input_files(hopper_jpeg)
    second.locator("#photo-card img").wait_for()
    theirs = folders(app) - before - mine
    assert len(mine) == len(theirs) == 1
    second.close()
    wait_until(lambda: not theirs & folders(app))
    assert mine <= folders(app)  # the first tab keeps what it has
    attest(page)
    page.locator("#create").click()
    page.locator("#download-receipt").wait_for(timeout=FIRST_VIDEO)


def test_a_tab_closed_while_its_video_is_made_stops_the_work(
    open_page: Callable[..., Page], app: App, hopper_jpeg: Path, long_speech: Path
) -> None:
    page, before = open_page(), folders(app)
    stopped = app.log.read_text().count("reason=cancelled")
    add_inputs(page, hopper_jpeg, long_speech)
    attest(page)
    page.locator("#create").click()
    expect(page.locator("#stage")).to_contain_text(texts.STAGE["rendering"], timeout=FIRST_VIDEO)
    mine = folders(app) - before
    page.close()
    wait_until(lambda: not mine & folders(app) and app.log.read_text().count("reason=cancelled") > stopped)
