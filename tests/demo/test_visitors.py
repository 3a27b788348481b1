"""Private folders: private, separate, and gone when their visitor is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from demo.session import Visitors


@pytest.fixture
def visitors(tmp_path: Path):
    opened = Visitors(tmp_path / "root")
    yield opened
    opened.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folders_are_private_and_separate(visitors: Visitors) -> None:
    one, two = visitors.of("one"), visitors.of("two")
    assert one.folder != two.folder and visitors.of("one") is one
    assert mode(visitors.root) == mode(one.folder) == 0o700
    assert len(one.folder.name) == 48  # 192 random bits: a name nobody guesses


def test_a_caller_without_a_session_shares_nothing(visitors: Visitors) -> None:
    assert visitors.of(None).folder != visitors.of(None).folder != visitors.of("").folder


def test_keeping_an_upload_copies_it_byte_for_byte(visitors: Visitors, tmp_path: Path) -> None:
    upload = tmp_path / "Me & you.JPG"
    upload.write_bytes(bytes(range(256)))
    kept = visitors.of("one").keep(upload, "photo")
    assert (
        kept.read_bytes() == upload.read_bytes() and kept.parent == visitors.of("one").folder and kept.suffix == ".jpg"
    )


def test_a_new_upload_takes_the_place_of_the_old_one(visitors: Visitors, tmp_path: Path) -> None:
    upload, visitor = tmp_path / "a.png", visitors.of("one")
    upload.write_bytes(b"a")
    first, speech = visitor.keep(upload, "photo"), visitor.keep(upload, "speech")
    second = visitor.keep(upload, "photo")
    assert not first.exists() and second.exists() and speech.exists()
    visitor.working = True  # the video in the making has not read its photo yet
    third = visitor.keep(upload, "photo")
    assert second.exists() and third.exists()


def test_leaving_stops_the_work_and_removes_everything(visitors: Visitors) -> None:
    visitor = visitors.of("one")
    upload = visitors.root / "hash" / "photo.jpg"
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    kept = visitor.keep(upload, "photo")
    visitors.leave("one")
    assert visitor.cancel.is_set() and not kept.exists() and not visitor.folder.exists() and not upload.exists()
    visitors.leave("one")  # twice, and for strangers, without complaint
    visitors.leave(None)


def test_a_file_two_people_uploaded_stays_until_both_have_left(visitors: Visitors) -> None:
    upload = visitors.root / "same.jpg"
    upload.write_bytes(b"x")
    for name in ("one", "two"):
        visitors.of(name).keep(upload, "photo")
    visitors.leave("one")
    assert upload.exists()
    visitors.leave("two")
    assert not upload.exists()


def test_files_that_ship_with_the_program_are_never_removed(visitors: Visitors, tmp_path: Path) -> None:
    sample = tmp_path / "sample.jpg"
    sample.write_bytes(b"x")
    visitors.of("one").keep(sample, "photo")
    visitors.leave("one")
    assert sample.exists()


def test_the_idle_are_let_go_and_the_working_are_not(tmp_path: Path) -> None:
    visitors = Visitors(tmp_path / "root", keep_seconds=-1)
    idle, busy = visitors.of("idle"), visitors.of("busy")
    busy.working = True
    visitors.sweep()
    assert not idle.folder.exists() and busy.folder.exists() and len(visitors) == 1
    visitors.close()
    assert not visitors.root.exists()


def test_many_arrive_at_once(visitors: Visitors) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(visitors.of("same"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1 and len(visitors) == 1
