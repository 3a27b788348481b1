"""One running app and one browser for all browser tests; every page is checked for faults and outside requests."""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.serving import App, running_app
from vasa_core.audio import load_speech
from vasa_core.types import SAMPLE_RATE

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
SAMPLE = Path(__file__).resolve().parents[2] / "demo" / "samples" / "english.m4a"
SPEECH_SECONDS = 1.2
METRICS = "token-of-the-tests"
PATIENCE = 120_000  # milliseconds; as HANG is
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app"), CANDOR_METRICS_TOKEN=METRICS) as running:
        yield running
        asked = running.network.read_text().splitlines()
        assert asked and all("127.0.0.1" in line for line in asked), asked  # its own address: the watch works


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        message = "Chromium is missing. Install it with `apt-get install chromium`, or set CHROMIUM to its path."
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    flags = [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


SCREEN = {"viewport": {"width": 1280, "height": 900}}


class Watched:
    """Pages of one test: what went wrong in them, and what they asked of other hosts."""

    def __init__(self, app: App) -> None:
        self.app, self.faults, self.offsite = app, list[str](), list[str]()

    def visit(self, context: BrowserContext) -> Page:
        """The app, opened for a new visitor."""
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._note(request.url))
        page.goto(self.app.url)
        page.locator("#create").wait_for()
        return page

    def _note(self, address: str) -> None:
        if not address.startswith((self.app.url, "data:", "blob:")):
            self.offsite.append(address)


@pytest.fixture
def watched(app: App) -> Iterator[Watched]:
    pages = Watched(app)
    yield pages
    assert pages.faults == []
    assert pages.offsite == []


@pytest.fixture
def open_page(watched: Watched, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the app in a browser of its own; keyword arguments go to its context."""
    contexts = []

    def visit(**options: object) -> Page:
        contexts.append(browser.new_context(**(SCREEN | options)))  # type: ignore[arg-type]
        return watched.visit(contexts[-1])

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def everyday(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has seen the page before: it opens in half the time. Every tab is a visitor of its own."""
    context = browser.new_context(**SCREEN)  # type: ignore[arg-type]
    yield context
    context.close()


@pytest.fixture
def page(watched: Watched, everyday: BrowserContext) -> Iterator[Page]:
    opened = watched.visit(everyday)
    yield opened
    for tab in everyday.pages:
        tab.close()
    everyday.clear_cookies()
    everyday.clear_permissions()


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first words of a sample: WAV, 16 kHz, 1.2 s."""
    return write_wave(tmp_path_factory.mktemp("speech") / "speech.wav", load_speech(SAMPLE).samples, SPEECH_SECONDS)


@pytest.fixture(scope="session")
def long_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 s, long enough to be stopped in the middle."""
    samples = np.tile(load_speech(SAMPLE).samples, 4)
    return write_wave(tmp_path_factory.mktemp("speech") / "long.wav", samples, 40)


def write_wave(path: Path, samples: np.ndarray, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples[: int(seconds * SAMPLE_RATE)] * 32767).astype("<i2").tobytes())
    return path
