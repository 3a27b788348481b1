"""The folder in which videos made over HTTP wait to be fetched: one folder each, whose name is 192 random bits.

Several replicas may share it: who knows the name asks any of them. State is one small file, replaced all at once.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from demo import texts
from demo.errors import Busy
from demo.session import KEEP_SECONDS, SPARE_BYTES, SWEEP_SECONDS, VISITOR, share

NAME = re.compile(r"[A-Za-z0-9_-]{32}")  # secrets.token_urlsafe(24)
VIDEO, RECEIPT, STATE, STOP = "video.mp4", "receipt.json", "state.json", "stop"
SILENT_SECONDS = 60.0  # work that has said nothing for so long has lost its process
LOST = "The process that made this video has ended. Send the files again."


class Shelf:
    """Safe to share between threads, and between processes that see the same folder.

    folder: None for one below `own`, which goes with this process.
    """

    def __init__(self, own: Path, folder: Path | None = None, keep_seconds: float = KEEP_SECONDS) -> None:
        self.folder, self.keep_seconds = folder or own / f"{VISITOR}made", keep_seconds
        self._stop = threading.Event()

    def new(self) -> Path:
        """A fresh private folder. Raises `Busy` when the disk has no room for more."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = sum(path.stat().st_size for path in self.folder.glob("*/*") if path.is_file())
        if held > share() or shutil.disk_usage(self.folder).free < SPARE_BYTES:
            raise Busy("There is no room for more files now. Please try again in a few minutes.")
        folder = self.folder / secrets.token_urlsafe(24)
        folder.mkdir(mode=0o700)
        return folder

    def find(self, name: str) -> Path | None:
        """The folder of a name that somebody gives, None for a stranger's guess."""
        folder = self.folder / name
        return folder if NAME.fullmatch(name) and (folder / STATE).exists() else None

    def tell(self, folder: Path, **state: Any) -> None:
        """Write down how the work stands; `OSError` when the folder has gone or the disk is full."""
        draft = folder / f".{STATE}"
        draft.write_text(json.dumps(state), "utf-8")
        os.replace(draft, folder / STATE)

    def state(self, folder: Path) -> Mapping[str, Any]:
        """How the work stands. Work of a process that has died reads as failed."""
        path = folder / STATE
        try:
            state: dict[str, Any] = json.loads(path.read_text("utf-8"))
            silent = time.time() - path.stat().st_mtime
        except (OSError, ValueError):
            return {"state": "gone"}
        if state["state"] == "working" and silent > SILENT_SECONDS:
            return {"state": "failed", "error": "lost", "message": texts.said(LOST)}
        return state

    def drop(self, folder: Path) -> None:
        """Remove it, or have whoever works on it stop and remove it."""
        if self.state(folder)["state"] == "working":
            with suppress(OSError):
                (folder / STOP).touch()
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what nobody has touched for `keep_seconds`; a shared folder's whoever comes first."""
        old = time.time() - self.keep_seconds
        for folder in self.folder.glob("*"):
            with suppress(OSError):
                last = max((path.stat().st_mtime for path in folder.iterdir()), default=folder.stat().st_mtime)
                if NAME.fullmatch(folder.name) and last < old:
                    shutil.rmtree(folder, ignore_errors=True)

    def watch(self) -> None:
        """Sweep from time to time until `close`."""

        def run() -> None:
            while not self._stop.wait(SWEEP_SECONDS):
                self.sweep()

        threading.Thread(target=run, name="candor-shelf", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
