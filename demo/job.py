"""One video in the making: a thread, its progress, its outcome."""

from __future__ import annotations

import queue
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from demo import texts
from demo.guard import outcome
from demo.logs import event
from demo.progress import Step
from demo.session import Visitor
from demo.studio import Creation, Studio
from vasa_core.types import Controls, Photo, Speech

if TYPE_CHECKING:
    from safety.attestation import Attestation
    from safety.consent import ConsentRecord

LOOK_AGAIN = 0.4  # seconds between two updates of the progress card


class Job:
    """One video in the making, in its own thread.

    earlier: work that is done once more, with other controls: the same files under the same consent record.
    """

    def __init__(
        self,
        studio: Studio,
        visitor: Visitor,
        attestation: Attestation | None,
        controls: Controls,
        fps: int,
        whole: bool = False,
        who: str = "",
        sign: bool = True,
        earlier: Job | None = None,
    ) -> None:
        self.studio, self.visitor, self.attestation = studio, visitor, attestation
        self.controls, self.fps, self.whole, self.who, self.sign = controls, fps, whole, who, sign
        # What was attested is what lies in the fields now; the visitor may change them while the video is made.
        self.photo, self.speech, self.face = visitor.photo, visitor.speech, visitor.face
        self.names = (visitor.photo_name, visitor.speech_name)
        self.voice = visitor.voice
        self.record: ConsentRecord | None = None
        self.earlier = earlier
        if earlier is not None:
            self.photo, self.speech, self.face = earlier.photo, earlier.speech, earlier.face
            self.names, self.record = earlier.names, earlier.record
        self.language = texts.language()  # of the notice that was shown; the thread speaks none
        self.cancel = visitor.cancel = threading.Event()
        self.made: Creation | None = None
        self.receipt = visitor.new("candor-receipt", ".json")
        self.motion = visitor.new("candor-motion", ".safetensors")
        self.error: BaseException | None = None
        self._kept = {earlier.made.sealed.path} if earlier is not None and earlier.made is not None else set()
        self._ended = threading.Event()
        self._steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        visitor.held = {path for path in (self.photo, self.speech) if path is not None}
        visitor.working = True

    def cancelled(self) -> bool:
        """Whether the visitor pressed Stop or left."""
        return self.cancel.is_set() or self.visitor.gone

    def start(self) -> threading.Thread:
        worker = threading.Thread(target=self.run, name="candor-create", daemon=True)
        worker.start()
        return worker

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def wait(self) -> None:
        """Return once it has ended."""
        self._ended.wait()

    def run(self) -> None:
        visitor = self.visitor
        try:
            assert self.photo is not None and self.speech is not None
            made = self.studio.create(
                self.photo,
                self.speech,
                self._sign,
                visitor.new("candor-video", ".mp4"),
                controls=self.controls,
                fps=self.fps,
                full_frame=self.whole,
                face=self.face,
                names=self.names,
                badge=self.sign,
                motion_out=self.motion,
                progress=self._steps.put,
                who=self.who,
                cancelled=self.cancelled,
            )
            assert self.record is not None
            self.studio.save_receipt(self.record, self.receipt)
            for path in visitor.folder.glob("candor-*"):
                if path not in {made.sealed.path, self.receipt, self.motion} | self._kept:
                    path.unlink(missing_ok=True)
            visitor.result, visitor.last, self.made = made.sealed.path, self, made
        except BaseException as error:
            self.error = error
        finally:
            self._count()
            visitor.held, visitor.working = set(), False
            if visitor.gone:  # whatever was written after the folder had been removed
                shutil.rmtree(visitor.folder, ignore_errors=True)
            self._ended.set()

    def _count(self) -> None:
        metrics, word = self.studio.metrics, outcome(self.error)
        metrics.videos.labels(word).inc()
        if self.made is None:
            event("video not made", reason=word)
            return
        metrics.wall.observe(self.made.wall)
        metrics.seconds.inc(self.made.sealed.seconds)
        facts = self.made.report()
        event("video made", **{name: facts[name] for name in ("seconds", "frames", "fps", "realtime", "timings")})

    def _sign(self, photo: Photo, speech: Speech) -> Any:
        """The consent record of this work: the earlier work's, or one that is signed now."""
        if self.record is None:
            assert self.attestation is not None
            stated = self.attestation
            if self.voice:  # the record says that nobody spoke
                said = f"synthetic voice: {self.voice}"
                stated = replace(stated, source="; ".join(part for part in (stated.source, said) if part))
            self.record = self.studio.consent(stated, photo, speech, self.language)
        return self.record

    def news(self, wait: float = LOOK_AGAIN) -> Step | None:
        """The latest step since the last call, after some seconds, or at once when the work has ended."""
        self._ended.wait(wait)
        step = None
        with suppress(queue.Empty):
            while True:
                step = self._steps.get_nowait()
        return step
