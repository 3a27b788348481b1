"""Runs the app as its users do: another process, its own keys, its own temporary folder."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0  # generous: the machine may be busy


@dataclass(frozen=True)
class App:
    """A running app. url: ends in a slash.  temp: where it may leave traces.  started: seconds to the page."""

    url: str
    temp: Path
    process: subprocess.Popen[str]
    started: float
    log: Path

    @property
    def visitor_root(self) -> Path:
        return next(self.temp.glob("candor-*"))

    def videos(self) -> set[Path]:
        """Every finished or half-written video the app holds. Folders may vanish meanwhile: visitors leave."""
        return {
            Path(folder, name)
            for folder, _, names in os.walk(self.temp)
            for name in names
            if name.endswith((".mp4", ".part"))
        }


@contextmanager
def running_app(folder: Path, **extra: str) -> Iterator[App]:
    """`python app.py` on a free port, ended by SIGTERM. extra: environment variables."""
    temp = folder / "tmp"
    temp.mkdir()
    settings = {"CANDOR_HOME": str(folder / "home"), "TMPDIR": str(temp), "PYTHONUNBUFFERED": "1"}
    log = folder / "server.log"
    start = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=os.environ | settings | extra,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            url = _address(process, start + START_SECONDS, log)
            yield App(url, temp, process, time.monotonic() - start, log)
        finally:
            process.terminate()
            try:
                process.wait(20)
                assert list(temp.glob("candor-*")) == [], "visitors' files outlived the process"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[str], deadline: float, log: Path) -> str:
    assert process.stdout is not None
    while time.monotonic() < deadline and process.poll() is None:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        words = process.stdout.readline().split() if ready else []
        for word in words:
            if word.startswith("http://"):
                return word if word.endswith("/") else word + "/"
    raise AssertionError(f"the app did not start: {log.read_text()[-2000:]}")
