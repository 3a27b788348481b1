"""The binary BCH(63, 30) code of the watermark: any two code words differ in at least 13 of 63 bits.

Written out here because it is small: systematic encoding by polynomial division (Lin & Costello, "Error Control
Coding", section 6.1), and ordered-statistics decoding of order 3 (Fossorier & Lin, IEEE Trans. Inf. Theory 41(5),
1995), which uses how sure the detector is of each bit and so corrects more than the 6 errors of a hard decoder.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np

LENGTH = 63
PAYLOAD = 30
# Generator polynomial of degree 33 with roots alpha..alpha^12 over GF(64), x^6 + x + 1; highest power first.
GENERATOR = 0o157464165547
ORDER = 3  # how many of the 30 most reliable bits may be wrong


def encode(value: int) -> np.ndarray:
    """30-bit integer -> uint8 (63,) code word, payload first, most significant bit first. Raises ValueError."""
    if not 0 <= value < 1 << PAYLOAD:
        raise ValueError(f"{value} is not a {PAYLOAD}-bit number")
    remainder = value << (LENGTH - PAYLOAD)
    for shift in range(PAYLOAD - 1, -1, -1):
        if remainder >> (shift + LENGTH - PAYLOAD) & 1:
            remainder ^= GENERATOR << shift
    word = value << (LENGTH - PAYLOAD) | remainder
    return np.array([word >> bit & 1 for bit in range(LENGTH - 1, -1, -1)], np.uint8)


def encode_many(values: np.ndarray) -> np.ndarray:
    """30-bit integers (n,) -> uint8 (n, 63) code words."""
    bits = (values[:, None] >> np.arange(PAYLOAD - 1, -1, -1)) & 1  # (n, 30), most significant first
    # Sums stay below 2**24, so float32 products are exact, and much faster than integer ones.
    return ((bits.astype(np.float32) @ _generator_matrix().astype(np.float32)) % 2).astype(np.uint8)


def decode(soft: np.ndarray) -> tuple[int, int]:
    """Most likely payload for soft bits, and how many of the 63 hard decisions disagree with its code word.

    soft: float (63,), positive for 1, magnitude = reliability. It always answers: judge it by the second value
    (random input: about 13 to 17).
    """
    generator, order = _reliable_basis(np.argsort(-np.abs(soft), kind="stable"))  # (30, 63), columns by reliability
    ordered = soft[order]
    hard = (ordered > 0).astype(np.uint8)
    # All code words that differ from the hard decisions in at most ORDER of the 30 basis bits: (4526, 63).
    messages = np.abs(hard[:PAYLOAD].astype(np.float32) - _flips())
    candidates = (messages @ generator.astype(np.float32)) % 2  # sums stay below 2**24: exact in float32
    best = candidates[np.argmax(candidates @ ordered.astype(np.float32))].astype(np.uint8)
    word = np.empty(LENGTH, np.uint8)
    word[order] = best
    return int("".join(map(str, word[:PAYLOAD])), 2), int((best != hard).sum())


def _reliable_basis(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Generator matrix with its columns in `order`, reduced to identity on the first independent ones, and that order.

    The 30 most reliable *independent* positions come first: from them the other 33 follow.
    """
    matrix = _generator_matrix()[:, order].copy()
    basis: list[int] = []
    for column in range(LENGTH):
        row = len(basis)
        if row == PAYLOAD:
            break
        pivots = np.flatnonzero(matrix[row:, column])
        if len(pivots) == 0:
            continue  # depends on more reliable positions
        pivot = row + int(pivots[0])
        matrix[[row, pivot]] = matrix[[pivot, row]]
        others = matrix[:, column].astype(bool)
        others[row] = False
        matrix[others] ^= matrix[row]
        basis.append(column)
    rest = [column for column in range(LENGTH) if column not in set(basis)]
    arranged = np.array(basis + rest)
    return matrix[:, arranged], order[arranged]


@lru_cache(maxsize=1)
def _generator_matrix() -> np.ndarray:
    """uint8 (30, 63): code words of the 30 unit payloads, most significant first."""
    return np.stack([encode(1 << bit) for bit in range(PAYLOAD - 1, -1, -1)])


@lru_cache(maxsize=1)
def _flips() -> np.ndarray:
    """float32 (4526, 30): every pattern with at most ORDER ones."""
    chosen = [c for weight in range(ORDER + 1) for c in combinations(range(PAYLOAD), weight)]
    flips = np.zeros((len(chosen), PAYLOAD), np.float32)
    for row, positions in enumerate(chosen):
        flips[row, list(positions)] = 1
    return flips
