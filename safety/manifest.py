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
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import c2pa  # type: ignore[import-untyped]
import cv2

from safety.authority import Authority
from safety.errors import SigningFailed
from vasa_core.types import PLAYBACK_RATE, Photo, Speech

GENERATOR = "Candor"
GENERATOR_VERSION = "0.1.0"
TRAINED_ALGORITHMIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
WATERMARK_LABEL = "org.candor.watermark"
CONSENT_LABEL = "org.candor.consent"
TRAINING_LABEL = "cawg.training-mining"
WATERMARK_ALGORITHM = "org.candor.dct-ss.1"

# Assertions the signer vouches for; without the list only the content hash would be.
ACTION_LABELS = ["c2pa.actions", "c2pa.actions.v2", "c2pa.ingredient.v3"]
CREATED_LABELS = [*ACTION_LABELS, WATERMARK_LABEL, CONSENT_LABEL, TRAINING_LABEL]
PHOTO_TYPES = {f"image/{kind}" for kind in ("jpeg", "png", "webp", "heic", "heif", "avif", "gif", "tiff")}
AUDIO_TYPES = {"audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp4", "audio/flac", "video/mp4", "video/quicktime"}
# Extended key usages a claim signer may have: emailProtection, documentSigning, C2PA claim signing.
KEY_USAGES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
MAX_CLAIMS, MAX_TEXT = 40, 300  # what is shown of a stranger's manifest


@dataclass(frozen=True)
class Declaration:
    """What a manifest of ours says beyond "generated"; no personal data. `to_assertions` gives the JSON."""

    watermark_id: str
    record_id: str
    record_sha256: str
    photo_commitment: str
    speech_commitment: str
    basis: str
    log_index: int
    log_root: str

    def to_assertions(self) -> list[dict[str, Any]]:
        mark = {"alg": WATERMARK_ALGORITHM, "id": self.watermark_id, "chroma": "invisible-watermark/dwtDctSvd/36"}
        consent = {
            "record_id": self.record_id,
            "record_sha256": self.record_sha256,
            "photo_commitment": self.photo_commitment,
            "speech_commitment": self.speech_commitment,
            "basis": self.basis,
            "log_index": self.log_index,
            "log_root": self.log_root,
        }
        return [{"label": WATERMARK_LABEL, "data": mark}, {"label": CONSENT_LABEL, "data": consent}]


@dataclass(frozen=True)
class ManifestReading:
    """What a file's manifest says. Strings come from the file: escape them before showing.

    state: "Trusted", "Valid" (intact, signer unknown here), "Invalid" (altered or broken) or "none".
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


class ManifestSigner:
    """Signs and reads manifests with one authority. Thread-safe."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._context = c2pa.Context.from_dict(
            {
                "version": 1,
                "verify": {
                    "remote_manifest_fetch": False,
                    "ocsp_fetch": False,
                    "verify_trust": True,
                    "verify_after_sign": True,
                },
                "trust": {"user_anchors": authority.anchor_pem, "trust_config": "\n".join(KEY_USAGES) + "\n"},
                "builder": {
                    "thumbnail": {"enabled": False},  # a picture of the person has no place in the manifest
                    "claim_generator_info": {"name": GENERATOR, "version": GENERATOR_VERSION},
                    "created_assertion_labels": CREATED_LABELS,
                },
            }
        )

    def sign(self, mp4: bytes, title: str, photo: Photo, speech: Speech, declaration: Declaration) -> bytes:
        """The same video with a signed manifest in it. Raises SigningFailed."""
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
                    sign_claim, c2pa.C2paSigningAlg.ES256, self._authority.chain_pem, None
                ) as signer,
                c2pa.Builder(_definition(title, declaration), self._context) as builder,
            ):
                for label, (mime, data) in (
                    ("portrait", self._photo_file(photo)),
                    ("speech", self._speech_file(speech)),
                ):
                    ingredient = {"title": label, "relationship": "inputTo", "label": label}
                    builder.add_ingredient(ingredient, mime, io.BytesIO(data))
                builder.sign(signer, "video/mp4", io.BytesIO(mp4), signed)
        except c2pa.C2paError as error:
            cause = failures[0] if failures else error
            raise SigningFailed(f"The manifest could not be signed ({cause}). No file was written.") from error
        return signed.getvalue()

    def read(self, file: BinaryIO, mime: str) -> ManifestReading:
        """The manifest inside an open file; never raises for content."""
        try:
            with c2pa.Reader(mime, file, context=self._context) as reader:
                return _reading(reader)
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


def _definition(title: str, declaration: Declaration) -> dict[str, Any]:
    agent = {"name": GENERATOR, "version": GENERATOR_VERSION}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": TRAINED_ALGORITHMIC,
        "softwareAgent": agent,
        "parameters": {"ingredientIds": ["portrait", "speech"]},
    }
    # "unbound": the mark's algorithm is not on C2PA's list of soft bindings, so it must not pose as one.
    marked = {"action": "c2pa.watermarked.unbound", "softwareAgent": agent}
    uses = ("cawg.ai_inference", "cawg.ai_generative_training", "cawg.ai_training", "cawg.data_mining")
    return {
        "claim_version": 2,
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"allActionsIncluded": True, "actions": [created, marked]}},
            *declaration.to_assertions(),
            {"label": TRAINING_LABEL, "data": {"entries": {use: {"use": "notAllowed"} for use in uses}}},
        ],
    }


def _reading(reader: c2pa.Reader) -> ManifestReading:
    state = str(reader.get_validation_state() or "Invalid")
    store = json.loads(reader.json())
    label = store.get("active_manifest") or ""
    manifest = store.get("manifests", {}).get(label) or {}
    results = (reader.get_validation_results() or {}).get("activeManifest") or {}
    failures = tuple(_clip(item.get("code", "")) for item in results.get("failure", []))
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
    mark, consent = assertions.get(WATERMARK_LABEL), assertions.get(CONSENT_LABEL)
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
        watermark=mark if isinstance(mark, dict) else {},
        consent=consent if isinstance(consent, dict) else {},
    )


def _ingredient_failures(ingredient: dict[str, Any]) -> list[str]:
    results = ingredient.get("validation_results") or {}
    active = results.get("activeManifest") or {}
    codes = [str(item.get("code", "")) for item in active.get("failure", [])]
    # An intact source signed by somebody unknown here (a camera, an editor) is not a broken one.
    return [code for code in codes if not code.startswith("signingCredential.")]


def _clip(text: object) -> str:
    """Text from a file, shortened, without characters that steer a terminal or turn the reading direction."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in str(text)[:MAX_TEXT])
