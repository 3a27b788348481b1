"""Every HTTP route that can reach generation, tried without consent: refused, and nothing is written."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import texts
from tests.e2e.serving import App

NEEDED = ("public-domain", "Grace Hopper", "Ada Example", "US Navy", "Test", True)  # the consent form, filled in


class Intruder:
    """Speaks the page's protocol without the page."""

    def __init__(self, app: App) -> None:
        self.http = httpx.Client(base_url=app.url, timeout=60, headers={"connection": "close"})
        self.config = self.http.get("config").json()
        self.session = secrets.token_hex(6)

    def handler(self, name: str) -> dict[str, Any]:
        return next(entry for entry in self.config["dependencies"] if entry["api_name"] == name)

    def defaults(self, handler: dict[str, Any]) -> list[Any]:
        """What an untouched page would send."""
        values = {part["id"]: part["props"].get("value") for part in self.config["components"]}
        return [values[number] for number in handler["inputs"]]

    def upload(self, path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            stored = self.http.post("gradio_api/upload", files={"files": (path.name, file)}).json()[0]
        return {"path": stored, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def join(self, name: str, data: list[Any], session: str | None = None) -> str:
        """Send an event through the queue; returns everything the server answers."""
        session = session or self.session
        body = {"data": data, "fn_index": self.handler(name)["id"], "session_hash": session}
        joined = self.http.post("gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return joined.text
        answers = []
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    answers.append(line)
                    if json.loads(line[5:])["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                        break
        return json.dumps(answers)


@pytest.fixture
def intruder(app: App) -> Intruder:
    return Intruder(app)


@pytest.fixture
def loaded(intruder: Intruder, hopper_jpeg: Path, speech: Path) -> Intruder:
    """An intruder whose photo and speech the server has accepted."""
    assert "photo-card" in intruder.join("take_photo", [intruder.upload(hopper_jpeg)])
    assert "seconds of sound" in intruder.join("take_speech", [intruder.upload(speech)])
    return intruder


def test_no_endpoint_is_announced(intruder: Intruder) -> None:
    assert intruder.http.get("gradio_api/info").json()["named_endpoints"] == {}
    assert all(entry["api_visibility"] == "private" for entry in intruder.config["dependencies"])


@pytest.mark.parametrize("door", ["run", "api", "call", "call/v2"])
def test_the_direct_doors_make_nothing(app: App, loaded: Intruder, door: str) -> None:
    before = app.videos()
    for entry in loaded.config["dependencies"]:
        body = {"data": loaded.defaults(entry), "session_hash": loaded.session}
        answer = loaded.http.post(f"gradio_api/{door}/{entry['api_name']}", json=body)
        if entry["api_name"] == "make":
            assert door == "call" or answer.status_code >= 400
            if answer.status_code == 200:  # the event was queued: what came of it?
                event = answer.json()["event_id"]
                assert "alert" in loaded.http.get(f"gradio_api/call/make/{event}").text
    assert app.videos() <= before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({0: None}, texts.MISSING_BASIS),
        ({0: "because"}, "not in the list of choices"),
        ({5: False}, texts.MISSING_STATEMENT),
        ({5: "true"}, texts.MISSING_STATEMENT),
        ({5: None}, texts.MISSING_STATEMENT),
        ({1: "  "}, texts.SUBJECT["public-domain"]),
        ({2: None}, texts.ATTESTER),
    ],
    ids=["no basis", "unknown basis", "unticked", "text for a tick", "no tick", "blank name", "no attester"],
)
def test_the_queue_refuses_without_consent(app: App, loaded: Intruder, change: dict[int, Any], expected: str) -> None:
    before = app.videos()
    form = [change.get(place, value) for place, value in enumerate(NEEDED)]
    answer = loaded.join("make", form + loaded.defaults(loaded.handler("make"))[len(NEEDED) :])
    assert expected in _plain(answer) and "progressbar" not in answer
    assert app.videos() <= before


def _plain(answer: str) -> str:
    """The answers with their inner JSON escapes undone, so that sentences can be looked for."""
    return " ".join(json.dumps(json.loads(line[5:]), ensure_ascii=False) for line in json.loads(answer))


def test_a_form_without_photo_and_speech_makes_nothing(app: App, intruder: Intruder) -> None:
    before = app.videos()
    answer = intruder.join("make", [*NEEDED, *intruder.defaults(intruder.handler("make"))[len(NEEDED) :]])
    assert texts.MISSING_PHOTO in answer and app.videos() <= before


@pytest.mark.parametrize("forged", ["/etc/passwd", "app.py", "http://127.0.0.1:1/x.jpg", "../../etc/passwd"])
def test_a_forged_upload_reads_no_file(app: App, intruder: Intruder, forged: str) -> None:
    answer = intruder.join("take_photo", [{"path": forged, "meta": {"_type": "gradio.FileData"}}])
    assert "photo-card" not in answer and "root:" not in answer and "Traceback" not in answer


def test_no_answer_ever_holds_a_traceback(app: App, loaded: Intruder) -> None:
    for entry in loaded.config["dependencies"]:
        for data in ([], ["nonsense"] * 40, [{"path": None}] * len(entry["inputs"])):
            assert "Traceback" not in loaded.join(entry["api_name"], data, secrets.token_hex(6))
    assert loaded.http.get("").status_code == 200


def test_an_upload_over_the_limit_is_refused(intruder: Intruder) -> None:
    answer = intruder.http.post("gradio_api/upload", files={"files": ("big.wav", b"\0" * (101 << 20))})
    assert answer.status_code == 413
