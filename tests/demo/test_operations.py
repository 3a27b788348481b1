"""What an operator relies on: limits per address, metrics behind a token, logs that name nobody."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from demo import logs
from demo.doorman import Doorman, House
from demo.errors import Busy
from demo.guard import outcome
from demo.limits import Limits, Rates
from demo.live.desk import LiveDesk
from demo.metrics import TOKEN
from demo.routes import routes
from demo.session import Visitors
from demo.studio import Studio

ROOT = Path(__file__).resolve().parents[2]


def test_the_container_is_built_from_what_is_here() -> None:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()]
    copied = [word for line in lines if line[:1] == ["COPY"] for word in line[1:-1] if not word.startswith("--")]
    assert {"packages.txt", "requirements.txt", "."} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert json.loads(" ".join(next(line[1:] for line in lines if line[:1] == ["CMD"]))) == ["python", "app.py"]
    left_out = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert not {"app.py", "demo", "detection", "safety", "vasa_core", "docs"} & set(left_out)
    packages = (ROOT / "packages.txt").read_text("utf-8").split()
    assert "ffmpeg" in packages and all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in packages)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_gets_its_turns_back_after_a_while() -> None:
    clock, over = Clock(), []
    limits = Limits(Rates(videos=(2, 3600.0)), over.append, clock)
    for clock.now in (0.0, 100.0):
        limits.check("videos", "203.0.113.7")
    with pytest.raises(Busy, match="Try again in 59 min"):
        limits.check("videos", "203.0.113.7")
    limits.check("videos", "203.0.113.8")  # others are not held back
    limits.check("examined", "203.0.113.7")  # nor is other work
    clock.now = 3601.0
    limits.check("videos", "203.0.113.7")
    with pytest.raises(Busy, match="Try again in 2 min"):  # until the second of the first two is old
        limits.check("videos", "203.0.113.7")
    assert over == ["videos", "videos"]
    for _ in range(5):
        limits.check("videos", "")  # the person at the machine


def test_addresses_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.limits.MOST_CALLERS", 10)
    limits = Limits()
    for number in range(100):
        limits.check("videos", str(number))
    assert len(limits._seen) == 10


def test_too_many_posts_get_429_and_are_counted(tmp_path: Path) -> None:
    studio, visitors = Studio(), Visitors(tmp_path / "root")
    studio.limits.rates = Rates(posts=(3, 60.0))
    app = Starlette(routes=[Route("/gradio_api/cancel", lambda request: PlainTextResponse("ok"), methods=["POST"])])
    house = House(frozenset({"127.0.0.1"}), proxy=True)
    with TestClient(Doorman(app, visitors, house, studio), base_url="http://127.0.0.1") as http:
        one, two = ({"x-forwarded-for": f"9.9.9.{number}"} for number in (1, 2))
        codes = [http.post("/gradio_api/cancel", headers=one).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert int(http.post("/gradio_api/cancel", headers=one).headers["retry-after"]) <= 60
        assert http.post("/gradio_api/cancel", headers=two).status_code == 200
    visitors.close()
    assert studio.metrics.registry.get_sample_value("candor_refusals_total", {"limit": "posts"}) == 3
    counted = {"kind": "event", "code": "429"}
    assert studio.metrics.registry.get_sample_value("candor_requests_total", counted) == 3


def test_metrics_are_read_with_the_token_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio, visitors = Studio(), Visitors(tmp_path / "root")
    app = Starlette(routes=routes(studio, visitors, LiveDesk(studio)))
    with TestClient(Doorman(app, visitors, House(None, False), studio), base_url="http://127.0.0.1") as http:
        monkeypatch.delenv(TOKEN, raising=False)
        assert http.get("/metrics").status_code == 404
        monkeypatch.setenv(TOKEN, "sesame")
        assert http.get("/metrics").status_code == 401
        assert http.get("/metrics", headers={"authorization": "Bearer sesam"}).status_code == 401
        studio.metrics.videos.labels("done").inc()
        visitors.of("somebody")
        text = http.get("/metrics", headers={"authorization": "Bearer sesame"}).text
    visitors.close()
    for line in ('candor_videos_total{outcome="done"} 1.0', "candor_visitors 1.0", "candor_live_running 0.0"):
        assert line in text.splitlines()
    assert "somebody" not in text and "process_resident_memory_bytes" in text


def record(message: str, error: BaseException | None = None, **facts: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("candor", logging.INFO, "x.py", 1, message, (), info)
    made.facts = facts
    return made


def test_logs_are_lines_of_json_with_figures_and_without_files(tmp_path: Path) -> None:
    line = json.loads(logs.JsonLines().format(record("video made", seconds=1.5, timings={"read": 0.1})))
    assert line["event"] == "video made" and line["seconds"] == 1.5 and line["timings"] == {"read": 0.1}
    assert line["time"].endswith("+00:00") and line["level"] == "info"
    private = tmp_path / "candor-1-x" / "hash" / "Jane Doe's holiday.wav"
    try:
        private.read_bytes()
    except OSError as error:
        for form in (logs.JsonLines(), logs.Plain()):
            text = form.format(record("fault abc", error))
            assert "Jane" not in text and "FileNotFoundError" in text and "test_operations.py" in text
            assert "\n" not in text or isinstance(form, logs.Plain)
    assert logs.Plain().format(record("live ended", seconds=3)).endswith("candor: live ended seconds=3")


def test_the_setting_chooses_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setenv(logs.FORMAT, "json")
    logs.start()
    try:
        assert isinstance(root.handlers[0].formatter, logs.JsonLines) and root.handlers[0].stream is sys.stderr
    finally:
        root.setLevel(logging.WARNING)


def test_outcomes_are_words() -> None:
    assert [outcome(None), outcome(Busy("x")), outcome(ValueError("Jane"))] == ["done", "busy", "fault"]
