"""How long a person waits before the first thing happens.

    python -m benchmarks.startup

Prints, for a fresh process: seconds from `python app.py` to a served page, then from a photo to its face box, the first
time (models cold) and later, and from a photo to its first frame.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.types import SAMPLE_RATE, Speech

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "demo" / "samples" / "grace_hopper.jpg"


def page_served() -> float:
    """Seconds from starting the app to the first answered request; RuntimeError if it never answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"CANDOR_HOME": home}
        command = [sys.executable, "-m", "demo", "serve", "--port", str(port)]
        started = time.perf_counter()
        app = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while time.perf_counter() - started < 120 and app.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                    return time.perf_counter() - started
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    time.sleep(0.05)
            raise RuntimeError("the app did not answer within two minutes")
        finally:
            app.terminate()
            app.wait(30)


def main() -> None:
    print(f"process to served page          {page_served():6.2f} s")
    core = TalkingFace.from_pretrained()
    quiet = Speech(np.zeros(SAMPLE_RATE, np.float32), np.zeros((3 * SAMPLE_RATE, 1), np.int16), b"", "audio/wav")
    for name in ("first photo, models cold", "next photo"):
        started = time.perf_counter()
        photo = load_photo(PHOTO)
        core.detector.choose(photo.pixels)
        found = time.perf_counter() - started
        motion = core.animate(quiet)
        started = time.perf_counter()
        next(core.render(core.prepare(photo), motion))
        print(f"{name:<26}face box {found:6.2f} s, first frame {time.perf_counter() - started:6.2f} s later")


if __name__ == "__main__":
    main()
