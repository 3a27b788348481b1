"""The only exit: frames become a marked, signed, checked video file, or nothing at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from safety.consent import find_record
from safety.encode import EncodedVideo, encode
from safety.errors import ConsentInvalid, OutputError, SelfCheckFailed, UnreadableVideo
from safety.frame_work import FrameWork
from safety.keys import mark_key_id
from safety.ledger import timestamp
from safety.manifest import Declaration, ManifestReading, ManifestSigner
from safety.manifest_box import manifest_store
from safety.media import sample_frames
from safety.sound_mark import SoundMark
from safety.sound_print import sound_print
from safety.tables import manifests, picture_prints, sound_prints, watermark_ids
from safety.tokens import Grant, redeem, require_standing, token_id
from safety.vault import Vault
from safety.video_mark import VideoMark
from safety.watermark import format_id, random_id
from vasa_core.errors import Cancelled, ControlError
from vasa_core.types import MAX_FPS, PLAYBACK_RATE, Photo, Speech

CHECKED_FRAMES = 24  # frames of the finished file that the self-check reads


@dataclass(frozen=True)
class SealedVideo:
    """What was handed out.

    manifest_label: "urn:c2pa:" and the clip's UUID, which also stands in the log.  badge: the visible sign is in it.
    watermark_id: 8 hex digits.  log_index: entry of this video in the ledger's log.
    timings: seconds; mark, encode: CPU of the encoding thread; frames: wall time until the last frame was encoded;
             sign, write, check: wall time.
    """

    path: Path
    watermark_id: str
    manifest_label: str
    manifest_state: str
    record_id: str
    log_index: int
    frames: int
    fps: int
    width: int
    height: int
    seconds: float
    badge: bool = True
    timings: dict[str, float] = field(default_factory=dict)


def seal(
    vault: Vault,
    token: str | None,
    photo: Photo,
    speech: Speech,
    frames: Iterable[np.ndarray],
    *,
    out: str | Path,
    fps: int,
    seed: int | None = None,
    title: str = "Talking portrait",
    badge: bool = True,
    total: int | None = None,
    progress: Callable[[str, float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SealedVideo:
    """Turn frames into a sealed video at `out`, or leave nothing behind.

    token:     from `issue_token` for this photo and recording; used up before the first frame is taken.
    frames:    uint8 (H, W, 3) RGB at `fps` (1 to 60), sides multiples of 8 and at least 256; taken lazily.
    badge:     draw the visible sign "AI-generated" into every frame; manifest and log say whether it is there.
    total:     how many frames to expect, for the progress only.
    progress:  called with ("rendering" | "signing" | "checking", fraction 0..1).
    cancelled: asked before every frame and between the stages.

    Every frame carries one new 30-bit watermark id; the file is read back and must show that id and a Trusted
    manifest before it appears at `out`, all at once. Raises the ConsentError family, OutputError (folder, full disk),
    SealError family, Cancelled, LedgerError; errors of the frames' iterator are named RenderingFailed.
    """
    if type(fps) is not int or not 1 <= fps <= MAX_FPS:
        raise ControlError(f"{fps!r} frames per second cannot be made; choose a whole number from 1 to {MAX_FPS}.")
    tell = progress or (lambda _stage, _fraction: None)
    with _output_file(Path(out)) as (scratch, hand_over):
        grant = redeem(vault, token, photo, speech)
        record_id = grant.record_id
        clip_id = str(uuid.uuid4())
        mark_id, mark_index = _register_clip(vault, record_id, str(token), clip_id)
        marker = VideoMark(vault.mark_key)
        work = FrameWork(marker, mark_id, fps, badge)
        tell("rendering", 0.0)
        video = encode(
            frames,
            SoundMark(vault.mark_key).write(speech.playback, mark_id, PLAYBACK_RATE),
            fps,
            work.writer,
            on_frame=lambda count: tell("rendering", min(1.0, count / total) if total else 0.0),
            cancelled=cancelled,
        )
        timings = dict(video.timings)
        _stop_if(cancelled)
        tell("signing", 0.0)
        started = time.perf_counter()
        signer = ManifestSigner(vault.authority)
        declaration = _declare(vault, grant, mark_id, clip_id, mark_index, work.badge)
        signed = signer.sign(video.mp4, title, photo, speech, declaration, work.still())
        timings["sign"] = time.perf_counter() - started
        started = time.perf_counter()
        _write(scratch, signed)
        timings["write"] = time.perf_counter() - started
        _stop_if(cancelled)
        tell("checking", 0.0)
        started = time.perf_counter()
        manifest = _self_check(scratch, signed, signer, marker, mark_id)
        timings["check"] = time.perf_counter() - started
        _stop_if(cancelled)
        require_standing(vault, record_id)  # it may have been withdrawn while the frames were drawn
        body: dict[str, object] = {"record_id": record_id, "clip_id": clip_id, "manifest_label": manifest.label}
        body |= {"seed": seed, "badge": badge, "speech_commitment": declaration.speech_commitment}
        log_index = _log_output(vault, mark_id, body, video, speech.playback, signed, work.picture_print())
        hand_over()
        tell("checking", 1.0)
    return SealedVideo(
        path=Path(out),
        watermark_id=format_id(mark_id),
        manifest_label=manifest.label,
        manifest_state=manifest.state,
        record_id=record_id,
        log_index=log_index,
        frames=video.frames,
        fps=fps,
        width=video.width,
        height=video.height,
        seconds=video.seconds,
        badge=badge,
        timings=timings,
    )


@contextmanager
def _output_file(out: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A temporary file beside `out` and the function that moves it there; the temporary file never survives."""
    if out.is_dir():
        raise OutputError(f"{out} is a folder. Name a file, for example {out / 'talking.mp4'}.")
    scratch = out.with_name(f".{out.stem[:80]}-{secrets.token_hex(8)}.part")

    def hand_over() -> None:
        try:
            os.replace(scratch, out)
        except OSError as error:
            raise OutputError(f"{out} cannot be written ({error.strerror}). Choose another file.") from error

    try:
        try:
            os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            reason = error.strerror
            raise OutputError(f"Nothing can be written to {out.parent} ({reason}). Choose another folder.") from error
        yield scratch, hand_over
    finally:
        with suppress(OSError):  # it was handed over, or its folder never was one
            scratch.unlink()


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = f"{path.parent} has no room for {len(data) / 1e6:.1f} MB"
            raise OutputError(f"The disk is full: {need}. Free some space or choose another folder.") from error
        raise OutputError(f"{path.parent} cannot be written ({error.strerror}). Choose another folder.") from error


def _register_mark(vault: Vault, record_id: str, token: str) -> int:
    """A fresh id for a stream, which has no manifest and so no clip id."""
    return _register_clip(vault, record_id, token, None)[0]


def _register_clip(vault: Vault, record_id: str, token: str, clip_id: str | None) -> tuple[int, int]:
    """A fresh id, stored and logged before it is ever written into a pixel, and its log entry."""
    created, key_id = timestamp(vault.clock()), mark_key_id(vault.mark_key)
    body = {"record_id": record_id, "key_id": key_id, "token_sha256": token_id(token)}
    if clip_id is not None:
        body["clip_id"] = clip_id
    with vault.ledger.transaction() as connection:
        while True:
            mark_id = random_id()
            taken = connection.execute(select(watermark_ids).where(watermark_ids.c.watermark_id == mark_id)).first()
            if taken is None:
                break
        entry = vault.ledger.append(connection, "mark", format_id(mark_id), body)
        row = {"watermark_id": mark_id, "record_id": record_id, "created_at": created, "key_id": key_id}
        connection.execute(insert(watermark_ids).values(row))
    return mark_id, entry.position


def _declare(
    vault: Vault, grant: Grant, mark_id: int, clip_id: str, mark_index: int, badge: dict[str, object]
) -> Declaration:
    record_id = grant.record_id
    entry = vault.ledger.entries("consent", record_id)[0]
    body = find_record(vault, record_id)
    if body is None:  # it was there when the token was redeemed
        raise ConsentInvalid("The consent record vanished from the ledger. Attest consent again.")
    commitments = body["processing"]["commitments"]
    return Declaration(
        watermark_id=format_id(mark_id),
        record_id=record_id,
        record_sha256=entry.body["record_sha256"],
        photo_commitment=commitments["photo_pixels"],
        speech_commitment=grant.speech_commitment or commitments["speech_samples"],
        basis=body["processing"]["basis"],
        log_index=entry.position,
        log_root=vault.ledger.head().root.hex(),
        clip_id=clip_id,
        clip_log_index=mark_index,
        evidence=str(body["processing"].get("evidence", {}).get("kind", "")),
        badge=badge,
    )


def _self_check(path: Path, signed: bytes, signer: ManifestSigner, marker: VideoMark, mark_id: int) -> ManifestReading:
    """Read the finished file as a stranger would. Raises SelfCheckFailed."""
    if path.read_bytes() != signed:
        raise SelfCheckFailed("The disk gave back other bytes than were written. No file was handed out.")
    with path.open("rb") as file:
        manifest = signer.read(file, "video/mp4")
    if manifest.state != "Trusted" or manifest.watermark.get("id") != format_id(mark_id):
        reason = ", ".join(manifest.failures) or manifest.state
        raise SelfCheckFailed(f"The manifest did not read back as Trusted ({reason}). No file was handed out.")
    try:
        reading = marker.read_both(sample_frames(path, CHECKED_FRAMES))
    except UnreadableVideo as error:
        raise SelfCheckFailed(f"The finished video could not be decoded ({error}). No file was handed out.") from error
    if not reading.luma.found or reading.luma.id != mark_id:
        raise SelfCheckFailed("The watermark did not read back. No file was handed out; try another photo.")
    return manifest


def _log_output(
    vault: Vault,
    mark_id: int,
    body: dict[str, object],
    video: EncodedVideo,
    playback: np.ndarray,
    signed: bytes,
    pictures: bytes,
) -> int:
    """Log the video, and keep what recognises its sound, its pictures and its manifest."""
    heard = sound_print(playback[: round(video.seconds * PLAYBACK_RATE)], PLAYBACK_RATE)
    store = manifest_store(signed)
    body = body | {
        "frames": video.frames,
        "fps": video.fps,
        "file_sha256": hashlib.sha256(signed).hexdigest(),  # covers what C2PA leaves out, see `is_as_made`
        "sound_sha256": hashlib.sha256(heard).hexdigest(),
        "pictures_sha256": hashlib.sha256(pictures).hexdigest(),
        "manifest_sha256": hashlib.sha256(store).hexdigest(),
    }
    with vault.ledger.transaction() as connection:
        entry = vault.ledger.append(connection, "output", format_id(mark_id), body)
        connection.execute(insert(sound_prints).values(watermark_id=mark_id, print=heard))
        connection.execute(insert(picture_prints).values(watermark_id=mark_id, print=pictures))
        row = {"label": body["manifest_label"], "watermark_id": mark_id, "store": store}
        connection.execute(insert(manifests).values(row))
    return entry.position


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise Cancelled("Stopped. No video was written.")
