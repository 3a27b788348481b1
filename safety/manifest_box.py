"""Where a signed MP4 keeps its manifest: C2PA's uuid box (C2PA 2.4, appendix A, "BMFF-based assets")."""

from __future__ import annotations

import io
from typing import BinaryIO

BOX_ID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MOST_BYTES = 64 << 20  # of a box that is read


def manifest_store(mp4: bytes | BinaryIO) -> bytes:
    """The C2PA manifest store (JUMBF) of a signed MP4, b"" when there is none. Of a file only the box is read."""
    file = io.BytesIO(mp4) if isinstance(mp4, bytes) else mp4
    start, end = 0, file.seek(0, io.SEEK_END)
    while start + 24 <= end:
        file.seek(start)
        head = file.read(32)
        size, skip = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        if size == 0:
            size = end - start
        if head[4:8] == b"uuid" and head[skip : skip + 16] == BOX_ID:
            if size > MOST_BYTES:
                return b""
            # Version and flags (4 bytes), the box's purpose ending in 0, and the offset of the first hash tree (8).
            file.seek(start + skip + 20)
            purpose, _, rest = file.read(max(0, size - skip - 20)).partition(b"\x00")
            return rest[8:]
        if size < 8:
            return b""
        start += size
    return b""
