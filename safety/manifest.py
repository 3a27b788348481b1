"""C2PA manifests: signing ours, and reading anybody's (c2pa-python 0.38.1, C2PA 2.4).

A manifest is `Trusted` only when it is intact *and* its chain ends at this installation's own root; the library's
`Valid` says no more than that it is consistent with itself. Remote manifests are never fetched: the address is
chosen by whoever made the file.
"""

from __future__ import annotations

import io
import json
import unicodedata
import wave
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import c2pa  # type: ignore[import-untyped]
import cv2
import numpy as np

from safety.authority import Authority
from safety.declaration import (
    BADGE_LABEL,
    CLAIM_THUMBNAIL,
    CLIP_LABEL,
    CONSENT_LABEL,
    GENERATOR,
    GENERATOR_VERSION,
    PHOTO_THUMBNAIL,
    TRAINING_LABEL,
    WATERMARK_ALGORITHM,
    WATERMARK_LABEL,
    Declaration,
    definition,
    small_jpeg,
)
from safety.errors import SigningFailed
from vasa_core.types import PLAYBACK_RATE, Photo, Speech

# Assertions the signer vouches for; without the list only the content hash would be.
ACTION_LABELS = ["c2pa.actions", "c2pa.actions.v2", "c2pa.ingredient.v3"]
OWN_LABELS = [WATERMARK_LABEL, CONSENT_LABEL, CLIP_LABEL, BADGE_LABEL]
CREATED_LABELS = [
    *ACTION_LABELS,
    *OWN_LABELS,
    TRAINING_LABEL,
    "c2pa.thumbnail.claim",
    "c2pa.thumbnail.ingredient",
]
PHOTO_TYPES = {f"image/{kind}" for kind in ("jpeg", "png", "webp", "heic", "heif", "avif", "gif", "tiff")}
AUDIO_TYPES = {"audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp4", "audio/flac", "video/mp4", "video/quicktime"}
# Extended key usages a claim signer may have: emailProtection, documentSigning, C2PA claim signing.
KEY_USAGES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
MAX_CLAIMS, MAX_TEXT = 40, 300  # what is shown of a stranger's manifest
__all__ = ["GENERATOR", "WATERMARK_ALGORITHM", "Declaration", "ManifestReading", "ManifestSigner"]


@dataclass(frozen=True)
class ManifestReading:
    """What a file's manifest says. Strings come from the file: escape them before showing.

    state:  "Trusted", "Valid" (intact, but the signer is unknown here or the certificate has expired), "Invalid"
            (altered or broken) or "none".
    ours:   this installation signed the manifest, whether or not it fits the file it was found in.
    clip, badge: our own assertions, as `watermark` and `consent`; empty in others' manifests.
    signed_at:  what the time-stamp says (RFC 3339), empty without one.
    time_stamp: "trusted" by the authority set here, "unknown" (intact, from one that is not), "" (none).
    """

    state: str
    label: str = ""
    generator: str = ""
    signer: str = ""
    title: str = ""
    claims: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    ingredients: tuple[dict[str, str], ...] = ()
    watermark: dict[str, Any] = field(default_factory=dict)
    consent: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    badge: dict[str, Any] = field(default_factory=dict)
    ours: bool = False
    signed_at: str = ""
    time_stamp: str = ""


class ManifestSigner:
    """Signs and reads manifests with one authority. Thread-safe."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._context = _context(authority.anchor_pem)
        # Only time-stamps are judged by it: who may stamp the time may not thereby sign manifests.
        stamper = authority.timestamp_anchor
        self._stamps = _context(authority.anchor_pem + stamper) if stamper else None

    def sign(
        self,
        mp4: bytes,
        title: str,
        photo: Photo,
        speech: Speech,
        declaration: Declaration,
        still: np.ndarray | None = None,
    ) -> bytes:
        """The same video with a signed manifest in it, time-stamped where an authority for that is set.

        still: uint8 (H, W, 3) RGB for the claim's thumbnail; left out where the declaration allows no pictures.
        Raises SigningFailed, also when the time-stamping authority does not answer.
        """
        if not declaration.pictured:
            still = None
        failures: list[BaseException] = []

        def sign_claim(data: bytes) -> bytes:
            try:
                return self._authority.sign(data)
            except Exception as error:  # the library would only report "signature invalid"
                failures.append(error)
                raise

        signed = io.BytesIO()
        try:
            with (
                c2pa.Signer.from_callback(
                    sign_claim,
                    c2pa.C2paSigningAlg.ES256,
                    self._authority.chain_pem,
                    self._authority.timestamp_url or None,
                ) as signer,
                c2pa.Builder(definition(title, declaration, still is not None), self._context) as builder,
            ):
                if still is not None:
                    builder.add_resource("claim.jpg", io.BytesIO(small_jpeg(still, CLAIM_THUMBNAIL)))
                sound = self._speech_file(speech)
                for label, relationship, (mime, data) in (
                    ("portrait", "inputTo", self._photo_file(photo)),
                    ("speech", "inputTo", sound),
                    ("sound", "componentOf", sound),
                ):
                    ingredient: dict[str, Any] = {"title": label, "relationship": relationship, "label": label}
                    if label == "portrait" and declaration.pictured:
                        builder.add_resource("photo.jpg", io.BytesIO(small_jpeg(photo.pixels, PHOTO_THUMBNAIL)))
                        ingredient["thumbnail"] = {"format": "image/jpeg", "identifier": "photo.jpg"}
                    builder.add_ingredient(ingredient, mime, io.BytesIO(data))
                builder.sign(signer, "video/mp4", io.BytesIO(mp4), signed)
        except c2pa.C2paError as error:
            cause = failures[0] if failures else error
            raise SigningFailed(f"The manifest could not be signed ({cause}). No file was written.") from error
        return signed.getvalue()

    def read(self, file: BinaryIO, mime: str, store: bytes | None = None) -> ManifestReading:
        """The manifest inside an open file; never raises for content.

        store: a manifest store to check the file against, in place of the one inside it.
        """
        try:
            with c2pa.Reader(mime, file, store, context=self._context) as reader:
                reading = _reading(reader)
            if reading.signed_at and self._stamps is not None:
                file.seek(0)
                with c2pa.Reader(mime, file, store, context=self._stamps) as reader:
                    trusted = "timeStamp.trusted" in _codes(reader, "success")
                reading = replace(reading, time_stamp="trusted" if trusted else "unknown")
            return reading
        except c2pa.C2paError as error:
            name = type(error).__name__
            if "ManifestNotFound" in name or "NotSupported" in name or "RemoteManifest" in str(error):
                return ManifestReading("none")
            return ManifestReading("Invalid", failures=(_clip(f"{name}: {error}"),))

    def _photo_file(self, photo: Photo) -> tuple[str, bytes]:
        """The photo as given, so that its own credentials are kept; as PNG where C2PA does not know its format."""
        if photo.mime in PHOTO_TYPES and self._accepts(photo.mime, photo.file):
            return photo.mime, photo.file
        _, png = cv2.imencode(".png", cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2BGR))
        return "image/png", png.tobytes()

    def _speech_file(self, speech: Speech) -> tuple[str, bytes]:
        """The recording as given, or a WAV of its samples where C2PA does not know its format."""
        if speech.mime in AUDIO_TYPES and self._accepts(speech.mime, speech.file):
            return speech.mime, speech.file
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            samples = speech.playback.reshape(len(speech.playback), -1)
            out.setnchannels(samples.shape[1])
            out.setsampwidth(2)
            out.setframerate(PLAYBACK_RATE)
            out.writeframes(samples.astype("<i2").tobytes())
        return "audio/wav", file.getvalue()

    def _accepts(self, mime: str, data: bytes) -> bool:
        """Whether C2PA can take the file as an ingredient; files that media decoders forgive may still be refused."""
        try:
            # With our settings: by its own, the library fetches whatever address a photo names.
            with c2pa.Builder({"claim_version": 2, "assertions": []}, self._context) as trial:
                trial.add_ingredient({"title": "trial", "relationship": "inputTo"}, mime, io.BytesIO(data))
        except c2pa.C2paError:
            return False
        return True


def _context(anchors: str) -> c2pa.Context:
    """Settings of the library: nothing is fetched, `anchors` (PEM) are trusted."""
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "verify": {
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
                "verify_trust": True,
                "verify_after_sign": True,
            },
            "trust": {"user_anchors": anchors, "trust_config": "\n".join(KEY_USAGES) + "\n"},
            "builder": {
                "thumbnail": {"enabled": False},  # we choose what is shown, and of whom
                "claim_generator_info": {"name": GENERATOR, "version": GENERATOR_VERSION},
                "created_assertion_labels": CREATED_LABELS,
            },
        }
    )


def _codes(reader: c2pa.Reader, kind: str) -> list[str]:
    """kind: "success", "informational" or "failure"."""
    results = (reader.get_validation_results() or {}).get("activeManifest") or {}
    return [str(item.get("code", "")) for item in results.get(kind, [])]


def _reading(reader: c2pa.Reader) -> ManifestReading:
    state = str(reader.get_validation_state() or "Invalid")
    store = json.loads(reader.json())
    label = store.get("active_manifest") or ""
    manifest = store.get("manifests", {}).get(label) or {}
    failures = tuple(map(_clip, _codes(reader, "failure")))
    good = set(_codes(reader, "success"))
    ours = {"signingCredential.trusted", "claimSignature.validated"} <= good and not any(
        code.startswith("assertion.hashedURI") for code in failures
    )
    if state == "Invalid" and failures and all(code.startswith("signingCredential.") for code in failures):
        state = "Valid"  # content and claim are intact; nobody known here vouches for the signer (any more)
    assertions = {item.get("label", ""): item.get("data") for item in manifest.get("assertions", [])}
    actions = [
        action
        for name, data in assertions.items()
        if name.startswith("c2pa.actions") and isinstance(data, dict)
        for action in data.get("actions", [])
        if isinstance(action, dict)
    ]
    named_types = [str(action["digitalSourceType"]) for action in actions if action.get("digitalSourceType")]
    source_types = tuple(_clip(name.rsplit("/", 1)[-1]) for name in named_types)
    generator = next((g for g in manifest.get("claim_generator_info") or [] if isinstance(g, dict)), {})
    name = generator.get("name") or manifest.get("claim_generator") or ""
    signature = manifest.get("signature_info") or {}
    ingredients = tuple(
        {
            "title": _clip(item.get("title", "")),
            "relationship": _clip(item.get("relationship", "")),
            "failures": ", ".join(_ingredient_failures(item))[:MAX_TEXT],
        }
        for item in manifest.get("ingredients", [])[:MAX_CLAIMS]
    )
    claims = [_clip(action.get("action", "")) for action in actions]
    claims += [f"digitalSourceType: {kind}" for kind in source_types]
    claims += [f"ingredient: {i['title']} ({i['relationship']})" for i in ingredients]
    claims += [_clip(name) for name in assertions if not name.startswith("c2pa.actions")]
    own = {name: _small(assertions.get(name)) for name in OWN_LABELS}
    signed_at = _clip(signature.get("time") or "")
    return ManifestReading(
        state=state,
        label=_clip(label),
        generator=_clip(" ".join(part for part in (str(name), str(generator.get("version") or "")) if part)),
        signer=_clip(signature.get("issuer") or signature.get("common_name") or ""),
        title=_clip(manifest.get("title") or ""),
        claims=tuple(claims[:MAX_CLAIMS]),
        failures=failures[:MAX_CLAIMS],
        source_types=source_types,
        ingredients=ingredients,
        watermark=own[WATERMARK_LABEL],
        consent=own[CONSENT_LABEL],
        clip=own[CLIP_LABEL],
        badge=own[BADGE_LABEL],
        ours=ours,
        signed_at=signed_at,
        time_stamp="unknown" if signed_at else "",
    )


def _ingredient_failures(ingredient: dict[str, Any]) -> list[str]:
    results = ingredient.get("validation_results") or {}
    active = results.get("activeManifest") or {}
    codes = [str(item.get("code", "")) for item in active.get("failure", [])]
    # An intact source signed by somebody unknown here (a camera, an editor) is not a broken one.
    return [code for code in codes if not code.startswith("signingCredential.")]


def _small(data: object) -> dict[str, Any]:
    """An assertion that claims to be ours: anybody can write one, of any size."""
    kept: dict[str, Any] = {}
    for key, value in list(data.items())[:MAX_CLAIMS] if isinstance(data, dict) else ():
        if isinstance(value, str):
            kept[_clip(key)] = _clip(value)
        elif isinstance(value, bool | int | float | None):
            kept[_clip(key)] = value
        elif isinstance(value, list):
            kept[_clip(key)] = [item for item in value[:8] if isinstance(item, bool | int | float)]
    return kept


def _clip(text: object) -> str:
    """Text from a file, shortened, without characters that steer a terminal or turn the reading direction."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in str(text)[:MAX_TEXT])
