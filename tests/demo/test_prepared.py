"""Portraits are worked out once, for whoever asks, and forgotten with their owner."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.prepared import Portraits, Prepared
from tests.demo.conftest import Desk
from vasa_core.errors import NoFaceFound
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace


@pytest.fixture(scope="module")
def core() -> TalkingFace:
    return TalkingFace.from_pretrained()


def test_a_photo_is_prepared_once_and_forgotten_with_its_owner(core: TalkingFace, desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "me.jpg"
    shutil.copyfile(desk.photo, path)
    portraits, photo = Portraits(lambda: core), load_photo(path)
    portraits.anticipate(path, photo, None)
    got: list[Prepared] = []
    threads = [threading.Thread(target=lambda: got.append(portraits.of(path, photo, None))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(got) == 3 and got[0] is got[1] is got[2]
    portraits.forget(tmp_path)
    path.unlink()
    late = portraits.of(path, photo, None)  # began before its owner left: used, not kept
    assert late is not got[0] and portraits.of(path, photo, None) is not late


def test_a_photo_without_a_face_is_named_each_time(core: TalkingFace, tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(path)
    portraits, photo = Portraits(lambda: core), load_photo(path)
    for _ in range(2):
        with pytest.raises(NoFaceFound):
            portraits.of(path, photo, None)
