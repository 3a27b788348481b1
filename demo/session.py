"""Private folders, one per visitor, that vanish with the visitor.

Everything a visitor uploads or makes lies in a folder whose name is 192 random bits and that only this process's user
may enter. It goes when the tab closes, when it has not been used for an hour, and when the process ends.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

KEEP_SECONDS = 3600.0  # a visitor who does nothing for so long is taken to have left
SWEEP_SECONDS = 300.0
PREFIX = "candor-"  # of the root folder; the process id follows
ABANDONED_SECONDS = 24 * 3600.0  # a root folder untouched for so long, whose process is gone, was left by a crash
MAX_VISITORS = 500  # folders at once; the longest idle goes first


@dataclass(eq=False)
class Visitor:
    """One open tab.

    folder: private folder, mode 0700.
    cancel: set to stop the visitor's running work; each run brings a new event.
    photo, speech: the visitor's inputs inside `folder`, None until given; the names are those the visitor knows.
    face:   index of the chosen face, None for the largest.
    result: the last finished video.   working, gone: a video is being made; the visitor has left.
    uploads: copies that the web framework holds and that go with the visitor.
    """

    folder: Path
    cancel: threading.Event = field(default_factory=threading.Event)
    photo: Path | None = None
    photo_name: str = ""
    face: int | None = None
    speech: Path | None = None
    speech_name: str = ""
    result: Path | None = None
    uploads: set[Path] = field(default_factory=set)
    seen: float = field(default_factory=time.monotonic)
    working: bool = False
    gone: bool = False

    def keep(self, upload: str | Path, stem: str) -> Path:
        """Copy an upload into the private folder, byte for byte, in place of earlier ones. Returns the copy's path."""
        upload = Path(upload)
        if not self.working:  # a video in the making still reads the earlier ones
            for earlier in self.folder.glob(f"{stem}-*"):
                earlier.unlink(missing_ok=True)
        target = self.folder / f"{stem}-{secrets.token_hex(4)}{upload.suffix.lower()[:8]}"
        shutil.copyfile(upload, target)
        self.uploads.add(upload)
        return target

    def new(self, name: str, suffix: str) -> Path:
        """A path in the private folder that does not exist yet."""
        return self.folder / f"{name}-{secrets.token_hex(4)}{suffix}"


class Visitors:
    """All open tabs. Safe to share between threads."""

    def __init__(self, root: Path | None = None, keep_seconds: float = KEEP_SECONDS) -> None:
        self.root = root if root is not None else Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.keep_seconds = keep_seconds
        self._lock = threading.Lock()
        self._open: dict[str, Visitor] = {}
        self._stop = threading.Event()

    def of(self, session: str | None) -> Visitor:
        """The visitor of a session, made at the first call. A caller without a session gets a fresh, empty one."""
        session = session or secrets.token_hex(16)
        with self._lock:
            visitor = self._open.get(session)
            if visitor is None:
                folder = self.root / secrets.token_hex(24)
                folder.mkdir(mode=0o700)
                visitor = self._open[session] = Visitor(folder)
            visitor.seen = time.monotonic()
            surplus = self._idle_first()[: max(0, len(self._open) - MAX_VISITORS)]
        for name in surplus:
            self.leave(name)
        return visitor

    def _idle_first(self) -> list[str]:
        idle = [(visitor.seen, name) for name, visitor in self._open.items() if not visitor.working]
        return [name for _, name in sorted(idle)]

    def leave(self, session: str | None) -> None:
        """Stop the visitor's work and remove everything of theirs; does nothing for a stranger."""
        with self._lock:
            visitor = self._open.pop(session or "", None)
            if visitor is None:
                return
            shared = {path for other in self._open.values() for path in other.uploads}
        visitor.gone = True
        visitor.cancel.set()
        shutil.rmtree(visitor.folder, ignore_errors=True)
        for upload in visitor.uploads - shared:  # the same file uploaded by two people is stored once
            if self.root in upload.parents:
                upload.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Let everyone go who has been idle for longer than `keep_seconds`."""
        limit = time.monotonic() - self.keep_seconds
        with self._lock:
            idle = [name for name, visitor in self._open.items() if visitor.seen < limit and not visitor.working]
        for name in idle:
            self.leave(name)

    def watch(self) -> None:
        """Sweep from time to time until `close`."""

        def run() -> None:
            while not self._stop.wait(SWEEP_SECONDS):
                self.sweep()

        threading.Thread(target=run, name="candor-sweep", daemon=True).start()

    def close(self) -> None:
        """Let everyone go and remove the root folder."""
        self._stop.set()
        for name in list(self._open):
            self.leave(name)
        shutil.rmtree(self.root, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._open)


def remove_abandoned() -> None:
    """Remove root folders that earlier processes could not remove themselves."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        try:
            old = time.time() - root.stat().st_mtime > ABANDONED_SECONDS
            if old and root.stat().st_uid == os.getuid() and not _alive(int(root.name.split("-")[1])):
                shutil.rmtree(root, ignore_errors=True)
        except (OSError, KeyError, ValueError):
            continue  # somebody else's, or gone already


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
