"""Where a signed MP4 keeps its manifest: C2PA's uuid box (C2PA 2.4, appendix A, "BMFF-based assets")."""

from __future__ import annotations

BOX_ID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def manifest_store(mp4: bytes) -> bytes:
    """The C2PA manifest store (JUMBF) of a signed MP4, b"" when there is none."""
    start = 0
    while start + 24 <= len(mp4):
        size = int.from_bytes(mp4[start : start + 4], "big")
        if mp4[start + 4 : start + 8] == b"uuid" and mp4[start + 8 : start + 24] == BOX_ID:
            # Version and flags (4 bytes), the box's purpose ending in 0, and the offset of the first hash tree (8).
            body = mp4[start + 28 : start + size]
            return body[body.index(b"\x00") + 9 :]
        if size < 8:
            return b""
        start += size
    return b""
