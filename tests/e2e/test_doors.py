"""Every HTTP route that can reach generation, tried without consent: refused, and nothing is written."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import samples, texts
from tests.e2e.conftest import METRICS
from tests.e2e.serving import HANG, App, wait_until

NEEDED = ("public-domain", "Grace Hopper", "Ada Example", "US Navy", "Test", True)  # the consent form, filled in


class Intruder:
    """Speaks the page's protocol without the page."""

    def __init__(self, app: App) -> None:
        self.http = httpx.Client(base_url=app.url, timeout=HANG, headers={"connection": "close"})
        self.config = self.http.get("config").json()
        english = self.config["page"][""]["dependencies"]  # the French page has the same handlers once more
        self.config["dependencies"] = [entry for entry in self.config["dependencies"] if entry["id"] in english]
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
def test_the_direct_doors_are_closed(app: App, loaded: Intruder, door: str) -> None:
    before = app.videos()
    for entry in loaded.config["dependencies"]:
        body = {"data": loaded.defaults(entry), "session_hash": loaded.session, "fn_index": entry["id"]}
        assert loaded.http.post(f"gradio_api/{door}/{entry['api_name']}", json=body).status_code == 403
    assert app.videos() <= before


def test_strangers_leave_no_folders_behind(app: App, intruder: Intruder) -> None:
    """Cancelling, emptying fields and asking for a result need no visitor."""
    before = set(app.visitor_root.glob("v-*"))
    for name in ("cancel", "drop_photo", "send", "follow", "finish"):
        entry = intruder.handler(name)
        assert "process_completed" in intruder.join(name, intruder.defaults(entry), secrets.token_hex(6))
    assert set(app.visitor_root.glob("v-*")) <= before


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


def test_nobody_goes_live_or_gets_a_second_take_without_consent(app: App, loaded: Intruder) -> None:
    before = app.videos()
    answer = loaded.join("begin", loaded.defaults(loaded.handler("begin")))
    assert texts.MISSING_BASIS in _plain(answer)
    for name in ("make_again", "keep"):
        assert texts.GONE in _plain(loaded.join(name, loaded.defaults(loaded.handler(name))))
    assert app.videos() <= before


@pytest.mark.parametrize("forged", ["/etc/passwd", "app.py", "http://127.0.0.1:1/x.jpg", "../../etc/passwd"])
def test_a_forged_upload_reads_no_file(app: App, intruder: Intruder, forged: str) -> None:
    answer = intruder.join("take_photo", [{"path": forged, "meta": {"_type": "gradio.FileData"}}])
    assert "photo-card" not in answer and "root:" not in answer and "Traceback" not in answer


@pytest.mark.parametrize("forged", ["/etc/passwd", str(samples.FOLDER / "english.json")])
def test_a_forged_receipt_is_neither_read_nor_removed(intruder: Intruder, forged: str) -> None:
    answer = intruder.join("read", [{"path": forged, "meta": {"_type": "gradio.FileData"}}])
    assert "root:" not in answer and "Traceback" not in answer and Path(forged).exists()


def test_no_answer_ever_holds_a_traceback(app: App, loaded: Intruder) -> None:
    kinds: tuple[list[Any], ...] = ([], ["nonsense"] * 40, [{"path": None}])
    tries = [
        (entry["api_name"], data * len(entry["inputs"]) if data == kinds[2] else data)
        for entry in loaded.config["dependencies"]
        for data in kinds
        if entry["inputs"] or not entry["api_name"].startswith("pick")  # takes nothing: whatever comes is a wish
    ]
    with ThreadPoolExecutor(8) as crowd:
        answers = crowd.map(lambda one: loaded.join(one[0], one[1], secrets.token_hex(6)), tries)
        assert not any("Traceback" in answer for answer in answers)
    assert loaded.http.get("").status_code == 200


def test_other_sites_and_other_names_are_refused(app: App, intruder: Intruder) -> None:
    post, get = intruder.http.post, intruder.http.get
    assert (
        post("gradio_api/upload", files={"files": b"x"}, headers={"origin": "https://evil.example"}).status_code == 403
    )
    assert get("config", headers={"host": "evil.example"}).status_code == 421
    assert "evil.example" not in get("config", headers={"x-forwarded-host": "evil.example"}).text
    assert get("gradio_api/deep_link", params={"session_hash": intruder.session}).status_code == 403
    assert get("", params={"deep_link": "abc"}).status_code == 403
    assert post("gradio_api/queue/join", content=bytes(2 << 20)).status_code == 413
    assert "frame-ancestors 'self'" in get("").headers["content-security-policy"]


def test_of_the_samples_only_media_are_served(intruder: Intruder) -> None:
    served = {
        name: intruder.http.get(f"gradio_api/file={samples.FOLDER / name}").status_code
        for name in ("english.mp4", "grace_hopper.jpg", "__init__.py", "__main__.py", "recipes.json", "anchor.pem")
    }
    assert [name for name, code in served.items() if code == 200] == ["english.mp4", "grace_hopper.jpg"]


def test_a_photo_has_one_copy_once_it_is_kept(app: App, intruder: Intruder, hopper_jpeg: Path) -> None:
    upload = intruder.upload(hopper_jpeg)
    assert Path(upload["path"]).exists()
    assert "photo-card" in intruder.join("take_photo", [upload])
    assert not Path(upload["path"]).exists() and list(app.visitor_root.glob("v-*/photo-*"))


def test_one_address_cannot_fill_the_line(intruder: Intruder, hopper_jpeg: Path, long_speech: Path) -> None:
    form = [*NEEDED, *intruder.defaults(intruder.handler("make"))[len(NEEDED) :]]
    sessions = [secrets.token_hex(6) for _ in range(3)]
    for session in sessions:
        assert "photo-card" in intruder.join("take_photo", [intruder.upload(hopper_jpeg)], session)
        assert "seconds of sound" in intruder.join("take_speech", [intruder.upload(long_speech)], session)
    try:
        for session in sessions[:2]:  # queued, and nobody listens
            body = {"data": form, "fn_index": intruder.handler("make")["id"], "session_hash": session}
            assert intruder.http.post("gradio_api/queue/join", json=body).status_code == 200
        wait_until(lambda: _in_line(intruder) == 2)
        intruder.join("make", form, sessions[2])
        assert "your address" in intruder.join("finish", [], sessions[2])
    finally:
        for session in sessions:
            intruder.join("cancel", [], session)


def _in_line(intruder: Intruder) -> float:
    """How many videos are made or wait in line."""
    answer = intruder.http.get("metrics", headers={"authorization": f"Bearer {METRICS}"})
    assert answer.status_code == 200
    return next(float(line.split()[1]) for line in answer.text.splitlines() if line.startswith("candor_line_waiting "))


def test_many_readers_leave_the_page_responsive(
    app: App, intruder: Intruder, hopper_jpeg: Path, tmp_path: Path
) -> None:
    """Whatever the machine: the page and its events are answered again and again while most of the crowd waits."""
    app.wait_until_warm()
    uploads = []
    for number in range(44):  # more than the server has threads
        copy = tmp_path / f"{number}.jpg"
        copy.write_bytes(hopper_jpeg.read_bytes())
        uploads.append(intruder.upload(copy))
    with ThreadPoolExecutor(len(uploads)) as crowd:
        looks = [crowd.submit(intruder.join, "take_photo", [upload], secrets.token_hex(6)) for upload in uploads]
        answers = 0
        while sum(look.done() for look in looks) < len(looks) // 2 and answers < 5:
            assert intruder.http.get("config").status_code == 200
            assert "process_completed" in intruder.join("drop_photo", [], secrets.token_hex(6))
            answers += 1
        assert answers == 5
        assert all("photo-card" in look.result() for look in looks)


def test_newcomers_cost_no_more_than_those_who_are_here(app: App, intruder: Intruder) -> None:
    """The page is not described anew for everybody who comes: that would stop everybody else for a moment each."""
    app.wait_until_warm()
    here = secrets.token_hex(6)
    intruder.join("drop_photo", [], here)

    def spent(sessions: list[str]) -> float:
        before = app.spent()
        for session in sessions:
            intruder.join("drop_photo", [], session)
        return app.spent() - before

    # The best of two: visitors of other tests may still be leaving.
    known, new = (min(spent(names) for names in rounds) for rounds in ([[here] * 12] * 2, _strangers(2, 12)))
    assert new < 3 * known


def _strangers(rounds: int, many: int) -> list[list[str]]:
    return [[secrets.token_hex(6) for _ in range(many)] for _ in range(rounds)]


def test_web_addresses_cause_no_look_up(app: App, intruder: Intruder) -> None:
    """Every host name the app's process looks up, and every address it connects to, is written down."""
    for address in ("http://candor-look-up.example/a.png", "HTTPS://candor-look-up.example/a", "http://127.0.0.2:9/a"):
        for name in ("take_photo", "take_speech", "take_film", "watch"):
            for file in ({"path": address}, {"path": address, "url": address}, {"path": "a.png", "url": address}):
                answer = intruder.join(name, [file | {"meta": {"_type": "gradio.FileData"}}], secrets.token_hex(6))
                assert "photo-card" not in answer and "Traceback" not in answer
    seen = app.network.read_text()
    assert "socket" in seen  # the server's own address: the watch works
    assert "candor-look-up" not in seen and "127.0.0.2" not in seen


def test_an_upload_over_the_limit_is_refused(intruder: Intruder) -> None:
    answer = intruder.http.post("gradio_api/upload", files={"files": ("big.wav", b"\0" * (101 << 20))})
    assert answer.status_code == 413
