"""Where a C2PA manifest store has its signature's padding: JUMBF boxes, then CBOR, read with nothing but this file.

The signature is a COSE_Sign1 (RFC 9052): [protected, unprotected, payload, signature]. What is signed is the protected
header and the payload (section 4.4). The unprotected header's `pad` is there so that the box keeps its size when a
time-stamp is put in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

LABEL = b"c2pa.signature"


def padding(store: bytes) -> list[tuple[int, int]]:
    """Start and end of every `pad` in the unprotected header of the signatures of a store. Raises ValueError."""
    return [span for start, end in _signatures(store, 0, len(store)) for span in _pads(store, start, end)]


def _signatures(store: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Contents of the CBOR boxes inside boxes labelled c2pa.signature."""
    for kind, first, last in _boxes(store, start, end):
        if kind != b"jumb":
            continue
        inner = list(_boxes(store, first, last))
        label = store[inner[0][1] + 17 : inner[0][2]].split(b"\0")[0] if inner else b""
        if label == LABEL:
            yield from ((a, b) for name, a, b in inner if name == b"cbor")
        else:
            yield from _signatures(store, first, last)


def _boxes(store: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", store, start)
        if not 8 <= size <= end - start:
            raise ValueError("a box that does not fit")
        yield kind, start + 8, start + size
        start += size


def _pads(store: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    major, value, place = _head(store, start)
    if major == 6:  # a tag
        major, value, place = _head(store, place)
    if (major, value) != (4, 4):
        raise ValueError("no COSE_Sign1")
    place = _skip(store, place)  # protected header
    major, count, place = _head(store, place)
    if major != 5:
        raise ValueError("no unprotected header")
    for _ in range(count):
        key = place
        place = _skip(store, place)
        name = store[key + 1 : place]
        major, size, content = _head(store, place)
        place = _skip(store, place)
        if name.startswith(b"pad"):
            if major != 2 or place > end:
                raise ValueError("padding that is no string of bytes")
            yield content, content + size


def _head(data: bytes, place: int) -> tuple[int, int, int]:
    """Major type, value, and where what follows begins."""
    major, short = data[place] >> 5, data[place] & 31
    if short < 24:
        return major, short, place + 1
    if short > 27:
        raise ValueError("of indefinite length")
    size = 1 << (short - 24)
    return major, int.from_bytes(data[place + 1 : place + 1 + size], "big"), place + 1 + size


def _skip(data: bytes, place: int) -> int:
    major, value, place = _head(data, place)
    if major in (2, 3):
        return place + value
    for _ in range({4: value, 5: 2 * value, 6: 1}.get(major, 0)):
        place = _skip(data, place)
    return place
