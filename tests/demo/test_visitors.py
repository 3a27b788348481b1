"""Private folders: private, separate, and gone when their visitor is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from demo import session
from demo.errors import Busy
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
    assert len(one.folder.name.removeprefix("v-")) == 48  # 192 random bits: a name nobody guesses


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
    visitor.held = {second}  # the video in the making has not read its photo yet
    third = visitor.keep(upload, "photo")
    fourth = visitor.keep(upload, "photo")
    assert second.exists() and not third.exists() and fourth.exists()


def test_an_upload_the_page_needs_no_more_goes_at_once(visitors: Visitors) -> None:
    upload = visitors.root / "hash" / "photo.jpg"
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    assert visitors.of("one").keep(upload, "photo").read_bytes() == b"x" and not upload.exists()


def test_looking_somebody_up_makes_nothing(visitors: Visitors) -> None:
    assert visitors.find("stranger") is None and visitors.find(None) is None
    assert len(visitors) == 0 and list(visitors.root.iterdir()) == []
    assert visitors.find("one") is None and visitors.of("one") is visitors.find("one")


def test_a_crowd_never_drives_out_who_holds_something(
    visitors: Visitors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_VISITORS", 3)
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    holder = visitors.of("holder")
    holder.photo = holder.keep(photo, "photo")
    for number in range(20):
        visitors.of(f"empty {number}")
    assert len(visitors) == 3 and visitors.find("holder") is holder and holder.photo.exists()
    for name in ("empty 18", "empty 19"):
        visitors.of(name).photo = visitors.of(name).keep(photo, "photo")
    with pytest.raises(Busy, match="Too many people"):
        visitors.of("newcomer")
    assert len(visitors) == 3 and len(list(visitors.root.iterdir())) == 3


def test_broken_off_and_unclaimed_uploads_are_swept(visitors: Visitors) -> None:
    taken, left, broken, fresh = (visitors.root / name for name in ("a/taken.wav", "b/left.wav", "tmpx1", "tmpx2"))
    for path in (taken, left, broken, fresh):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    kept = visitors.of("one").keep(taken, "speech", shown=True)
    for path in (taken, left, broken, kept):
        os.utime(path, (0, 0))
    visitors.sweep()
    assert taken.exists() and kept.exists() and fresh.exists() and not left.exists() and not broken.exists()


def test_room_is_what_files_and_disk_leave(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_BYTES", 1000)
    monkeypatch.setattr(session, "SPARE_BYTES", 0)
    (visitors.of("one").folder / "photo").write_bytes(bytes(600))
    assert visitors.has_room(400) and not visitors.has_room(401)
    monkeypatch.setattr(session, "SPARE_BYTES", 1 << 60)
    assert not visitors.has_room(1)


def test_leaving_stops_the_work_and_removes_everything(visitors: Visitors) -> None:
    visitor = visitors.of("one")
    upload = visitors.root / "hash" / "photo.jpg"
    upload.parent.mkdir()
    upload.write_bytes(b"x")
    kept = visitor.keep(upload, "speech", shown=True)
    visitors.leave("one")
    assert visitor.cancel.is_set() and not kept.exists() and not visitor.folder.exists() and not upload.exists()
    visitors.leave("one")  # twice, and for strangers, without complaint
    visitors.leave(None)


def test_a_file_two_people_uploaded_stays_until_both_have_left(visitors: Visitors) -> None:
    upload = visitors.root / "same.jpg"
    upload.write_bytes(b"x")
    for name in ("one", "two"):
        visitors.of(name).keep(upload, "speech", shown=True)
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


def test_a_ticket_takes_everything_along_once(visitors: Visitors, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    visitor = visitors.of("one")
    visitor.photo = visitor.keep(photo, "photo")
    ticket = visitors.hand_over("one")
    visitors.leave("one")  # the page they come from is closed
    assert visitors.find("one") is None and visitor.photo.exists()
    held_before = visitors.of("two")
    assert visitors.take_over("guess", "two") is None and visitors.find("two") is held_before
    assert visitors.take_over(ticket, "two") is visitor and visitors.find("two") is visitor and visitor.photo.exists()
    assert not held_before.folder.exists()
    assert visitors.take_over(ticket, "three") is None
    assert visitors.hand_over("stranger") == "" and visitors.take_over("", "x") is None


def test_who_never_arrives_is_let_go(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOVING_SECONDS", -1.0)
    visitor = visitors.of("one")
    ticket = visitors.hand_over("one")
    visitors.sweep()
    assert not visitor.folder.exists() and visitors.take_over(ticket, "two") is None
    lost = visitors.of("three")
    visitors.hand_over("three")
    visitors.close()
    assert not lost.folder.exists()
