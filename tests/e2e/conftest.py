"""One running app and one browser for all browser tests; every page is checked for faults and outside requests."""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.serving import App, running_app
from vasa_core.audio import load_speech
from vasa_core.types import SAMPLE_RATE

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
SAMPLE = Path(__file__).resolve().parents[2] / "demo" / "samples" / "english.m4a"
SPEECH_SECONDS = 1.2
PATIENCE = 30_000  # milliseconds, for a machine that does other things too
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


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


@pytest.fixture
def open_page(app: App, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the app for a new visitor; keyword arguments go to the browser's context."""
    contexts, faults, offsite = [], [], []

    def visit(**options: object) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: offsite.append(request.url) if _is_foreign(request.url, app.url) else None)
        page.goto(app.url)
        page.locator("#create").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert faults == []
    assert offsite == []


def _is_foreign(address: str, own: str) -> bool:
    return not address.startswith((own, "data:", "blob:"))


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


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
