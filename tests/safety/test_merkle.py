from __future__ import annotations

import hashlib

import pytest

from safety import merkle


def grow(count: int) -> tuple[list[bytes], dict[tuple[int, int], bytes]]:
    leaves = [merkle.leaf_hash(b"leaf %d" % i) for i in range(count)]
    nodes: dict[tuple[int, int], bytes] = {}
    for i, leaf in enumerate(leaves):
        for level, index, digest in merkle.completed_nodes(i, leaf, lambda lv, ix: nodes[lv, ix]):
            nodes[level, index] = digest
    return leaves, nodes


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH straight from the definition in RFC 9162, 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 16, 21, 33])
def test_root_and_every_path_agree_with_the_definition(size: int) -> None:
    leaves, nodes = grow(40)

    def lookup(level: int, index: int) -> bytes:
        return nodes[level, index]

    root = naive_root(leaves[:size])
    assert merkle.subtree_hash(lookup, 0, size) == root
    for index in range(size):
        path = merkle.inclusion_path(lookup, index, size)
        assert merkle.root_from_path(leaves[index], index, size, path) == root
        assert merkle.root_from_path(leaves[index + 1], index, size, path) != root
        assert merkle.root_from_path(leaves[index], index, size, [*path, root]) is None


def test_known_vectors() -> None:
    """Empty tree and single-leaf tree of the Certificate Transparency reference tests."""
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_leaf_outside_the_tree_is_refused() -> None:
    _, nodes = grow(3)
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_path(lambda lv, ix: nodes[lv, ix], 3, 3)


def test_consistency_of_every_two_trees() -> None:
    """RFC 9162, 2.1.4: each proof holds for its two trees and for no other root, size or path."""
    leaves = [merkle.leaf_hash(bytes([i])) for i in range(19)]
    nodes: dict[tuple[int, int], bytes] = {}
    roots = [merkle.EMPTY_ROOT]
    for index, leaf in enumerate(leaves):
        for level, place, digest in merkle.completed_nodes(index, leaf, lambda lv, ix: nodes[lv, ix]):
            nodes[level, place] = digest
        roots.append(merkle.subtree_hash(lambda lv, ix: nodes[lv, ix], 0, index + 1))
    for size in range(20):
        for old in range(size + 1):
            path = merkle.consistency_path(lambda lv, ix: nodes[lv, ix], old, size)
            assert merkle.is_consistent(old, roots[old], size, roots[size], path)
            if old:
                assert not merkle.is_consistent(old, bytes(32), size, roots[size], path)
                assert not merkle.is_consistent(old, roots[old], size, bytes(32), path)
                assert not merkle.is_consistent(old, roots[old], size, roots[size], [*path, bytes(32)])
            for place in range(len(path)):
                assert not merkle.is_consistent(old, roots[old], size, roots[size], path[:place] + path[place + 1 :])
    with pytest.raises(ValueError, match="cannot continue"):
        merkle.consistency_path(lambda lv, ix: nodes[lv, ix], 5, 4)
