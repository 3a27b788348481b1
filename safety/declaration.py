"""What a manifest of ours says: actions, ingredients, and the assertions that lead from a clip to its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from safety.sound_mark import ALGORITHM as SOUND_ALGORITHM

GENERATOR = "Candor"
GENERATOR_VERSION = "0.1.0"
TRAINED_ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CLIP_LABEL = "org.candor.clip"
WATERMARK_LABEL = "org.candor.watermark"
CONSENT_LABEL = "org.candor.consent"
BADGE_LABEL = "org.candor.badge"
TRAINING_LABEL = "cawg.training-mining"
WATERMARK_ALGORITHM = "org.candor.dct-ss.1"
PICTURED = {"public-domain", "synthetic"}  # bases whose manifests carry thumbnails
CLAIM_THUMBNAIL, PHOTO_THUMBNAIL = 256, 160  # pixels, longer side


@dataclass(frozen=True)
class Declaration:
    """What a manifest of ours says beyond "generated"; no personal data. `to_assertions` gives the JSON.

    clip_id:   one UUID for the clip: in the log before the first frame, and the manifest's label.
    clip_log_index: of the log entry that issued the watermark id.  log_index: of the consent record's entry.
    evidence:  what kind the consent rests on.  badge: `Badge.to_dict`, or {"shown": False}.
    """

    watermark_id: str
    record_id: str
    record_sha256: str
    photo_commitment: str
    speech_commitment: str
    basis: str
    log_index: int
    log_root: str
    clip_id: str = ""
    clip_log_index: int | None = None
    evidence: str = ""
    badge: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        """The manifest's label, empty to let the library choose."""
        return f"urn:c2pa:{self.clip_id}" if self.clip_id else ""

    @property
    def pictured(self) -> bool:
        """Whether thumbnails go into the manifest: never those of a private person (see docs/safety.md)."""
        return self.basis in PICTURED

    def to_assertions(self) -> list[dict[str, Any]]:
        mark = {
            "alg": WATERMARK_ALGORITHM,
            "id": self.watermark_id,
            "chroma": "invisible-watermark/dwtDctSvd/36",
            "sound": SOUND_ALGORITHM,
        }
        consent = {
            "record_id": self.record_id,
            "record_sha256": self.record_sha256,
            "photo_commitment": self.photo_commitment,
            "speech_commitment": self.speech_commitment,
            "basis": self.basis,
            "log_index": self.log_index,
            "log_root": self.log_root,
        }
        if self.evidence:
            consent["evidence"] = self.evidence
        assertions = [{"label": WATERMARK_LABEL, "data": mark}, {"label": CONSENT_LABEL, "data": consent}]
        if self.clip_id:
            clip = {
                "clip_id": self.clip_id,
                "watermark_id": self.watermark_id,
                "record_id": self.record_id,
                "log_index": self.clip_log_index,
            }
            assertions.append({"label": CLIP_LABEL, "data": clip})
        if self.badge is not None:
            assertions.append({"label": BADGE_LABEL, "data": self.badge})
        return assertions


def definition(title: str, declaration: Declaration, thumbnail: bool = False) -> dict[str, Any]:
    """The manifest for `c2pa.Builder`. thumbnail: a resource "claim.jpg" will be added."""
    agent = {"name": GENERATOR, "version": GENERATOR_VERSION}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": TRAINED_ALGORITHMIC,
        "softwareAgent": agent,
        "parameters": {"ingredientIds": ["portrait", "speech"]},
    }
    # The recording drives the lips and is also heard: an input, and a component.
    placed = {"action": "c2pa.placed", "softwareAgent": agent, "parameters": {"ingredientIds": ["sound"]}}
    actions = [created, placed]
    if declaration.badge is not None and declaration.badge.get("shown"):
        actions.append({"action": "c2pa.edited", "softwareAgent": agent, "description": "Visible sign AI-generated"})
    # "unbound": the mark's algorithm is not on C2PA's list of soft bindings, so it must not pose as one.
    actions.append({"action": "c2pa.watermarked.unbound", "softwareAgent": agent})
    uses = ("cawg.ai_inference", "cawg.ai_generative_training", "cawg.ai_training", "cawg.data_mining")
    manifest: dict[str, Any] = {
        "claim_version": 2,
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"allActionsIncluded": True, "actions": actions}},
            *declaration.to_assertions(),
            {"label": TRAINING_LABEL, "data": {"entries": {use: {"use": "notAllowed"} for use in uses}}},
        ],
    }
    if declaration.label:
        manifest["label"] = declaration.label
    if thumbnail:
        manifest["thumbnail"] = {"format": "image/jpeg", "identifier": "claim.jpg"}
    return manifest


def small_jpeg(rgb: np.ndarray, longest: int) -> bytes:
    """uint8 (H, W, 3) RGB -> JPEG with a longer side of at most `longest` pixels, and no metadata."""
    scale = min(1.0, longest / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return encoded.tobytes()
