"""Keys of one installation: the Ed25519 key of records and tree heads, and the secret of the watermark.

They come from the environment (CANDOR_CONSENT_KEY, CANDOR_MARK_KEY) or from a folder only the user can read, where
they are made at first start. `create_folder` makes such a folder all at once, so that two processes that start
together end up with the same keys.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from safety.errors import AuthorityError

MARK_FILE = "mark.key"
MOST_MARK_KEYS = 8  # every one is searched for in every file that is verified


class SigningKey:
    """An Ed25519 key (RFC 8032)."""

    def __init__(self, pem: bytes) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise AuthorityError("The consent key is no readable PEM private key. Restore it from a backup.") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise AuthorityError(
                "The consent key is no Ed25519 key. Give one made by `openssl genpkey -algorithm ed25519`."
            )
        self._key = key
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public_hex = key.public_key().public_bytes(*raw).hex()

    @staticmethod
    def generate_pem() -> bytes:
        return private_pem(ed25519.Ed25519PrivateKey.generate())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True


def private_pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8 PEM without a password; the file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_consent_key(folder: Path, environment: Mapping[str, str]) -> SigningKey:
    """From CANDOR_CONSENT_KEY (PEM, or the path of a PEM file), else from `folder`."""
    given = environment.get("CANDOR_CONSENT_KEY")
    return SigningKey(from_environment("CANDOR_CONSENT_KEY", given) if given else (folder / "consent.pem").read_bytes())


def load_mark_keys(folder: Path, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Watermark keys of 32 bytes each, from CANDOR_MARK_KEY or `folder`: 64 hex digits, newest first.

    Several are separated by white space or commas. The first marks new videos; the others still read old ones.
    """
    text = environment.get("CANDOR_MARK_KEY") or (folder / MARK_FILE).read_text()
    try:
        keys = tuple(dict.fromkeys(bytes.fromhex(word) for word in text.replace(",", " ").split()))
    except ValueError:
        keys = ()
    if not 1 <= len(keys) <= MOST_MARK_KEYS or any(len(key) != 32 for key in keys):
        raise AuthorityError(
            f"The watermark key must be 64 hexadecimal digits, or up to {MOST_MARK_KEYS} such keys, newest first. "
            "Make one with `openssl rand -hex 32`."
        )
    return keys


def rotate_mark_key(folder: Path) -> str:
    """Put a fresh watermark key in front of those in the key folder and return its id; old ones stay readable.

    Programs that are running keep the key they started with; their videos stay readable too. Raises AuthorityError.
    """
    try:
        old = load_mark_keys(folder, {})
        fresh = secrets.token_bytes(32)
        kept = [fresh, *old][:MOST_MARK_KEYS]
        scratch = folder / f".{MARK_FILE}-{secrets.token_hex(8)}"
        write_private(scratch, "\n".join(key.hex() for key in kept).encode())
        os.replace(scratch, folder / MARK_FILE)
    except OSError as error:
        raise AuthorityError(f"The key folder {folder} cannot be used ({error.strerror}).") from error
    return mark_key_id(fresh)


def mark_key_id(key: bytes) -> str:
    """Names a watermark key without giving it away: 16 hex digits."""
    return hashlib.sha256(b"candor/mark-key-id/1|" + key).hexdigest()[:16]


def generated_keys() -> dict[str, bytes]:
    """Fresh contents of the key folder."""
    return {
        "consent.pem": SigningKey.generate_pem(),
        MARK_FILE: secrets.token_hex(32).encode(),
    }


def from_environment(name: str, value: str) -> bytes:
    """PEM text itself, or the contents of the file it names."""
    if value.lstrip().startswith("-----BEGIN"):
        return value.replace("\\n", "\n").encode()  # hosting panels often store line breaks escaped
    try:
        return Path(value).read_bytes()
    except OSError as error:
        raise AuthorityError(
            f"{name} names {value!r}, which cannot be read ({error.strerror}). Give PEM text or a path."
        ) from error


def create_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Create `folder` (0700) with `files` (0600) in one step; leaves it alone when it exists already.

    The folder is filled under a temporary name and renamed: of two processes one wins, and the other uses its files.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mkdtemp makes it 0700
    try:
        for name, content in files.items():
            write_private(scratch / name, content)
        try:
            scratch.rename(folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
