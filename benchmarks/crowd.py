"""Twenty visitors over two minutes: each gives a photo and speech, asks for a video, verifies it, and leaves.

`python -m benchmarks.crowd`; on loopback, over HTTP, each visitor with an address of their own. Printed: who got what,
the server's memory before and after (idle, after a first video and a first file verified), and files that were left.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import secrets
import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks.app import PHOTO, memory, voice
from tests.e2e.serving import App, running_app
from tests.e2e.test_doors import NEEDED, Intruder

SPEECH_SECONDS = 2.0
BUSY = re.compile(r"are waiting already|being read already|for your address|asked for this too often")
PATIENCE = 180.0  # seconds for a video, the line included


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.crowd")
    parser.add_argument("--visitors", type=int, default=20, metavar="N", help="20")
    parser.add_argument("--seconds", type=float, default=120.0, help="over which they come (120)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        speech = voice(folder / "speech.wav", SPEECH_SECONDS)
        with running_app(folder, CANDOR_TRUST_PROXY="1") as app:
            while httpx.get(app.url + "healthz").status_code != 200:
                time.sleep(0.2)
            crowd(app, speech, args.visitors, args.seconds)


def crowd(app: App, speech: Path, count: int, seconds: float) -> None:
    """Let them come and print what became of them."""
    for number in range(2):  # what is loaded at the first use stays
        visit(app, 250 + number, speech)
    _until_gone(app)
    before, started = memory(app), time.monotonic()
    outcomes: list[str] = []
    longest: list[float] = []

    def come(number: int) -> None:
        time.sleep(seconds * number / count)
        begun = time.monotonic()
        outcomes.append(visit(app, number, speech))
        longest.append(time.monotonic() - begun)

    people = [threading.Thread(target=come, args=(number,)) for number in range(count)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    took = time.monotonic() - started
    _until_gone(app)
    said = ", ".join(f"{number} {outcome}" for outcome, number in collections.Counter(outcomes).most_common())
    print(f"{count} visitors in {took:.0f} s     {said}; the longest stayed {max(longest):.0f} s")
    print(f"memory                   {before:6.0f} MB before, {memory(app):.0f} MB after")
    print(f"files left behind        {sum(len(files) for _, _, files in os.walk(app.visitor_root)):6d}")
    print(f"faults in the log        {app.log.read_text().count('candor: fault'):6d}")


def visit(app: App, number: int, speech: Path) -> str:
    """One visitor from the first page to the last: "video verified", "polite no", or what went wrong."""
    session = secrets.token_hex(6)
    try:
        someone = Intruder(app)
        someone.http.headers["x-forwarded-for"] = f"8.8.8.{number}"  # each has an address of their own
        someone.http.timeout = httpx.Timeout(PATIENCE)
        for path in ("", "theme.css", "page/live.js"):
            someone.http.get(path).raise_for_status()
        with someone.http.stream("GET", f"gradio_api/heartbeat/{session}"):  # the tab is open
            for name, file, sign in (("take_photo", PHOTO, "photo-card"), ("take_speech", speech, "seconds of sound")):
                answer = someone.join(name, [someone.upload(file)], session)
                if sign not in answer:
                    return "polite no" if BUSY.search(answer) else f"{name} failed: {answer[-300:]}"
            handler = someone.handler("make")
            form = [*NEEDED, *someone.defaults(handler)[len(NEEDED) :]]
            answer = "".join(someone.join(*step, session) for step in (("make", form), ("follow", []), ("finish", [])))
            if BUSY.search(answer):
                return "polite no"
            if "result-card" not in answer and "Watermark" not in answer:
                return "no video"
            return "video verified" if "Trusted" in someone.join("send", [], session) else "not verified"
    except httpx.HTTPError as error:
        return type(error).__name__


def _until_gone(app: App) -> None:
    """Wait until the last tab's folder has gone."""
    deadline = time.monotonic() + 60
    while list(app.visitor_root.glob("v-*")) and time.monotonic() < deadline:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
