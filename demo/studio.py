"""What the pages and the command line share: one talking-face model, one vault, one line in front of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demo.errors import Busy
from demo.limits import Limits
from demo.line import Line
from demo.metrics import Metrics
from demo.prepared import Portraits
from demo.progress import Pace, Step
from vasa_core.errors import Cancelled, ControlError
from vasa_core.types import MAX_FPS, PLAYBACK_RATE, SAMPLE_RATE, Controls, FaceBox, Photo, Speech

if TYPE_CHECKING:  # the real imports wait until they are needed, so that pages and --help are quick
    from detection import Detector, Progress, Report
    from safety.audit import AuditReport
    from safety.consent import Attestation, ConsentRecord
    from safety.seal import SealedVideo
    from safety.vault import Vault
    from vasa_core.pipeline import TalkingFace

MIN_FPS = 25
READERS = 2  # files looked at at once: each may take hundreds of megabytes
READER_WAIT = 60.0  # seconds somebody waits for a free reader


_OPENING = threading.Lock()


def open_safety() -> None:
    """Import the package `safety`, whole: threads that began at different ends of it would meet half-made modules."""
    with _OPENING:
        import safety  # noqa: F401


@dataclass(frozen=True)
class PhotoCheck:
    """What the detector sees in a photo.

    face:  the chosen face.   index: its place in `faces`, which go from the largest to the smallest.
    """

    photo: Photo
    face: FaceBox
    faces: list[FaceBox]
    index: int


@dataclass(frozen=True)
class Creation:
    """A finished video and what its making took.

    timings:  seconds per stage.   wall: seconds from the first byte read to the sealed file, waiting in line excluded.
    gaps:     (start, end) in s of stretches in which a driving video's face could not be followed.
    """

    sealed: SealedVideo
    seed: int
    timings: dict[str, float]
    wall: float
    development: bool
    gaps: tuple[tuple[float, float], ...] = ()

    @property
    def realtime(self) -> float:
        """Seconds of video made per second of wall time."""
        return self.sealed.seconds / self.wall if self.wall else 0.0

    def report(self) -> dict[str, object]:
        """What `generate --json` prints."""
        sealed = self.sealed
        return {
            "out": str(sealed.path),
            "seconds": round(sealed.seconds, 3),
            "frames": sealed.frames,
            "fps": sealed.fps,
            "width": sealed.width,
            "height": sealed.height,
            "seed": self.seed,
            "watermark_id": sealed.watermark_id,
            "manifest": sealed.manifest_state,
            "manifest_label": sealed.manifest_label,
            "record_id": sealed.record_id,
            "log_index": sealed.log_index,
            "badge": sealed.badge,
            "timings": {stage: round(seconds, 3) for stage, seconds in self.timings.items()},
            "realtime": round(self.realtime, 3),
        }


@dataclass
class Stopwatch:
    """Seconds per stage, and since the start."""

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def frames(self, stage: str, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same frames; the time their making takes goes to a stage."""
        while True:
            with self.time(stage):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


class Studio:
    """Cheap to construct; models and keys are loaded at first use. Safe to share between threads.

    home: folder of keys and ledger; None leaves the choice to `Vault.open`.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._home = home
        self._core: TalkingFace | None = None
        self._vault: Vault | None = None
        self._detector: Detector | None = None
        self._loading = threading.RLock()
        self._warm = False
        self.portraits = Portraits(lambda: self.core)
        self.line = Line()
        self.metrics = Metrics()
        self.limits = Limits(over=lambda name: self.metrics.refusals.labels(name).inc())
        self.metrics.watch("candor_line_waiting", "People whose video is made or in line", lambda: len(self.line))
        self.metrics.watch("candor_ready", "1 once the models are loaded", lambda: float(self._warm))
        self._readers = threading.BoundedSemaphore(READERS)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one of the few readers. Raises `Busy` when none gets free in time."""
        if not self._readers.acquire(timeout=READER_WAIT):
            raise Busy("Many files are being read already. Please try again in a minute.")
        try:
            yield
        finally:
            self._readers.release()

    @property
    def ready(self) -> bool:
        """Whether the models are loaded: `warm_up` has done its work."""
        return self._warm

    @property
    def core(self) -> TalkingFace:
        with self._loading:
            if self._core is None:
                from vasa_core.pipeline import TalkingFace

                self._core = TalkingFace.from_pretrained()
            return self._core

    @property
    def vault(self) -> Vault:
        with self._loading:
            if self._vault is None:
                from safety.vault import Vault

                self._vault = Vault.open(self._home)
            return self._vault

    def check_photo(self, path: str | Path, name: str | None = None, index: int | None = None) -> PhotoCheck:
        """Read a photo and find its face. index: which face, None takes the largest. Raises the `PhotoError` family."""
        from vasa_core.photo import load_photo

        with self.reading():
            photo = load_photo(path, name)
            face, faces = self.core.detector.choose(photo.pixels, index)
        chosen = index if index is not None else next((i for i, other in enumerate(faces) if other.box == face.box), 0)
        return PhotoCheck(photo, face, faces, chosen)

    def preview(self, path: Path, name: str, face: int | None, controls: Controls) -> bytes:
        """A still JPEG of the portrait at rest under the controls, marked. Raises the `PhotoError` family."""
        from safety.live import preview
        from vasa_core.photo import load_photo
        from vasa_core.render.warp import Warp

        with self.reading():
            renderer = self.portraits.of(path, load_photo(path, name), face).renderer
            silence = np.zeros(SAMPLE_RATE // 2, np.float32)
            rest = self.core.animate(
                Speech(silence, np.zeros((1, 1), np.int16), b"", "audio/wav", "silence"), controls.but(blinks=0.0)
            )
            last = len(rest) - 1
            return preview(self.vault, renderer.draw(rest.pose[last] * 0, rest.dynamics[last], controls, Warp()))

    def hear(self, path: str | Path, name: str | None = None) -> Speech:
        """Read a recording, or the sound of a video. Raises the `AudioError` family."""
        from vasa_core.audio import load_speech

        with self.reading():
            return load_speech(path, name)

    def check_attestation(self, attestation: Attestation) -> None:
        """Refuse a wrong answer to the challenge phrase before the work begins. Raises the `ConsentError` family."""
        from safety.challenge import check_reply

        if attestation.reply is not None:
            check_reply(self.vault, attestation.reply)

    def consent(self, attestation: Attestation, photo: Photo, speech: Speech, language: str = "en") -> ConsentRecord:
        """Sign the attestation for these two files. language: of the notice shown. Raises the `ConsentError` family."""
        from safety.consent import attest

        return attest(self.vault, attestation, photo, speech, language)

    def save_receipt(self, record: ConsentRecord, path: Path) -> None:
        """Write what the person who consented takes home, the code that withdraws included. Raises `OutputError`."""
        from safety.receipt import make_receipt, save_receipt

        save_receipt(make_receipt(self.vault, record, with_code=True), path)

    def create(
        self,
        photo: str | Path,
        speech: str | Path,
        record: Callable[[Photo, Speech], ConsentRecord],
        out: str | Path,
        controls: Controls | None = None,
        fps: int = 40,
        full_frame: bool = False,
        face: int | None = None,
        names: tuple[str | None, str | None] = (None, None),
        driven: bool = False,
        badge: bool = True,
        who: str = "",
        motion_out: Path | None = None,
        progress: Callable[[Step], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Creation:
        """Photo and speech files to a sealed video at `out`.

        record:    gives the consent record for the two decoded inputs: reads a saved one or has one signed.
        full_frame: the whole photo at its own size instead of the head at 512 x 512.
        face:      index of the face in the photo, None takes the largest.   names: shown for the files in messages.
        driven:    `speech` is a video, and the face in it gives the movement instead of the sound.
        badge:     draw the visible sign "AI-generated"; manifest and log say whether it is there.
        who:       address of the client, who gets few places in line; empty for the person at the machine.
        motion_out: where the motion is saved, too (vasa_core.motion.file); nothing of a person is in it.
        progress:  told of every step.   cancelled: asked often; True stops the work and leaves nothing behind.

        Raises any `CandorError`; then no file is at `out` that was not there before.
        """
        from safety.seal import seal
        from safety.tokens import issue_token
        from vasa_core.audio import load_speech
        from vasa_core.motion.file import save_motion
        from vasa_core.photo import load_photo
        from vasa_core.pipeline import frame_count

        if not MIN_FPS <= fps <= MAX_FPS:
            raise ControlError(f"{fps} frames per second cannot be made; choose {MIN_FPS} to {MAX_FPS}.")
        self.limits.check("videos", who)
        controls = controls or Controls()
        pace = Pace()
        tell = progress or (lambda step: None)

        def report(stage: str, fraction: float) -> None:
            # The seal asks for itself, and must not be interrupted once the file has been handed over.
            if stage in ("photo", "motion") and cancelled is not None and cancelled():
                raise Cancelled("Stopped. Nothing was written.")
            tell(pace.at(stage, fraction))

        with self.line.turn(lambda ahead: tell(Pace.waiting(ahead, self.line.forecast(ahead))), cancelled, who):
            watch = Stopwatch()
            report("photo", 0.0)
            with watch.time("read"):
                picture, sound = load_photo(photo, names[0]), load_speech(speech, names[1])
            with watch.time("consent"):
                token = issue_token(self.vault, record(picture, sound), picture, sound)
            with watch.time("photo"):
                prepared = self.portraits.of(Path(photo), picture, face)
            report("motion", 0.0)
            with watch.time("motion"):
                if driven:
                    motion = self.core.reenact(sound, lambda fraction: report("motion", fraction))
                else:
                    motion = self.core.animate(sound, controls, lambda fraction: report("motion", fraction))
            if full_frame:
                frames = self.core.render_full(picture, prepared.portrait, motion, fps, controls)
            else:
                frames = prepared.renderer.render(motion, fps, controls)
            report("rendering", 0.0)
            sealed = seal(
                self.vault,
                token,
                picture,
                sound,
                watch.frames("render", frames),
                out=Path(out),
                fps=fps,
                seed=controls.seed,
                badge=badge,
                total=frame_count(motion, fps),
                progress=report,
                cancelled=cancelled,
            )
            if motion_out is not None:
                save_motion(motion, motion_out, self.core.space())
            wall = watch.elapsed
        seconds = watch.seconds | sealed.timings
        return Creation(sealed, controls.seed, seconds, wall, self.vault.development, motion.gaps)

    def audit(self, path: str | Path) -> AuditReport:
        """Read a file's manifest, watermark, consent and log entry back. Raises `UnreadableVideo`."""
        from safety.audit import audit

        with self.reading():
            return audit(self.vault, path)

    @property
    def detector(self) -> Detector:
        with self._loading:
            if self._detector is None:
                from detection import Detector

                self._detector = Detector(faces=self.core.detector)
            return self._detector

    def examine(
        self,
        path: str | Path,
        progress: Callable[[Progress], None] | None = None,
        found: Callable[[dict[str, Any]], None] | None = None,
    ) -> Report:
        """Judge whether a video was generated; what its traces say stands beside the score. Raises `Busy`.

        found: told what the traces say, as soon as they are read and before any face is looked at.
        """
        from safety.errors import UnreadableVideo

        provenance = None
        with suppress(UnreadableVideo):
            provenance = self.audit(path).to_dict()
            if found is not None:
                found(provenance)
        with self.reading():
            return self.detector.examine(path, progress, provenance)

    def warm_up(self, photo: str | Path) -> None:
        """Load every model and compile every kernel by rendering a little of `photo` in memory; nothing is written."""
        open_safety()
        _ = self.vault
        picture = self.check_photo(photo).photo
        silence = Speech(
            np.zeros(SAMPLE_RATE, np.float32), np.zeros((PLAYBACK_RATE, 1), np.int16), b"", "audio/wav", "silence"
        )
        portrait = self.core.prepare(picture)
        for _frame in islice(self.core.render(portrait, self.core.animate(silence)), 3):
            pass
        self.core.generator().stream().push(silence.samples)  # what a live session hears with
        self._warm = True
