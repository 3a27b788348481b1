"""The studio that pages and command line share: two visitors at once, stopping, and consent that does not fit."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from demo.errors import Busy
from demo.progress import STAGES, Step
from demo.samples import FOLDER
from demo.studio import READERS, Creation, Studio
from safety.consent import Attestation, load_consent
from safety.errors import ConsentMismatch, UnreadableVideo
from tests.demo.conftest import Desk
from vasa_core.errors import Cancelled, ControlError
from vasa_core.types import Controls

ATTESTATION = Attestation("public-domain", "Grace Hopper", "A Tester", "automatic tests", source="US Navy")


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Studio:
    return Studio(desk.home)


def test_two_visitors_at_once_get_their_own_videos(studio: Studio, desk: Desk, tmp_path: Path) -> None:
    made: dict[str, Creation] = {}
    steps: dict[str, list[Step]] = {"one": [], "two": []}

    def create(name: str, photo: Path) -> None:
        made[name] = studio.create(
            photo,
            desk.speech,
            lambda picture, sound: studio.consent(ATTESTATION, picture, sound),
            tmp_path / f"{name}.mp4",
            controls=Controls(seed=len(name)),
            fps=25,
            progress=steps[name].append,
        )

    people = [
        threading.Thread(target=create, args=("one", desk.photo)),
        threading.Thread(target=create, args=("two", FOLDER / "astronaut.jpg")),
    ]
    for person in people:
        person.start()
    for person in people:
        person.join(300)
    assert made.keys() == {"one", "two"}
    one, two = made["one"].sealed, made["two"].sealed
    assert one.watermark_id != two.watermark_id and one.record_id != two.record_id
    for name, sealed in (("one", one), ("two", two)):
        facts = studio.audit(tmp_path / f"{name}.mp4").to_dict()
        assert facts["verdict"] == "sealed" and facts["watermark"]["id"] == sealed.watermark_id
        seen = [step.stage for step in steps[name]]
        assert [stage for stage in dict.fromkeys(seen) if stage != "waiting"] == list(STAGES)
    waited = [name for name in steps if any(step.stage == "waiting" and step.ahead == 1 for step in steps[name])]
    assert len(waited) == 1  # one of them was served first


def test_stopping_at_any_stage_leaves_nothing(studio: Studio, desk: Desk, tmp_path: Path) -> None:
    record = load_consent(desk.consent)
    for last in ("photo", "motion", "rendering", "signing"):
        stop = threading.Event()

        def watch(step: Step, last: str = last, stop: threading.Event = stop) -> None:
            if step.stage == last:
                stop.set()

        with pytest.raises(Cancelled):
            studio.create(
                desk.photo,
                desk.speech,
                lambda photo, speech: record,
                tmp_path / "out.mp4",
                fps=25,
                progress=watch,
                cancelled=stop.is_set,
            )
        assert list(tmp_path.iterdir()) == []


def test_a_record_for_another_photo_is_refused(studio: Studio, desk: Desk, tmp_path: Path) -> None:
    other, record = tmp_path / "other.png", load_consent(desk.consent)
    Image.fromarray(skimage.data.astronaut()).save(other)
    with pytest.raises(ConsentMismatch):
        studio.create(other, desk.speech, lambda photo, speech: record, tmp_path / "out.mp4", fps=25)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("fps", [24, 61, 0, -5])
def test_rates_out_of_range_are_refused_before_any_work(studio: Studio, desk: Desk, tmp_path: Path, fps: int) -> None:
    with pytest.raises(ControlError):
        studio.create(
            "nowhere", "nowhere", lambda photo, speech: load_consent(desk.consent), tmp_path / "o.mp4", fps=fps
        )


def test_the_photo_check_says_which_face(studio: Studio, desk: Desk) -> None:
    check = studio.check_photo(desk.photo, "me.jpg")
    assert check.index == 0 and check.face.size > 150 and len(check.faces) == 1 and check.photo.name == "me.jpg"


def test_what_is_no_media_cannot_be_audited(studio: Studio, tmp_path: Path) -> None:
    note = tmp_path / "note.mp4"
    note.write_text("hello")
    with pytest.raises(UnreadableVideo):
        studio.audit(note)


def test_few_files_are_read_at_once(studio: Studio, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def slow(path: object, name: object) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == READERS:
                full.set()
        full.wait(300)  # however late the second one comes
        time.sleep(0.05)  # one too many would come in now
        with lock:
            inside -= 1

    monkeypatch.setattr("vasa_core.audio.load_speech", slow)
    people = [threading.Thread(target=studio.hear, args=(desk.speech,)) for _ in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(300)
    assert most == READERS


def test_who_finds_no_reader_is_told_so(studio: Studio, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.studio.READER_WAIT", 0.01)
    with ExitStack() as taken:
        for _ in range(READERS):
            taken.enter_context(studio.reading())
        for look in (studio.hear, studio.check_photo, studio.audit):
            with pytest.raises(Busy, match="read already"):
                look(desk.speech)
    assert studio.hear(desk.speech).seconds > 0
