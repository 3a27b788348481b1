"""A suspect video in, a calibrated report out.

    detector = Detector.from_pretrained()
    report = detector.examine("suspect.mp4")
    print(report.status, report.verdict, report.probability)

Pictures are decoded, faces followed, evidence gathered and forgotten again stretch by stretch: memory does not grow
with the length of the file.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from detection import sync
from detection.errors import UnreadableSuspect
from detection.evidence import LEAST, LEAST_PICTURES, WINDOW, Lips, Window, gather
from detection.faces import FollowConfig, Trace, Tracker
from detection.judge import Sighting, judge
from detection.model import Model, Scores, sigmoid
from detection.report import Reason, Report
from detection.video import Picture, ReadingConfig, Suspect
from vasa_core.face.detector import FaceDetector

AHEAD = 8  # decoded pictures that wait for the tracker
FIRST, PIECE = 3.2, 12.0  # seconds that are followed before their evidence is weighed: at the start, and then


@dataclass(frozen=True)
class Progress:
    """How far an examination is: fraction 0..1, and the running probability of the file, None before the first."""

    done: float
    probability: float | None = None


class Detector:
    """Cheap to construct; weights are read at first use. Examinations run one at a time per Detector.

    weights: a detector's safetensors; None means those that ship.
    """

    def __init__(
        self,
        model: Model | None = None,
        faces: FaceDetector | None = None,
        reading: ReadingConfig = ReadingConfig(),
        following: FollowConfig = FollowConfig(),
        weights: Path | None = None,
    ) -> None:
        self.reading, self.following = reading, following
        self._model, self._weights = model, weights
        self._faces = faces or FaceDetector()
        self._one = threading.RLock()

    @classmethod
    def from_pretrained(cls, weights: Path | str | None = None) -> Detector:
        """The shipped detector. Nothing is read before it is needed."""
        return cls(weights=Path(weights) if weights is not None else None)

    @property
    def model(self) -> Model:
        """The trained part. Raises WeightsError."""
        with self._one:
            if self._model is None:
                self._model = Model.from_pretrained(self._weights)
            return self._model

    def examine(
        self,
        path: str | Path,
        progress: Callable[[Progress], None] | None = None,
        provenance: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> Report:
        """The report on a file; a file that cannot be read gets one that says so. Raises WeightsError only.

        provenance: what `safety.audit` says, put beside the score and never into it.  name: shown for the file.
        """
        began = time.perf_counter()
        name = name or Path(path).name
        model = self.model
        try:
            with self._one, Suspect(path, self.reading) as suspect:
                report = self._examine(suspect, model, progress or (lambda step: None))
        except UnreadableSuspect as error:
            reason = Reason("unreadable", {"text": str(error)})
            report = Report("", "unreadable", "cannot_tell", None, None, None, (reason,), error=str(error))
        return replace(
            report,
            file=name,
            provenance=provenance,
            version=model.version,
            error_rates=model.figures,
            seconds=time.perf_counter() - began,
        )

    def _examine(self, suspect: Suspect, model: Model, tell: Callable[[Progress], None]) -> Report:
        facts = suspect.facts
        shown = asdict(facts)
        if facts.picture:
            return _without("cannot_tell", "picture", shown)
        if facts.hdr:
            return _without("cannot_tell", "hdr", shown, name=facts.hdr)
        voice: list[np.ndarray] = []
        listener = threading.Thread(target=lambda: voice.append(_voice(suspect)), name="candor-listen", daemon=True)
        listener.start()
        deadline = time.monotonic() + self.reading.patience
        spans = _pieces(suspect.spans())
        sightings: list[Sighting] = []
        counted = Counted()
        with Tracker(self._faces, self.following) as tracker:
            for index, (start, stop) in enumerate(spans):
                reader = counted.over(suspect.pictures(start, stop, deadline))
                traces = tracker.follow(_ahead(reader))
                listener.join()
                sightings += [_sighting(trace, model, voice[0]) for trace in traces]
                seen = [s.scores for s in sightings if s.scores is not None]
                running = [float(model.fuse(s.pixels.mean(), s.skin.mean(), s.motion.mean(), None)) for s in seen]
                probability = float(sigmoid(max(running))) if running else None
                tell(Progress((index + 1) / len(spans), probability))
                if suspect.damage.out_of_time:
                    break
        listener.join()
        read = {
            "seconds": round(counted.seconds, 2),
            "of": round(max(facts.seconds, counted.last), 2),
            "pictures": counted.pictures,
            "cuts": [round(c, 2) for c in tracker.cuts],
            "damaged": suspect.damage.packets + suspect.damage.frames,
        }
        notes = self._notes(suspect, counted)
        if not counted.pictures:
            raise UnreadableSuspect(f"No picture of '{suspect.path.name}' can be decoded. Export the video again.")
        return judge(sightings, model, notes, read, shown, has_sound=facts.sound)

    def _notes(self, suspect: Suspect, counted: Counted) -> list[Reason]:
        notes = []
        bad = suspect.damage.packets + suspect.damage.frames
        if bad:
            notes.append(Reason("damaged", {"count": bad}))
        if suspect.facts.seconds > self.reading.whole:
            notes.append(Reason("sampled", {"read": counted.seconds, "total": suspect.facts.seconds}))
        if suspect.damage.out_of_time:
            notes.append(Reason("out_of_time", {"seconds": self.reading.patience}))
        return notes


@dataclass
class Counted:
    """Counts what passes through."""

    pictures: int = 0
    seconds: float = 0.0
    last: float = 0.0

    def over(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        before: float | None = None
        for picture in pictures:
            self.pictures += 1
            if before is not None:
                self.seconds += min(picture.time - before, 1.0)
            before = self.last = picture.time
            yield picture


def _without(status: str, code: str, facts: dict[str, Any], **values: Any) -> Report:
    return Report("", status, "cannot_tell", None, None, None, (Reason(code, values),), facts=facts)


def _voice(suspect: Suspect) -> np.ndarray:
    try:
        return sync.voice(suspect.sound())
    except UnreadableSuspect:
        return sync.voice(np.zeros(0, np.float32))


def _pieces(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Long spans in pieces, which bounds what is held in memory; a short one first, so that an answer comes soon."""
    out = []
    if spans and spans[0][1] - spans[0][0] > 2 * FIRST:
        start, stop = spans[0]
        out.append((start, start + FIRST))
        spans = [(start + FIRST, stop), *spans[1:]]
    for start, stop in spans:
        count = max(1, round((stop - start) / PIECE))
        edges = np.linspace(start, stop, count + 1)
        out += [(float(a), float(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return out


def _sighting(trace: Trace, model: Model, voice: np.ndarray) -> Sighting:
    """Evidence and scores of one trace; what only the pictures are needed for is let go."""
    windows: list[Window] = []
    lips: Lips | None = None
    if trace.seconds >= LEAST and len(trace.times) >= LEAST_PICTURES:
        windows, lips = gather(trace)
    scores: Scores | None = model.score(windows, lips, voice) if windows else None
    return Sighting.of(trace, windows, scores, WINDOW)


def _ahead(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """The same pictures, decoded in a thread of their own while earlier ones are looked at."""
    waiting: queue.Queue[Picture | BaseException | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def put(item: Picture | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for picture in pictures:
                if not put(picture):
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=read, name="candor-decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
