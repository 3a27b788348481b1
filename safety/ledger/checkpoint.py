"""Signed checkpoints: the log's size and root in the text format that transparency witnesses exchange.

C2SP tlog-checkpoint inside a C2SP signed note (https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note):

    candor-ledger/1
    42
    <base64 of the root>

    — candor-ledger/1 <base64 of 4 bytes key id and the Ed25519 signature over the text>

Kept outside the installation, a checkpoint witnesses that everything before it stays as it was: `Ledger.consistency`
proves that the tree of today continues the tree of then, even against somebody who holds the keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from safety.errors import LedgerError
from safety.keys import SigningKey

ORIGIN = "candor-ledger/1"
ED25519_NOTE = 0x01  # algorithm byte of the key id
MAX_BYTES = 4096
ROOT_BYTES = 32


@dataclass(frozen=True)
class Checkpoint:
    """The log's first `size` leaves have the Merkle root `root` (32 bytes)."""

    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The signed text, with its last line break."""
        return f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, key: SigningKey) -> str:
        """The note; Ed25519 is deterministic, so the same tree always gives the same note."""
        signature = _key_id(key) + key.sign(self.body.encode())
        return f"{self.body}\n\N{EM DASH} {ORIGIN} {base64.b64encode(signature).decode()}\n"


def read_checkpoint(note: str, key: SigningKey) -> Checkpoint:
    """Parse a note and check its signature. Further signatures (of witnesses) are allowed and not looked at.

    Raises LedgerError when it is no checkpoint of this log or `key` did not sign it.
    """
    body, separator, signatures = note.partition("\n\n")
    lines = f"{body}\n".split("\n")
    try:
        if len(note) > MAX_BYTES or not separator or lines[0] != ORIGIN or str(int(lines[1])) != lines[1]:
            raise ValueError("not a checkpoint")
        checkpoint = Checkpoint(int(lines[1]), base64.b64decode(lines[2], validate=True))
        if checkpoint.size < 0 or len(checkpoint.root) != ROOT_BYTES or checkpoint.body != body + "\n":
            raise ValueError("not a checkpoint of this kind")
    except (ValueError, IndexError) as error:
        raise LedgerError("That is no checkpoint of this ledger. Give a file that `checkpoint` wrote.") from error
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        ours = mark == "\N{EM DASH}" and name == ORIGIN and signature[:4] == _key_id(key)
        if ours and key.verifies(checkpoint.body.encode(), signature[4:]):
            return checkpoint
    raise LedgerError("The checkpoint does not carry this installation's signature. Give one that was made here.")


def _key_id(key: SigningKey) -> bytes:
    """First 4 bytes of SHA-256(name, line break, algorithm byte, public key), as signed notes define it."""
    public = bytes.fromhex(key.public_hex)
    return hashlib.sha256(ORIGIN.encode() + b"\n" + bytes([ED25519_NOTE]) + public).digest()[:4]
