"""The visible sign: there, legible, in its corner, and no harm to the watermark."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from safety import SealedVideo, Vault, audit
from safety.badge import badge
from safety.luma_mark import LumaMark
from safety.watermark import rgb_to_i420
from tests.safety.helpers import moving
from vasa_core.types import Photo

SIZES = [(512, 512), (256, 256), (256, 600), (1600, 1200), (720, 1280)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("grey", [16, 128, 235])
def test_it_is_legible_on_any_backdrop_and_touches_nothing_else(height: int, width: int, grey: int) -> None:
    plain = np.full((height * 3 // 2, width), grey, np.uint8)
    plain[height:] = 90  # some colour
    drawn = plain.copy()
    sign = badge(height, width)
    sign.draw(drawn)
    left, top, wide, tall = sign.box
    assert left >= 0 and top + tall <= height and left + wide <= width and wide * tall < 0.02 * height * width + 3000
    inside = drawn[top : top + tall, left : left + wide]
    middle = inside[tall // 4 : -tall // 4, tall // 2 : -tall // 2].astype(int)
    assert middle.max() >= 225 and middle.min() <= 90  # letters and plate, whatever lies behind
    drawn[top : top + tall, left : left + wide] = grey
    assert (drawn[:height] == grey).all()
    changed = (drawn[height:].reshape(2, height // 2, width // 2) != 90).any(0)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= top // 2 and columns.max() < (left + wide) // 2


def test_it_costs_next_to_nothing(photo: Photo) -> None:
    frame, sign = rgb_to_i420(photo.pixels), badge(512, 512)
    took = []
    for _ in range(60):
        start = time.thread_time()
        sign.draw(frame)
        took.append(time.thread_time() - start)
    assert min(took) < 0.3e-3


def test_the_mark_is_read_through_it(photo: Photo) -> None:
    mark, sign = LumaMark(b"k" * 32), badge(512, 512)
    write = mark.writer(77, 512, 512)
    frames = [rgb_to_i420(frame) for frame in moving(photo.pixels, 12)]
    for frame in frames:
        sign.draw(frame)
        write(frame)
    reading = mark.read(frames)
    assert reading.found and reading.id == 77


def corner(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        luma = next(container.decode(video=0)).to_ndarray(format="gray")
    left, top, wide, tall = badge(512, 512).box
    return cv2.GaussianBlur(luma[top : top + tall, left : left + wide], (3, 3), 0)


def test_on_by_default_and_recorded_either_way(
    attempt: Callable[..., SealedVideo], vault: Vault, sealed: tuple[Vault, SealedVideo]
) -> None:
    without = attempt(badge=False)
    assert audit(vault, without.path).manifest.badge == {"shown": False}
    assert vault.ledger.entries("output", without.watermark_id)[0].body["badge"] is False
    assert without.badge is False and sealed[1].badge is True
    assert np.abs(corner(without.path).astype(int) - corner(sealed[1].path)).mean() > 10
