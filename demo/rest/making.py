"""One video that was asked for over HTTP: a thread, its state on the shelf, its outcome."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import texts
from demo.guard import explain, outcome
from demo.logs import event
from demo.progress import Pace, Step
from demo.rest.shelf import RECEIPT, STOP, VIDEO, Shelf
from demo.studio import Creation, Studio
from vasa_core.types import Controls, Photo, Speech

if TYPE_CHECKING:
    from safety.attestation import Attestation
    from safety.consent import ConsentRecord

HEARTBEAT = 1.0  # seconds between two looks at whether the work was stopped, and two words about how it stands


@dataclass(frozen=True)
class Order:
    """What somebody wants. photo, speech: files in the order's own folder, which are removed when they are used up.

    names: those that the caller knows.   who: address of the caller.
    """

    photo: Path
    speech: Path
    names: tuple[str, str]
    attestation: Attestation
    controls: Controls
    fps: int
    full_frame: bool
    badge: bool
    who: str


class Making:
    """Makes one order's video in a thread of its own and keeps its state on the shelf."""

    def __init__(self, studio: Studio, shelf: Shelf, folder: Path, order: Order) -> None:
        self.studio, self.shelf, self.folder, self.order = studio, shelf, folder, order
        self._language = texts.language()
        self._cancel = threading.Event()
        self._step: Step = Pace().at("photo", 0.0)
        self._made: Creation | None = None
        self._error: BaseException | None = None
        self._record: ConsentRecord | None = None

    def start(self) -> None:
        """Raises OSError when not even the state can be written."""
        self.shelf.tell(self.folder, **self._so_far())
        threading.Thread(target=self._watch, name="candor-order", daemon=True).start()

    def _watch(self) -> None:
        """Tell every moment how the work stands, and end it when somebody wants that."""
        worker = threading.Thread(target=self._run, name="candor-create", daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(HEARTBEAT)
            if (self.folder / STOP).exists() or not self.folder.exists():
                self._cancel.set()
            self._tell(**self._so_far())
        for path in (self.order.photo, self.order.speech):
            path.unlink(missing_ok=True)
        with texts.speaking(self._language):
            self._finish()

    def _finish(self) -> None:
        word = outcome(self._error)
        self.studio.metrics.videos.labels(word).inc()
        event("video made" if self._made else "video not made", reason=word)
        if self._cancel.is_set():
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self._made is None:
            assert self._error is not None
            self._tell(state="failed", error=word, message=explain(self._error))
        else:
            report = {name: fact for name, fact in self._made.report().items() if name != "out"}
            self._tell(state="done", report=report)

    def _run(self) -> None:
        order = self.order
        try:
            self._made = self.studio.create(
                order.photo,
                order.speech,
                self._sign,
                self.folder / VIDEO,
                controls=order.controls,
                fps=order.fps,
                full_frame=order.full_frame,
                names=order.names,
                badge=order.badge,
                who=order.who,
                progress=self._hear,
                cancelled=self._cancel.is_set,
            )
            assert self._record is not None
            self.studio.save_receipt(self._record, self.folder / RECEIPT)
        except BaseException as error:
            self._error, self._made = error, None
            (self.folder / VIDEO).unlink(missing_ok=True)

    def _sign(self, photo: Photo, speech: Speech) -> ConsentRecord:
        self._record = self.studio.consent(self.order.attestation, photo, speech, self._language)
        return self._record

    def _hear(self, step: Step) -> None:
        self._step = step

    def _so_far(self) -> dict[str, Any]:
        step = self._step
        return {
            "state": "working",
            "stage": step.stage,
            "done": round(step.done, 3),
            "left": None if step.left is None else round(step.left, 1),
            "ahead": step.ahead,
        }

    def _tell(self, **state: Any) -> None:
        try:
            self.shelf.tell(self.folder, **state)
        except OSError as error:  # removed meanwhile, or the disk is full
            event("state not written", reason=type(error).__name__)
