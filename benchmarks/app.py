"""The app in a real Chromium: page, sample, first video, a newcomer's walk, live, a crowd. `python -m benchmarks.app`

Needs Chromium (CHROMIUM, or on the path) and what requirements-dev.txt installs. The microphone is Chromium's fake one,
playing a sample's voice. Live delay: from the middle of the sound that a picture belongs to, as it left the microphone,
until that picture was drawn on the canvas (docs/live.md). Nothing else should run meanwhile; the load is printed, and
of the first video the CPU seconds of server and browser, which hang less on what else runs. A walk: an example, its
video, Verify and Detect one after the other, on a page that is open.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from demo import samples, texts
from tests.e2e.serving import App, running_app
from vasa_core.audio import load_speech
from vasa_core.types import PLAYBACK_RATE

PHOTO = samples.FOLDER / "grace_hopper.jpg"
VOICE = samples.FOLDER / "english.m4a"
PATIENCE = 120_000  # milliseconds
SYNC = 45  # milliseconds that lips and voice may be apart
PLAYS = "s => { const v = document.querySelector(s); return v && v.videoWidth > 0 && v.currentTime > 0 }"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.app")
    parser.add_argument(
        "--live", type=float, default=30.0, metavar="SECONDS", help="how long to speak (30); 0: not at all"
    )
    parser.add_argument("--crowd", type=int, default=20, metavar="N", help="visitors who open the page at once (20)")
    args = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        short, long = voice(folder / "short.wav", 5.0), voice(folder / "long.wav", 60.0)
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream"]
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={long}"]
        minutes = str(int(args.live // 60) + 1)
        with running_app(folder, CANDOR_LIVE_MINUTES=minutes) as app:
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            print(f"process to address       {app.started:6.1f} s   (load {os.getloadavg()[0]:.1f})")
            while httpx.get(app.url + "healthz", timeout=60).status_code != 200:
                time.sleep(0.2)
            page = visit(browser, app)
            print(f"sample plays             {sample_plays(page):6.1f} s")
            first_video(page, short, app)
            page.context.close()
            page = visit(browser, app)
            print(f"walk, start to report    {walk(page):6.1f} s")
            page.context.close()
            if args.live:
                speak(visit(browser, app), args.live, app)
            crowd(app, args.crowd)
            browser.close()


def voice(path: Path, seconds: float) -> Path:
    """A WAV of a sample's voice, 48 kHz, over and over."""
    sound = load_speech(VOICE).playback[:, 0]
    count = round(seconds * PLAYBACK_RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(PLAYBACK_RATE)
        file.writeframes(np.resize(sound, count).tobytes())
    return path


def visit(browser: Browser, app: App) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 1000}, permissions=["microphone"]).new_page()
    page.set_default_timeout(PATIENCE)
    start = time.perf_counter()
    page.goto(app.url)
    page.locator("#create").wait_for()
    print(f"page usable              {time.perf_counter() - start:6.1f} s")
    return page


def sample_plays(page: Page) -> float:
    page.wait_for_timeout(500)
    start = time.perf_counter()
    page.locator(f"#sample-{samples.ready()[0].name}").click()
    page.wait_for_function(PLAYS, arg="#result video", polling=30)
    return time.perf_counter() - start


def first_video(page: Page, speech: Path, app: App) -> None:
    attest(page, "")
    page.locator("#speech input[type=file]").set_input_files(speech)
    page.locator("#speech-notice .notice").wait_for()
    server, both, start = cpu(app.process.pid), cpu(os.getpid()), time.perf_counter()
    page.locator("#create").click()
    page.locator("#download-receipt").wait_for()
    page.wait_for_function(PLAYS, arg="#result video", polling=30)
    took = time.perf_counter() - start
    server, both = cpu(app.process.pid) - server, cpu(os.getpid()) - both
    print(f"5 s of speech to video   {took:6.1f} s   (CPU: server {server:.1f} s, browser {both - server:.1f} s)")


def walk(page: Page) -> float:
    """Seconds of a newcomer who types and clicks at once: from the example to the detector's report."""
    start = time.perf_counter()
    page.locator("#example").click()
    page.wait_for_function("() => document.activeElement.closest('#attester')")
    page.keyboard.type("A benchmark")
    page.locator("#statement input").check()
    page.locator("#create").click()
    page.locator("#send").click()
    page.locator("#report .rows").wait_for()
    page.locator("#verify-detect").click()
    page.locator("#detect-save").wait_for()
    return time.perf_counter() - start


def cpu(root: int) -> float:
    """CPU seconds that a process and those below it have used (Linux)."""
    spent: dict[int, float] = {}
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            facts = (folder / "stat").read_text().rpartition(")")[2].split()  # from the state on; proc(5)
            spent[int(folder.name)] = (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")
            below.setdefault(int(facts[1]), []).append(int(folder.name))
    total, found = 0.0, [root]
    while found:
        process = found.pop()
        total += spent.get(process, 0.0)
        found += below.get(process, [])
    return total


def attest(page: Page, prefix: str) -> None:
    """Give the photo and fill in the consent form."""
    page.locator(f"#{prefix}photo input[type=file]").set_input_files(PHOTO)
    page.locator(f"#{prefix}photo-card img").wait_for()
    page.locator(f"#{prefix}basis").get_by_label(texts.BASIS["public-domain"]).check()
    for name, words in (("subject", "Grace Hopper"), ("attester", "A benchmark"), ("source", "US Navy")):
        page.locator(f"#{prefix}{name} input, #{prefix}{name} textarea").first.fill(words)
    page.locator(f"#{prefix}statement input").check()


def speak(page: Page, seconds: float, app: App) -> None:
    """Go live and print delay, rate, and what the server holds and uses meanwhile."""
    page.get_by_role("tab", name=texts.LIVE_TAB).click()
    attest(page, "live-")
    page.locator("#live-start").click()
    page.wait_for_selector("#live-board[data-state=live]")
    page.wait_for_timeout(3000)
    page.evaluate("() => { window.candorLive.session().log = [] }")
    held, spent = memory(app), cpu(app.process.pid)
    page.wait_for_timeout(seconds * 1000)
    held_after, spent = memory(app), (cpu(app.process.pid) - spent) / seconds
    log = np.array(page.evaluate("() => window.candorLive.session()?.log ?? []"))
    if len(log) < 2:
        print(f"live                     no pictures: {page.locator('.live-status').inner_text()}")
        return
    rate = (len(log) - 1) / (log[-1, 2] - log[0, 2]) * 1000
    left_out = log[-1, 0] - log[0, 0] + 1 - len(log)
    off = log[:, 3]
    near = np.mean(np.abs(off) <= SYNC)
    print(f"lips against own voice   {np.median(off):+6.0f} ms median, {near:.1%} of pictures within {SYNC} ms")
    print(f"live delay               {np.median(log[:, 1]):6.0f} ms median, {np.percentile(log[:, 1], 95):.0f} ms 95 %")
    print(
        f"live rate                {rate:6.1f} pictures a second, {left_out:.0f} of {len(log) + left_out:.0f} left out"
    )
    print(f"live, the server         {held:6.0f} MB at the start, {held_after:.0f} MB at the end, {spent:.2f} CPU s/s")
    page.locator("#live-stop").click()


def memory(app: App) -> float:
    """Megabytes that the server holds."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def crowd(app: App, count: int) -> None:
    """Visitors who open the page and its settings at once, over HTTP."""

    def call(_: int) -> tuple[int, float]:
        start = time.perf_counter()
        with httpx.Client(base_url=app.url, timeout=60) as client:
            codes = [client.get(path).status_code for path in ("", "config", "page/live.js")]
        return max(codes), time.perf_counter() - start

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(call, range(count)))
    failed = sum(code != 200 for code, _ in answers)
    slowest = max(seconds for _, seconds in answers)
    print(f"{count} visitors at once     {slowest:6.1f} s for the slowest, {failed} refused")


if __name__ == "__main__":
    main()
