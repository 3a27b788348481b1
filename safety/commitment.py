"""Salted commitments to a photo and a recording.

A plain hash of a private photo would let anyone who has the photo confirm that it was used. HMAC-SHA-256 (RFC 2104)
under a random salt proves the match only to those who also hold the salt, which stays in the consent file.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np

from vasa_core.types import Photo, Speech


@dataclass(frozen=True)
class Commitments:
    """Hex digests over what was decoded (and will be rendered and heard) and over the files as given."""

    photo_pixels: str
    photo_file: str
    speech_samples: str
    speech_file: str


def commit(photo: Photo, speech: Speech, photo_salt: bytes, speech_salt: bytes) -> Commitments:
    """photo.pixels uint8 (H, W, 3); speech.samples float32 (n,), speech.playback int16 (m, channels)."""
    return Commitments(
        photo_pixels=commit_photo(photo, photo_salt),
        photo_file=_digest(photo_salt, b"candor/photo-file/1", photo.file),
        speech_samples=commit_speech(speech, speech_salt),
        speech_file=_digest(speech_salt, b"candor/speech-file/1", speech.file),
    )


def commit_photo(photo: Photo, salt: bytes) -> str:
    return _digest(salt, b"candor/photo-pixels/1", photo.pixels.astype(np.uint8, copy=False))


def commit_speech(speech: Speech, salt: bytes) -> str:
    """Over both versions of the sound: the one that moves the lips and the one that is heard."""
    samples = speech.samples.astype("<f4", copy=False)
    return _digest(
        salt,
        b"candor/speech-samples/1",
        samples,
        speech.playback.astype("<i2", copy=False),
    )


def commit_parts(salt: bytes, domain: str, *parts: np.ndarray | bytes) -> str:
    """HMAC-SHA-256 of anything else a record commits to, hex. domain: says what it is, so that no two kinds mix."""
    return _digest(salt, domain.encode(), *parts)


def _digest(salt: bytes, domain: bytes, *parts: np.ndarray | bytes) -> str:
    mac = hmac.new(salt, domain, hashlib.sha256)
    for part in parts:
        shape = part.shape if isinstance(part, np.ndarray) else (len(part),)
        mac.update(b"|" + ",".join(map(str, shape)).encode() + b"|")  # no two inputs may concatenate to the same bytes
        mac.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else part)
    return mac.hexdigest()
