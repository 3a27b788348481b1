"""Portraits that were worked out once: for the preview, the video and the live session of the same photo."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vasa_core.errors import CandorError
from vasa_core.types import Photo

if TYPE_CHECKING:
    from vasa_core.face.portrait import Portrait
    from vasa_core.pipeline import TalkingFace
    from vasa_core.render.renderer import LiveRenderer

MOST = 4  # prepared photos that are kept, each some 20 MB


@dataclass(frozen=True)
class Prepared:
    """What depends on a photo and the choice of its face alone. Threads may share it."""

    portrait: Portrait
    renderer: LiveRenderer


class Portraits:
    """The last few prepared photos. Safe to share between threads; who asks for one in the making waits for it."""

    def __init__(self, core: Callable[[], TalkingFace], most: int = MOST) -> None:
        self._core, self._most = core, most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Path, int | None, bytes], Future[Prepared]] = OrderedDict()
        self._ahead = threading.Lock()

    def of(self, path: Path, photo: Photo, face: int | None) -> Prepared:
        """The portrait of the photo that was read from `path`. Raises the `PhotoError` family."""
        key = (path, face, hashlib.sha256(photo.file).digest())
        with self._lock:
            made = self._known.get(key)
            known = made is not None
            made = self._known.setdefault(key, made or Future())
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        if not known:
            try:
                portrait = self._core().prepare(photo, face)
                made.set_result(Prepared(portrait, self._core().renderer(portrait)))
            except BaseException as error:
                made.set_exception(error)
                self._drop(key)
            if not path.exists():  # its owner has left meanwhile
                self._drop(key)
        return made.result()

    def anticipate(self, path: Path, photo: Photo, face: int | None) -> None:
        """Begin with a photo that will probably be wanted; not while another one is begun already."""
        if not self._ahead.acquire(blocking=False):
            return

        def run() -> None:
            try:
                with suppress(CandorError):  # whoever wants it is told
                    self.of(path, photo, face)
            finally:
                self._ahead.release()

        threading.Thread(target=run, name="candor-prepare", daemon=True).start()

    def forget(self, folder: Path) -> None:
        """Drop what was prepared from photos in a folder: their owner has left."""
        with self._lock:
            for key in [key for key in self._known if folder in key[0].parents]:
                del self._known[key]

    def _drop(self, key: tuple[Path, int | None, bytes]) -> None:
        with self._lock:
            self._known.pop(key, None)
