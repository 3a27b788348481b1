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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.errors import Busy, UsageError

KEEP_SECONDS = 3600.0  # a visitor who does nothing for so long is taken to have left
SWEEP_SECONDS = 60.0
UNCLAIMED_SECONDS = 600.0  # an upload, whole or broken off, that no visitor has taken by then goes
MAX_BYTES = 4 << 30  # of all files of all visitors, uploads under way included, unless SHARE says otherwise
SHARE = "CANDOR_VISITORS_MB"
SPARE_BYTES = 1 << 30  # of the disk, left to others
VISITOR = "v-"  # begins the name of a visitor's folder; the web framework's beside it are hashes
PREFIX = "candor-"  # of the root folder; the process id follows
ABANDONED_SECONDS = 24 * 3600.0  # a root folder untouched for so long, whose process is gone, was left by a crash
MOVING_SECONDS = 60.0  # a visitor who changes pages may be between them for so long
MAX_VISITORS = 500  # folders at once; then those who hold nothing go, and newcomers have to wait


@dataclass(eq=False)
class Visitor:
    """One open tab.

    folder: private folder, mode 0700.
    cancel: set to stop the visitor's running work; each run brings a new event.
    photo, speech: the visitor's inputs inside `folder`, None until given; the names are those the visitor knows.
    voice:  the synthesiser that made the speech, empty for a recording.
    face:   index of the chosen face, None for the largest.
    result: the last finished video.   last: the work it came from.   job: the work that is followed, if any.
    working, gone: a video is being made; the visitor has left.
    uploads: copies that the web framework holds and that go with the visitor.
    held: files that the running work still reads.
    form: what was filled in, by widget, while the visitor changes pages.
    """

    folder: Path
    cancel: threading.Event = field(default_factory=threading.Event)
    photo: Path | None = None
    photo_name: str = ""
    face: int | None = None
    speech: Path | None = None
    speech_name: str = ""
    voice: str = ""
    result: Path | None = None
    uploads: set[Path] = field(default_factory=set)
    held: set[Path] = field(default_factory=set)
    seen: float = field(default_factory=time.monotonic)
    last: Any = None
    job: Any = None
    form: dict[str, Any] = field(default_factory=dict)
    working: bool = False
    gone: bool = False

    @property
    def holds(self) -> bool:
        """Whether anything would be lost if the visitor were let go."""
        made = self.result is not None and self.result.parent == self.folder
        return self.working or made or self.photo is not None or self.speech is not None or bool(self.uploads)

    def keep(self, upload: str | Path, stem: str, shown: bool = False) -> Path:
        """Copy an upload into the private folder, byte for byte, in place of earlier ones. Returns the copy's path.

        shown: the page goes on using the upload itself; it is removed with the visitor, others at once.
        """
        upload = Path(upload)
        for earlier in set(self.folder.glob(f"{stem}-*")) - self.held:
            earlier.unlink(missing_ok=True)
        target = self.folder / f"{stem}-{secrets.token_hex(4)}{upload.suffix.lower()[:8]}"
        shutil.copyfile(upload, target)
        if shown:
            self.uploads.add(upload)
        elif self.folder.parent in upload.parents:
            upload.unlink(missing_ok=True)
        return target

    def new(self, name: str, suffix: str) -> Path:
        """A path in the private folder that does not exist yet."""
        return self.folder / f"{name}-{secrets.token_hex(4)}{suffix}"


class Visitors:
    """All open tabs. Safe to share between threads.

    leaving: told the folder of every visitor who leaves.
    """

    def __init__(
        self,
        root: Path | None = None,
        keep_seconds: float = KEEP_SECONDS,
        leaving: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        self.root = root if root is not None else Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        self.keep_seconds, self._leaving = keep_seconds, leaving
        self._lock = threading.Lock()
        self._open: dict[str, Visitor] = {}
        self._moving: dict[str, Visitor] = {}  # by ticket
        self._stop = threading.Event()

    def find(self, session: str | None) -> Visitor | None:
        """The visitor of a session, None for a stranger."""
        with self._lock:
            visitor = self._open.get(session or "")
            if visitor is not None:
                visitor.seen = time.monotonic()
            return visitor

    def of(self, session: str | None) -> Visitor:
        """The visitor of a session, made at the first call. A caller without a session gets a fresh, empty one.

        Raises `Busy` for a newcomer when every place is taken by somebody who has something to lose.
        """
        session = session or secrets.token_hex(16)
        surplus: str | None = None
        with self._lock:
            visitor = self._open.get(session)
            if visitor is None:
                if len(self._open) >= MAX_VISITORS:
                    surplus = self._idlest_empty()
                folder = self.root / f"{VISITOR}{secrets.token_hex(24)}"
                folder.mkdir(mode=0o700)
                visitor = self._open[session] = Visitor(folder)
            visitor.seen = time.monotonic()
        self.leave(surplus)
        return visitor

    def _idlest_empty(self) -> str:
        empty = [(visitor.seen, name) for name, visitor in self._open.items() if not visitor.holds]
        if not empty:
            raise Busy("Too many people are here at the moment. Please try again in a few minutes.")
        return min(empty)[1]

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes of uploads can be taken, from the visitors' share and from the disk."""
        held = sum(_size(Path(folder, name)) for folder, _, names in os.walk(self.root) for name in names)
        return held + size <= share() and shutil.disk_usage(self.root).free - size >= SPARE_BYTES

    def hand_over(self, session: str | None) -> str:
        """A ticket of 192 random bits with which the visitor goes on in another session; empty for a stranger."""
        with self._lock:
            visitor = self._open.pop(session or "", None)
            if visitor is None:
                return ""
            ticket = secrets.token_urlsafe(24)
            visitor.seen = time.monotonic()
            self._moving[ticket] = visitor
            return ticket

    def take_over(self, ticket: str, session: str | None) -> Visitor | None:
        """The visitor of a ticket, who is that of this session from now on; None when the ticket is good no more."""
        session = session or secrets.token_hex(16)
        with self._lock:
            known = next((name for name in self._moving if secrets.compare_digest(name.encode(), ticket.encode())), "")
            visitor = self._moving.pop(known, None)
        if visitor is None:
            return None
        self.leave(session)
        with self._lock:
            visitor.seen = time.monotonic()
            self._open[session] = visitor
        return visitor

    def leave(self, session: str | None) -> None:
        """Stop the visitor's work and remove everything of theirs; does nothing for a stranger."""
        with self._lock:
            visitor = self._open.pop(session or "", None)
            if visitor is None:
                return
        self._remove(visitor)

    def _remove(self, visitor: Visitor) -> None:
        with self._lock:
            others = [*self._open.values(), *self._moving.values()]
            shared = {path for other in others for path in other.uploads}
        visitor.gone = True
        visitor.cancel.set()
        self._leaving(visitor.folder)
        shutil.rmtree(visitor.folder, ignore_errors=True)
        for upload in visitor.uploads - shared:  # the same file uploaded by two people is stored once
            if self.root in upload.parents:
                upload.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Let everyone go who has been idle for longer than `keep_seconds`, and remove uploads that nobody took."""
        limit = time.monotonic() - self.keep_seconds
        with self._lock:
            idle = [name for name, visitor in self._open.items() if visitor.seen < limit and not visitor.working]
            lost = time.monotonic() - MOVING_SECONDS
            gone = [self._moving.pop(name) for name, visitor in list(self._moving.items()) if visitor.seen < lost]
            everybody = [*self._open.values(), *self._moving.values()]
            claimed = {path for visitor in everybody for path in visitor.uploads}
        for name in idle:
            self.leave(name)
        for visitor in gone:
            self._remove(visitor)
        old = time.time() - UNCLAIMED_SECONDS
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [name for name in subfolders if not name.startswith(VISITOR)]
            for path in {Path(folder, name) for name in names} - claimed:
                with suppress(OSError):
                    if path.stat().st_mtime < old:
                        path.unlink()

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
        for visitor in self._moving.values():
            self._remove(visitor)
        shutil.rmtree(self.root, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._open)


def share() -> int:
    """Bytes that all visitors' files may have: megabytes of the environment, else MAX_BYTES. Raises UsageError."""
    text = os.environ.get(SHARE, "").strip()
    if text and not text.isdecimal():
        raise UsageError(f"{SHARE} is '{text}'. Give a whole number of megabytes.")
    return int(text) << 20 if text else MAX_BYTES


def remove_abandoned() -> None:
    """Remove root folders that earlier processes could not remove themselves."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        try:
            old = time.time() - root.stat().st_mtime > ABANDONED_SECONDS
            if old and root.stat().st_uid == os.getuid() and not _alive(int(root.name.split("-")[1])):
                shutil.rmtree(root, ignore_errors=True)
        except (OSError, KeyError, ValueError):
            continue  # somebody else's, or gone already


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # gone meanwhile


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
