"""Runs the app as its users do: another process, its own keys, its own temporary folder."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
HANG = 300.0  # seconds: who takes longer hangs, however slow and busy the machine. Speed is asserted in other ways
WATCH = """
import sys
def watch(event, facts):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        with open({notes!r}, "a") as file:
            print(event, facts[0] if event != "socket.connect" else facts[1], file=file)
sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class App:
    """A running app.

    url: ends in a slash.  temp: where it may leave traces.  started: CPU seconds to the page.
    network: every host name that it looked up and every address that it connected to.
    """

    url: str
    temp: Path
    process: subprocess.Popen[str]
    started: float
    log: Path
    network: Path

    @property
    def visitor_root(self) -> Path:
        return next(self.temp.glob("candor-*"))

    def spent(self) -> float:
        """CPU seconds of the process so far: what others do on the machine does not count."""
        return _spent(self.process)

    def wait_until_warm(self) -> None:
        """Until the models are loaded, so that what is measured is not their loading."""
        wait_until(lambda: httpx.get(f"{self.url}healthz", timeout=HANG).status_code == 200)

    def videos(self) -> set[Path]:
        """Every finished or half-written video the app holds. Folders may vanish meanwhile: visitors leave."""
        return {
            Path(folder, name)
            for folder, _, names in os.walk(self.temp)
            for name in names
            if name.endswith((".mp4", ".part"))
        }


def wait_until(truth: Callable[[], object], pause: float = 0.1) -> None:
    """Ask until it is true; a hang is an error."""
    deadline = time.monotonic() + HANG
    while not truth():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(pause)


def _spent(process: subprocess.Popen[str]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


@contextmanager
def running_app(folder: Path, **extra: str) -> Iterator[App]:
    """`python app.py` on a free port, ended by SIGTERM. extra: environment variables."""
    temp = folder / "tmp"
    temp.mkdir()
    network, log = folder / "network.log", folder / "server.log"
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH.format(notes=str(network)))
    settings = {"CANDOR_HOME": str(folder / "home"), "TMPDIR": str(temp), "PYTHONUNBUFFERED": "1"}
    settings["PYTHONPATH"] = str(folder / "watch")
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
            url = _address(process, log)
            yield App(url, temp, process, _spent(process), log, network)
        finally:
            process.terminate()
            try:
                process.wait(HANG)
                assert list(temp.glob("candor-*")) == [], "visitors' files outlived the process"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline and process.poll() is None:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        words = process.stdout.readline().split() if ready else []
        for word in words:
            if word.startswith("http://"):
                return word if word.endswith("/") else word + "/"
    raise AssertionError(f"the app did not start: {log.read_text()[-2000:]}")
