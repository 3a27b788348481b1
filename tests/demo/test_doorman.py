"""The Doorman in front of a small server: what passes, what does not, and who is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from demo import session
from demo.doorman import MAX_BODY, Doorman, House, client_of
from demo.session import Visitors

JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
HOME = House(frozenset({"localhost", "127.0.0.1", "::1"}), proxy=False)
ABROAD = House(None, proxy=True)
Front = Callable[[House], TestClient]


async def echo(request: Request) -> JSONResponse:
    """What arrived."""
    body = await request.body()
    host = request.client.host if request.client else ""
    return JSONResponse({"bytes": len(body), "client": host, "forwarded": request.headers.get("x-forwarded-host")})


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    visitors = Visitors(tmp_path / "root")

    def build(house: House) -> TestClient:
        app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT"])])
        return TestClient(Doorman(app, visitors, house), base_url="http://127.0.0.1:7860")

    yield build
    visitors.close()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/run/cancel",
        "/gradio_api/api/cancel",
        "/gradio_api/call/make",
        "/gradio_api/call/v2/make",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/stream/x",
        "/login",
        "/gradio_api/vibe-code",
    ],
)
def test_routes_the_page_does_not_use_are_closed(front: Front, path: str) -> None:
    client = front(HOME)
    assert client.post(path, json={}).status_code == 403
    assert client.get(path).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link?session_hash=x",
        "/?deep_link=abc",
        "/config?deep_link=abc",
        "/?x=1&deep%5Flink=abc",
        "/gradio_api/file=http://example.com/a",
        "/gradio_api/file=HTTPS://example.com/a",
        "/gradio_api/proxy=http://example.com/a",
        "/monitoring",
        "/gradio_api/openapi.json",
    ],
)
def test_links_into_other_sessions_and_sites_are_closed(front: Front, path: str) -> None:
    assert front(HOME).get(path).status_code == 403


def test_the_page_may_do_what_it_does(front: Front) -> None:
    client = front(HOME)
    for path in (
        "/",
        "/config",
        "/assets/a.js",
        "/gradio_api/file=/tmp/a.mp4",
        "/gradio_api/queue/data?session_hash=a",
    ):
        assert client.get(path).status_code == 200
    answer = client.post(JOIN, json={"data": []}, headers={"origin": "http://127.0.0.1:7860"})
    assert answer.json()["bytes"] > 0
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:7860", "", "[::1", "192.168.0.9"])
def test_other_names_of_a_local_server_are_refused(front: Front, host: str) -> None:
    assert front(HOME).get("/", headers={"host": host}).status_code == 421
    assert front(ABROAD).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7860", "127.0.0.1:7860", "[::1]:7860"])
def test_own_names_are_answered(front: Front, host: str) -> None:
    assert front(HOME).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:7860"])
@pytest.mark.parametrize("path", [JOIN, UPLOAD])
def test_other_pages_may_send_nothing(front: Front, path: str, origin: str) -> None:
    assert front(HOME).post(path, content=b"{}", headers={"origin": origin}).status_code == 403


def test_forms_are_bounded_however_they_are_sent(front: Front) -> None:
    client = front(HOME)
    assert client.post(JOIN, content=bytes(MAX_BODY)).json()["bytes"] == MAX_BODY
    assert client.post(JOIN, content=bytes(MAX_BODY + 1)).status_code == 413
    assert client.post(JOIN, content=iter([bytes(MAX_BODY), b"x"])).status_code == 413


def test_uploads_need_a_length_and_room(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    client = front(HOME)
    assert client.post(UPLOAD, content=bytes(5 << 20)).json()["bytes"] == 5 << 20
    assert client.post(UPLOAD, content=iter([b"x"])).status_code == 411
    assert client.post(UPLOAD, content=b"x", headers={"content-length": "150000000"}).status_code == 413
    monkeypatch.setattr(session, "MAX_BYTES", 99)
    assert client.post(UPLOAD, content=bytes(99)).status_code == 200
    assert client.post(UPLOAD, content=bytes(100)).status_code == 507


def test_forwarded_headers_count_only_behind_a_trusted_proxy(front: Front) -> None:
    headers = {"x-forwarded-for": "1.2.3.4, 8.8.8.8, 10.0.0.7", "x-forwarded-host": "candor.example"}
    assert front(HOME).get("/", headers=headers).json() == {"bytes": 0, "client": "testclient", "forwarded": None}
    seen = front(ABROAD).get("/", headers=headers).json()
    assert seen == {"bytes": 0, "client": "8.8.8.8", "forwarded": "candor.example"}
    assert front(ABROAD).post(JOIN, headers=headers | {"origin": "https://candor.example"}).status_code == 200


def test_addresses_in_front_of_the_proxys_own_are_not_believed() -> None:
    assert client_of("1.2.3.4, 8.8.8.8") == "8.8.8.8"
    assert client_of("8.8.8.8, nonsense") == "nonsense" and client_of("192.168.1.5") == "192.168.1.5"
    assert client_of(" , ") == ""


def test_the_house_follows_address_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "CANDOR_TRUST_PROXY", "GRADIO_SERVER_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert House.at(None) == HOME and House.at("0.0.0.0") == House(None, proxy=False)
    monkeypatch.setenv("CANDOR_TRUST_PROXY", "1")
    assert House.at(None) == ABROAD
    monkeypatch.setenv("SPACE_ID", "someone/candor")
    assert "https://huggingface.co" in House.at("0.0.0.0").frames
