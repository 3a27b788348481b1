"""Merkle tree hashing of RFC 9162 (Certificate Transparency 2.0), section 2.1, over SHA-256.

A tree of n leaves is addressed through its *complete* subtrees: node (level, index) covers leaves
index * 2**level to (index + 1) * 2**level - 1. Those never change once complete, so an append-only store keeps them
and every root or proof needs only O(log n) look-ups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

NodeLookup = Callable[[int, int], bytes]  # (level, index) -> 32-byte hash of a complete subtree
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """HASH(0x00 || data); the prefix keeps a leaf from being passed off as an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """HASH(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed_nodes(index: int, leaf: bytes, lookup: NodeLookup) -> list[tuple[int, int, bytes]]:
    """The nodes (level, index, hash) that become complete when leaf number `index` is appended, the leaf included."""
    nodes = [(0, index, leaf)]
    level, position, digest = 0, index, leaf
    while position & 1:  # a right child completes its parent
        digest = node_hash(lookup(level, position - 1), digest)
        level, position = level + 1, position >> 1
        nodes.append((level, position, digest))
    return nodes


def subtree_hash(lookup: NodeLookup, start: int, size: int) -> bytes:
    """MTH of `size` leaves from `start` (RFC 9162, 2.1.1)."""
    if size == 0:
        return EMPTY_ROOT
    level = size.bit_length() - 1
    if size == 1 << level:
        return lookup(level, start >> level)
    split = _split(size)
    return node_hash(
        subtree_hash(lookup, start, split),
        subtree_hash(lookup, start + split, size - split),
    )


def inclusion_path(lookup: NodeLookup, index: int, size: int) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, leaf side first (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start = 0
    while size > 1:
        split = _split(size)
        if index - start < split:
            path.append(subtree_hash(lookup, start + split, size - split))
            size = split
        else:
            path.append(subtree_hash(lookup, start, split))
            start, size = start + split, size - split
    return path[::-1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Root that an audit path leads to, or None when its length cannot be right (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    digest, position, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            digest = node_hash(sibling, digest)
            while not position & 1 and position:  # skip the levels where this node had no sibling
                position, last = position >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        position, last = position >> 1, last >> 1
    return digest if last == 0 else None


def consistency_path(lookup: NodeLookup, old: int, size: int) -> list[bytes]:
    """Proof that the tree of `size` leaves continues the one of its first `old` (RFC 9162, 2.1.4.1)."""
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} cannot continue one of {old}")
    if old in (0, size):
        return []
    path: list[bytes] = []
    start, whole = 0, True  # whole: the old tree is, so far, a subtree whose root the verifier knows
    while old != size:
        split = _split(size)
        if old <= split:
            path.append(subtree_hash(lookup, start + split, size - split))
            size = split
        else:
            path.append(subtree_hash(lookup, start, split))
            start, old, size, whole = start + split, old - split, size - split, False
    return ([] if whole else [subtree_hash(lookup, start, size)]) + path[::-1]


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Check a consistency proof (RFC 9162, 2.1.4.2)."""
    if old == 0:
        return not path and old_root == EMPTY_ROOT and size >= 0
    if not 0 < old <= size:
        return False
    if old == size:
        return not path and old_root == root
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    rest = list(path) if position else [old_root, *path]  # an old tree of 2**k leaves is itself the first node
    if not rest:
        return False
    former = current = rest[0]
    for node in rest[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            former, current = node_hash(node, former), node_hash(node, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, node)
        position, last = position >> 1, last >> 1
    return last == 0 and former == old_root and current == root


def _split(size: int) -> int:
    """Largest power of two smaller than `size` (size > 1)."""
    return 1 << (size - 1).bit_length() - 1
