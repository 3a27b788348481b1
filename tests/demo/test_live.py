"""Live sessions without a browser: sound in, marked pictures out, bounded, recorded, sealed; and the WebSocket."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from demo import samples, texts
from demo.doorman import Doorman, House
from demo.errors import Busy, Missing
from demo.live.desk import LiveDesk, Place
from demo.live.session import Picture
from demo.live.socket import AHEAD
from demo.routes import routes
from demo.session import Visitors
from demo.studio import Studio
from safety.consent import Attestation
from safety.errors import ConsentMismatch
from tests.demo.conftest import Desk
from vasa_core.audio import load_speech
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls

ATTESTATION = Attestation(
    "public-domain", "Grace Hopper", "A Tester", "automatic tests", source="US Navy", any_audio=True
)
CHUNK = 1280  # samples, 80 ms


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Studio:
    return Studio(desk.home)


@pytest.fixture
def live(studio: Studio) -> Iterator[LiveDesk]:
    opened = LiveDesk(studio, places=1)
    yield opened
    opened.close_all()


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """int16, 1.6 s of speech."""
    return (load_speech(samples.FOLDER / "english.m4a").samples[: 20 * CHUNK] * 32767).astype(np.int16)


def begin(live: LiveDesk, desk: Desk, owner: str = "me") -> Place:
    return live.open(owner, desk.photo, "me.jpg", None, ATTESTATION, "en")


def wait_for(truth: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_speech_becomes_pictures_and_a_sealed_recording(
    live: LiveDesk, desk: Desk, voice: np.ndarray, tmp_path: Path
) -> None:
    place = begin(live, desk)
    pictures: list[Picture] = []
    place.attach(pictures.append, lambda: True, lambda error: None)
    session = place.session
    for start in range(0, len(voice), CHUNK):
        session.hear(voice[start : start + CHUNK])
        if start == 10 * CHUNK:
            wait_for(lambda: session.frames > 4)
            session.controls = Controls(gaze=(20, 0), emotion={"happy": 1.0})
    expected = len(voice) // (SAMPLE_RATE // MOTION_RATE) - 1  # the last one waits for sound
    wait_for(lambda: session.frames >= expected)
    assert pictures and all(shot.jpeg[:2] == b"\xff\xd8" for shot in pictures)
    assert [shot.frame for shot in pictures] == sorted({shot.frame for shot in pictures})
    session.stop()
    assert session.frames == len(pictures) + session.skipped
    assert not session.running and live.find(place.ticket) is None
    assert session.recording.controls[-1].gaze == (20, 0)

    made = live.seal(place, tmp_path / "live.mp4")
    assert made.sealed.frames == session.frames and made.sealed.fps == MOTION_RATE
    report = live.studio.audit(tmp_path / "live.mp4").to_dict()
    assert report["verdict"] == "sealed" and report["consent"]["record_id"] == place.record.id


def test_a_slow_client_is_sent_less_and_nothing_piles_up(live: LiveDesk, desk: Desk, voice: np.ndarray) -> None:
    place = begin(live, desk)
    taken: list[Picture] = []
    place.attach(taken.append, lambda: len(taken) < 3, lambda error: None)
    place.session.hear(voice)
    wait_for(lambda: place.session.frames > 20)
    assert len(taken) <= 3 and place.session.skipped >= 18


def test_one_place_is_for_one_visitor(live: LiveDesk, desk: Desk) -> None:
    first = begin(live, desk, "one")
    with pytest.raises(Busy, match="live"):
        begin(live, desk, "two")
    again = begin(live, desk, "one")  # starting anew ends one's own earlier session
    assert not first.session.running and again.session.running
    live.close("one")
    assert begin(live, desk, "two").session.running


def test_an_unattended_session_makes_room(live: LiveDesk, desk: Desk) -> None:
    place = begin(live, desk, "one")
    place.seen -= 60
    assert begin(live, desk, "two").session.running and live.find(place.ticket) is None


def test_who_waited_for_the_weights_is_not_unattended(
    live: LiveDesk, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, clock = live.studio.core.generator(), time.monotonic
    late = [0.0]

    def slowly() -> object:
        late[0] = 60.0
        return generator

    monkeypatch.setattr(live.studio.core, "generator", slowly)
    monkeypatch.setattr("demo.live.desk.time.monotonic", lambda: clock() + late[0])
    place = begin(live, desk)
    assert live.find(place.ticket) is place and place.session.running


def test_speaking_live_needs_consent_for_any_recording(live: LiveDesk, desk: Desk) -> None:
    with pytest.raises(ConsentMismatch):
        live.open("me", desk.photo, "me.jpg", None, replace(ATTESTATION, any_audio=False), "en")


def test_nothing_said_is_nothing_to_seal(live: LiveDesk, desk: Desk, tmp_path: Path) -> None:
    place = begin(live, desk)
    place.session.stop()
    with pytest.raises(Missing):
        live.seal(place, tmp_path / "none.mp4")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def client(live: LiveDesk, studio: Studio, tmp_path: Path) -> Iterator[TestClient]:
    visitors = Visitors(tmp_path / "root")
    app = Starlette(routes=routes(studio, visitors, live))
    house = House(frozenset({"127.0.0.1"}), proxy=False)
    with TestClient(Doorman(app, visitors, house), base_url="http://127.0.0.1:7860") as opened:
        yield opened
    visitors.close()


OWN = {"origin": "http://127.0.0.1:7860", "host": "127.0.0.1:7860"}


def test_the_socket_takes_sound_and_gives_pictures(
    client: TestClient, live: LiveDesk, desk: Desk, voice: np.ndarray
) -> None:
    place = begin(live, desk)
    with client.websocket_connect(f"/live?ticket={place.ticket}", headers=OWN) as socket:
        assert json.loads(socket.receive_text())["ready"] == 0
        socket.send_text(json.dumps({"look": ["happy", 0.8, 10, 0, 1, 1, 0.1]}))
        socket.send_text(json.dumps({"look": ["no such", 0.8, 10, 0, 1, 1, 0.1]}))
        assert "Reset" in json.loads(socket.receive_text())["notice"]
        for nonsense in ("{", "[]", "7", json.dumps({"look": 3}), "[" * 5000):
            socket.send_text(nonsense)
        socket.send_bytes(voice.astype("<i2").tobytes())
        frames = []
        while len(frames) < 4:
            data = socket.receive_bytes()
            frames.append(struct.unpack("<I", data[:4])[0])
            assert data[4:6] == b"\xff\xd8"
            socket.send_text(json.dumps({"shown": frames[-1]}))
        assert frames == sorted(frames)
        assert place.session.controls.emotion == {"happy": 0.8}
    wait_for(lambda: place.show is None)
    wait_for(lambda: place.session.heard == len(voice))
    with client.websocket_connect(f"/live?ticket={place.ticket}", headers=OWN) as socket:  # the line broke: once more
        assert json.loads(socket.receive_text())["ready"] == len(voice)
        socket.send_text(json.dumps({"stop": True}))
        while "over" not in (message := socket.receive()).get("text", ""):
            assert message["type"] == "websocket.send"
        assert json.loads(message["text"])["recorded"] > 1


def test_the_first_message_says_ready_even_when_a_picture_is_under_way(
    client: TestClient, live: LiveDesk, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = begin(live, desk)
    attach = place.attach

    def attach_late(show: Callable[[Picture], None], *rest: Callable[..., object]) -> None:
        attach(show, *rest)
        show(Picture(7, b"drawn since the line broke"))

    monkeypatch.setattr(place, "attach", attach_late)
    with client.websocket_connect(f"/live?ticket={place.ticket}", headers=OWN) as socket:
        assert "ready" in json.loads(socket.receive_text())
        assert struct.unpack("<I", socket.receive_bytes()[:4])[0] == 7


def test_without_a_ticket_there_is_a_sentence_and_no_picture(client: TestClient) -> None:
    for language, words in (("en", "live session is over"), ("fr", "session en direct est finie")):
        with client.websocket_connect(f"/live?ticket=guess&lang={language}", headers=OWN) as socket:
            assert words in json.loads(socket.receive_text())["over"]
            with pytest.raises(WebSocketDisconnect):
                socket.receive_text()


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "The time of this live session is over."), ("fr", "Le temps de cette session en direct est écoulé.")],
)
def test_the_end_is_told_in_the_language_of_the_page(
    client: TestClient, live: LiveDesk, desk: Desk, voice: np.ndarray, language: str, words: str
) -> None:
    place = begin(live, desk)
    with client.websocket_connect(f"/live?ticket={place.ticket}&lang={language}", headers=OWN) as socket:
        assert "ready" in json.loads(socket.receive_text())
        socket.send_bytes(voice.astype("<i2").tobytes())
        place.session.exit.ends = 0.0  # the session's own thread notices
        while "over" not in (message := socket.receive()).get("text", ""):
            assert message["type"] == "websocket.send"
        assert json.loads(message["text"])["over"].startswith(words)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_sound_that_comes_faster_than_anybody_speaks_ends_the_connection(
    client: TestClient, live: LiveDesk, desk: Desk
) -> None:
    place, began = begin(live, desk), time.monotonic()
    with client.websocket_connect(f"/live?ticket={place.ticket}", headers=OWN) as socket:
        socket.receive_text()
        for _ in range(12):  # a slow machine may let two seconds pass meanwhile
            socket.send_bytes(bytes(2 * SAMPLE_RATE - 2))
        with pytest.raises(WebSocketDisconnect):
            while True:
                socket.receive()
                if not place.session.running or place.show is None:
                    raise WebSocketDisconnect
    assert place.session.heard <= (time.monotonic() - began) * SAMPLE_RATE + AHEAD


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.example", "host": "127.0.0.1:7860"},
        {"host": "127.0.0.1:7860"},
        OWN | {"host": "evil"},
    ],
    ids=["foreign page", "no page", "other name"],
)
def test_other_pages_cannot_connect(client: TestClient, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live?ticket=x", headers=headers):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/elsewhere", headers=OWN):
        pass


def test_scripts_and_health_are_served(client: TestClient, studio: Studio) -> None:
    assert "candorLive" in client.get("/page/live.js").text
    assert client.get("/page/../server.py").status_code == 403
    assert client.get("/healthz").json()["status"] in ("ok", "starting")


def test_many_threads_may_ask_for_a_place(live: LiveDesk, desk: Desk) -> None:
    won: list[str] = []

    def ask(name: str) -> None:
        try:
            begin(live, desk, name)
            won.append(name)
        except Busy:
            pass

    people = [threading.Thread(target=ask, args=(str(number),)) for number in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(300)
    assert len(won) == 1


def test_words_of_the_script_are_in_both_languages() -> None:
    with texts.speaking("fr"):
        assert texts.LIVE_WORDS["speak"] != texts.en.LIVE_WORDS["speak"]
