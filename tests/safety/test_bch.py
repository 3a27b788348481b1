from __future__ import annotations

import numpy as np
import pytest

from safety import bch


def test_code_words_are_far_apart() -> None:
    rng = np.random.default_rng(0)
    words = [bch.encode(int(value)) for value in rng.integers(1, 1 << 30, 500)]
    assert min(int(word.sum()) for word in words) >= 13  # linear: weights are distances
    assert bch.encode(0).sum() == 0


def test_payload_leads_the_word() -> None:
    word = bch.encode(0b101)
    assert "".join(map(str, word[:30])) == format(0b101, "030b")


@pytest.mark.parametrize("wrong", [0, 1, 6])
def test_unreliable_bits_are_corrected(wrong: int) -> None:
    rng = np.random.default_rng(wrong)
    for value in rng.integers(0, 1 << 30, 20):
        soft = 2.0 * bch.encode(int(value)) - 1.0
        where = rng.choice(63, wrong, replace=False)
        soft[where] *= -0.3  # wrong, and the detector is less sure there
        assert bch.decode(soft) == (int(value), wrong)


def test_noise_rarely_looks_like_a_word() -> None:
    rng = np.random.default_rng(3)
    disagreements = [bch.decode(rng.normal(size=63))[1] for _ in range(50)]
    assert np.median(disagreements) >= 9


@pytest.mark.parametrize("value", [-1, 1 << 30])
def test_ids_have_thirty_bits(value: int) -> None:
    with pytest.raises(ValueError, match="30-bit"):
        bch.encode(value)
