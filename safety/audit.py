"""Reads a file back: manifest x watermark x consent x log, contradictions first.

Four witnesses answer separately and are then compared ("cross-layer audit": a valid manifest that claims a camera and
a watermark that says "generated" both pass alone). What none of them says is never taken as a sign of authenticity.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from safety.consent import find_record, withdrawn_at
from safety.errors import ConsentInvalid, LedgerError, UnreadableVideo
from safety.ledger.log import parse_time
from safety.manifest import GENERATOR, ManifestReading, ManifestSigner
from safety.media import MOST_BYTES, Sample, sample_clip, sniff_mime
from safety.remembered import is_as_made, recover, vouch
from safety.sound_witness import SoundRow, carries_mark, listen
from safety.vault import Vault
from safety.witnesses import WatermarkRow, look

SAMPLED_FRAMES = 100
CAPTURE_TYPES = {"digitalCapture", "computationalCapture", "negativeFilm", "positiveFilm", "print", "screenCapture"}


@dataclass(frozen=True)
class ConsentRow:
    """state: "valid", "withdrawn", "expired", "unknown" (named, but not in the ledger) or "none" (nothing named).

    evidence: what kind it rests on ("challenge", "document", "reference", "source", "none"), empty in old records.
    distribution: how far the video may go, as was promised: "private", "organisation", "public", or empty.
    """

    state: str
    record_id: str | None = None
    basis: str = ""
    expires_at: str = ""
    withdrawn_at: str = ""
    evidence: str = ""
    distribution: str = ""


@dataclass(frozen=True)
class LogRow:
    """included: the ledger has this video and proves it against its signed root; None when nothing names a video."""

    included: bool | None
    index: int | None = None
    size: int | None = None
    root: str = ""
    made_at: str = ""
    manifest_label: str = ""


@dataclass(frozen=True)
class Contradiction:
    """Two witnesses that cannot both be right. code is stable, for translations; text is plain English."""

    code: str
    text: str


@dataclass(frozen=True)
class AuditReport:
    """What each witness says, and where they disagree.

    verdict: "contradiction", "sealed", "stripped_copy", "altered", "foreign_manifest", "trace" or "nothing".
    recovered: what the lost manifest of a stripped copy said, found by its watermark (a soft match).
    """

    manifest: ManifestReading
    watermark: WatermarkRow
    sound: SoundRow
    consent: ConsentRow
    log: LogRow
    contradictions: tuple[Contradiction, ...]
    verdict: str
    summary: str
    development: bool
    recovered: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The object that `verify --json` prints. Manifest strings come from the file: escape before showing."""
        manifest = {key: value for key, value in asdict(self.manifest).items() if key not in ("watermark", "consent")}
        manifest = {key: list(value) if isinstance(value, tuple) else value for key, value in manifest.items()}
        return {
            "manifest": {**manifest, "development_authority": self.development},
            "watermark": {**asdict(self.watermark), "seconds": [list(span) for span in self.watermark.seconds]},
            "sound": asdict(self.sound),
            "consent": asdict(self.consent),
            "log": asdict(self.log),
            "contradictions": [item.text for item in self.contradictions],
            "contradiction_codes": [item.code for item in self.contradictions],
            "verdict": self.verdict,
            "recovered": self.recovered,
            "summary": self.summary,
        }


def audit(vault: Vault, path: str | Path) -> AuditReport:
    """Examine a video or image. Raises UnreadableVideo when the file is neither, or cannot be read."""
    path = Path(path)
    manifest, sample = _open(vault, path)
    mark, mark_record = look(vault, sample)
    found: list[Contradiction] = []
    # A record id is believed from the pixels, or from a manifest of our own; anybody can write one into another.
    trusted = manifest.state == "Trusted"
    named_mark = str(manifest.watermark.get("id", "")) if trusted else ""
    named_record = str(manifest.consent.get("record_id", "")) if trusted else ""
    sound, sound_record = listen(vault, path, mark.id or named_mark)
    record_id = mark_record or named_record or sound_record
    named = mark.id or named_mark or sound.mark or ""
    log = _look_up_log(vault, named, found)
    consent = _look_up_consent(vault, record_id, log, found)
    found += _compare(manifest, mark, sample.frames != [], named_mark, named_record, record_id)
    found += _check_declaration(vault, manifest, consent)
    found += _check_bytes(vault, path, manifest)
    found += _check_picture(mark)
    found += _compare_sound(sound, mark, sample.frames != [], named_mark)
    verdict = _verdict(manifest, mark, sound, tuple(found))
    return AuditReport(
        manifest=manifest,
        watermark=mark,
        sound=sound,
        consent=consent,
        log=log,
        contradictions=tuple(found),
        verdict=verdict,
        summary=_summary(verdict, manifest, mark, sound, consent, log, tuple(found)),
        development=vault.development,
        recovered=recover(vault, named) if named and manifest.state == "none" else None,
    )


def _open(vault: Vault, path: Path) -> tuple[ManifestReading, Sample]:
    """The manifest and sample frames; a file that gives neither is refused, and so is one of more than 2 GiB."""
    try:
        if not path.is_file():
            raise UnreadableVideo(f"{path.name} is no file. Give a video or an image.")
        if path.stat().st_size > MOST_BYTES:
            raise UnreadableVideo(f"{path.name} is larger than 2 GiB. Cut out the part in question.")
        mime = sniff_mime(path)
        manifest = ManifestReading("none")
        if mime is not None:
            with path.open("rb") as file:
                manifest = vouch(vault, path, mime, ManifestSigner(vault.authority).read(file, mime))
    except OSError as error:
        raise UnreadableVideo(f"{path.name} cannot be read ({error.strerror}). Check the path.") from error
    try:
        return manifest, sample_clip(path, SAMPLED_FRAMES)
    except UnreadableVideo:
        if manifest.label or carries_mark(vault, path):  # signed, or ours, even if there are no pictures to look at
            return manifest, Sample()
        raise


def _look_up_log(vault: Vault, mark_id: str, found: list[Contradiction]) -> LogRow:
    if not mark_id:
        return LogRow(None)
    try:
        entries = vault.ledger.entries("output", mark_id)
        if not entries:
            return LogRow(False)
        entry = entries[-1]
        proof = vault.ledger.prove(entry.position)
    except LedgerError as error:
        found.append(Contradiction("ledger_altered", f"The ledger itself does not hold together: {error}"))
        return LogRow(False)
    body = entry.body
    return LogRow(True, entry.position, proof.head.size, proof.head.root.hex(), body["time"], body["manifest_label"])


def _look_up_consent(vault: Vault, record_id: str, log: LogRow, found: list[Contradiction]) -> ConsentRow:
    if not record_id:
        return ConsentRow("none")
    try:
        body = find_record(vault, record_id)
        withdrawn = withdrawn_at(vault, record_id) if body else None
    except (ConsentInvalid, LedgerError) as error:
        found.append(Contradiction("ledger_altered", f"The ledger itself does not hold together: {error}"))
        return ConsentRow("unknown", record_id)
    if body is None:
        return ConsentRow("unknown", record_id)
    expires = parse_time(body["event"]["expires_at"])
    made = parse_time(log.made_at) if log.made_at else None
    if made is not None and withdrawn is not None and made > withdrawn:
        found.append(Contradiction("made_after_withdrawal", "The video was made after its consent had been withdrawn."))
    if made is not None and made > expires:
        found.append(Contradiction("made_after_expiry", "The video was made after its consent had expired."))
    state = "withdrawn" if withdrawn else "expired" if vault.latest() >= expires else "valid"
    stated = body["processing"]
    scope = stated["scope"] if isinstance(stated["scope"], dict) else {}
    return ConsentRow(
        state=state,
        record_id=record_id,
        basis=stated["basis"],
        expires_at=_day(expires),
        withdrawn_at=_day(withdrawn) if withdrawn else "",
        evidence=stated.get("evidence", {}).get("kind", ""),
        distribution=scope.get("distribution", ""),
    )


def _compare(
    manifest: ManifestReading, mark: WatermarkRow, has_frames: bool, named_mark: str, named_record: str, record_id: str
) -> list[Contradiction]:
    """Pixels against manifest."""
    found = []
    present = manifest.state != "none"
    capture = [kind for kind in manifest.source_types if kind in CAPTURE_TYPES]
    if (mark.found or mark.trace) and capture:
        text = f"The pixels carry Candor's watermark, but the manifest claims a camera ({', '.join(capture)})."
        found.append(Contradiction("capture_claim", text))
    if mark.found and manifest.state == "Valid":
        text = f"The pixels carry Candor's watermark, but somebody else signed the manifest ({manifest.signer})."
        found.append(Contradiction("foreign_signer", text))
    if named_mark and mark.found and named_mark != mark.id:
        text = f"The manifest names watermark {named_mark}, the pixels carry {mark.id}: the picture was swapped."
        found.append(Contradiction("other_mark", text))
    stated = str(manifest.watermark.get("id", ""))
    if manifest.state == "Invalid" and manifest.ours and mark.found and stated and stated != mark.id:
        text = f"The manifest is that of video {stated}, the pixels are of video {mark.id}: one was put onto the other."
        found.append(Contradiction("other_mark", text))
    if named_mark and has_frames and not mark.found:
        text = f"The manifest names watermark {named_mark}, but the pixels carry none that can be read."
        found.append(Contradiction("mark_missing", text))
    if named_record and record_id and named_record != record_id:
        text = "The manifest names another consent record than the watermark belongs to."
        found.append(Contradiction("other_record", text))
    if manifest.state == "Invalid" and manifest.label:
        text = f"The manifest does not belong to this content ({', '.join(manifest.failures)}): one was changed."
        found.append(Contradiction("altered", text))
    elif manifest.state == "Invalid" and present:
        text = f"The file carries a manifest that is damaged ({', '.join(manifest.failures)})."
        found.append(Contradiction("manifest_damaged", text))
    for item in manifest.ingredients:
        if item["failures"]:
            text = f"The source '{item['title']}' named in the manifest was already broken ({item['failures']})."
            found.append(Contradiction("ingredient_broken", text))
    return found


def _compare_sound(sound: SoundRow, mark: WatermarkRow, has_frames: bool, named_mark: str) -> list[Contradiction]:
    """The sound against the picture, or against the video that the manifest names."""
    video = mark.id or named_mark
    if video and sound.mark and sound.mark != video:
        text = f"The picture is of video {video}, the sound carries the mark of video {sound.mark}: one was exchanged."
        return [Contradiction("other_sound", text)]
    if video and sound.state == "other":
        text = f"The sound is not the one that video {video} was sealed with: it was exchanged."
        return [Contradiction("other_sound", text)]
    if sound.mark and has_frames and not video:
        text = (
            f"The sound carries the mark of video {sound.mark}, the picture carries none: it was exchanged, or changed "
            "until its mark was lost."
        )
        return [Contradiction("other_picture", text)]
    return []


def _check_picture(mark: WatermarkRow) -> list[Contradiction]:
    """Whoever averages many frames of one clip can put its mark onto another picture."""
    if mark.picture.state != "other":
        return []
    text = f"The watermark {mark.id} lies on a picture that is not the one of video {mark.id}: the mark was copied."
    return [Contradiction("copied_mark", text)]


def _check_declaration(vault: Vault, manifest: ManifestReading, consent: ConsentRow) -> list[Contradiction]:
    """What our own manifest says about consent and log, against the ledger."""
    if manifest.state != "Trusted" or not manifest.consent:
        return []
    if consent.state == "unknown":
        return [Contradiction("record_unknown", "The manifest names a consent record that the ledger does not know.")]
    try:
        entries = vault.ledger.entries("consent", consent.record_id or "")
    except LedgerError:
        return []  # named already
    clip = manifest.clip.get("clip_id")
    if clip is not None and not _is_logged(vault, manifest):
        text = "The log does not know the clip that the manifest was made for under this watermark."
        return [Contradiction("clip_unknown", text)]
    same_record = bool(entries) and consent.record_id == manifest.consent.get("record_id")
    if same_record and entries[0].body.get("record_sha256") != manifest.consent.get("record_sha256"):
        text = "The consent record in the ledger is not the one the manifest was made with."
        return [Contradiction("record_changed", text)]
    return []


def _check_bytes(vault: Vault, path: Path, manifest: ManifestReading) -> list[Contradiction]:
    """What no signature covers in a file of ours."""
    try:
        if manifest.state != "Trusted" or is_as_made(vault, path, manifest):
            return []
    except (LedgerError, OSError):
        return []  # named already
    text = "The file holds bytes that no signature covers and that were not there when it was made."
    return [Contradiction("unsigned_bytes", text)]


def _is_logged(vault: Vault, manifest: ManifestReading) -> bool:
    """The clip's id stands in the entry that issued its watermark, and is the manifest's label."""
    issued = vault.ledger.entries("mark", str(manifest.watermark.get("id", "")))
    clip = manifest.clip.get("clip_id")
    return manifest.label == f"urn:c2pa:{clip}" and any(entry.body.get("clip_id") == clip for entry in issued)


def _verdict(manifest: ManifestReading, mark: WatermarkRow, sound: SoundRow, found: tuple[Contradiction, ...]) -> str:
    codes = {item.code for item in found}
    if codes & {"altered", "manifest_damaged", "unsigned_bytes"} and len(codes) == 1:
        return "altered"
    if found:
        return "contradiction"
    if manifest.state == "Trusted":
        return "sealed"
    if mark.found or sound.mark:
        return "stripped_copy"
    if manifest.state == "Valid":
        return "foreign_manifest"
    return "trace" if mark.trace else "nothing"


def _summary(
    verdict: str,
    manifest: ManifestReading,
    mark: WatermarkRow,
    sound: SoundRow,
    consent: ConsentRow,
    log: LogRow,
    found: tuple[Contradiction, ...],
) -> str:
    made = f"This video was generated by {GENERATOR}"
    lines = {
        "contradiction": "Witnesses contradict each other. " + " ".join(item.text for item in found),
        "altered": " ".join(item.text for item in found),
        "sealed": f"{made}: the signed manifest is intact and trusted here, and the watermark {mark.id} agrees.",
        "stripped_copy": (
            f"{'The pixels carry' if mark.id else 'The sound carries'} the watermark {mark.id or sound.mark}, which "
            "this installation gave to a video it made; the signed manifest is missing, the ledger remembers it "
            f"({log.manifest_label or 'not logged'}). This is a match by "
            "watermark (a soft match). It is not proof that nothing was edited, and a mark can be copied onto other "
            "pictures: the consent shown is that of the video the mark was made for."
        ),
        "foreign_manifest": (
            "The file carries an intact manifest of somebody this installation does not know, who calls itself "
            f"'{manifest.signer}'. "
            "No watermark of this installation was found. Whether its claims are true cannot be said here."
        ),
        "trace": "There are traces of this installation's watermark, but its number can no longer be read.",
        "nothing": (
            "No manifest and no watermark of this installation were found. That says nothing about where the file "
            "comes from: both can be removed, and other programs leave neither. It is not a sign of authenticity."
        ),
    }
    text = lines[verdict]
    if verdict == "altered" and mark.found:
        text += f" Its pixels carry the watermark {mark.id} of a video that {GENERATOR} made."
    if mark.found and mark.partial and mark.seconds:
        spans = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in mark.seconds)
        text += f" The watermark was found at {spans} and not in the rest."
    if consent.state == "withdrawn":
        text += f" The consent was withdrawn on {consent.withdrawn_at}: do not show or share this video."
    elif consent.state == "expired":
        text += f" The consent expired on {consent.expires_at}."
    return text


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d")


__all__ = ["AuditReport", "ConsentRow", "Contradiction", "LogRow", "SoundRow", "WatermarkRow", "audit"]
