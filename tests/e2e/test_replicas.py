"""Two server processes on one PostgreSQL and one folder of media, asked over HTTP as a program would."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from demo.session import remove_abandoned
from safety import Attestation, Vault, attest, issue_token
from safety.errors import ConsentError
from safety.tokens import redeem
from tests.e2e.conftest import PATIENCE
from tests.e2e.serving import HANG, App, running_app, wait_until
from tests.safety.postgres import find_programs, running
from vasa_core.audio import load_speech
from vasa_core.photo import load_photo

TOKEN = secrets.token_hex(16)
STATEMENT = {
    "basis": "public-domain",
    "subject": "Grace Hopper",
    "attester": "Ada Example",
    "source": "US Navy",
    "purpose": "a test",
    "agreed": True,
}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[App]]:
    programs = find_programs()
    if programs is None:
        message = "needs PostgreSQL (Debian: apt-get install postgresql)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    shared = tmp_path_factory.mktemp("shared")
    with running(programs) as server, ThreadPoolExecutor(2) as pool:
        settings = {
            "CANDOR_DATABASE_URL": server.create("replicas"),
            "CANDOR_HOME": str(shared / "home"),
            "CANDOR_MEDIA": str(shared / "media"),
            "CANDOR_API_TOKEN": TOKEN,
        }
        Vault.open(shared / "home", environment=settings)  # makes the keys: two that start at once need not race
        little = {"CANDOR_VISITORS_MB": "1"}  # for one test: the second one's page says so when there is no room
        opened = [
            running_app(tmp_path_factory.mktemp(name), **more)
            for name, more in (("one", settings), ("two", settings | little))
        ]
        apps = list(pool.map(lambda app: app.__enter__(), opened))
        yield apps
        list(pool.map(lambda app: app.__exit__(None, None, None), opened))
        assert not list((shared / "media").glob("*/photo*")), "somebody's photo was left on the shelf"


@pytest.fixture(scope="module")
def house(replicas: list[App], tmp_path_factory: pytest.TempPathFactory) -> list[Vault]:
    """The vault both open, opened twice more beside them."""
    settings = _environment(replicas[0])
    return [Vault.open(Path(settings["CANDOR_HOME"]), environment=settings) for _ in range(2)]


def _environment(app: App) -> dict[str, str]:
    words = Path(f"/proc/{app.process.pid}/environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if word.startswith("CANDOR_"))


@pytest.fixture(scope="module")
def clients(replicas: list[App]) -> list[httpx.Client]:
    return [_client(app) for app in replicas]


def _client(app: App, token: str = TOKEN, **options: Any) -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"} | options
    return httpx.Client(base_url=f"{app.url}v1/", timeout=HANG, headers=headers)


def order(client: httpx.Client, photo: Path, speech: Path, **changes: Any) -> httpx.Response:
    with photo.open("rb") as picture, speech.open("rb") as sound:
        files = {"photo": ("me.jpg", picture), "speech": ("me.wav", sound)}
        form = {"consent": httpx.Response(200, json=STATEMENT | changes).text, "look": '{"fps": 25, "seed": 3}'}
        return client.post("videos", files=files, data=form)


def wait_for(client: httpx.Client, name: str) -> dict[str, Any]:
    state: dict[str, Any] = {}

    def done() -> bool:
        state.update(client.get(f"videos/{name}").json())
        return state["state"] != "working"

    wait_until(done, 0.2)
    return state


@pytest.fixture(scope="module")
def made(clients: list[httpx.Client], hopper_jpeg: Path, speech: Path) -> str:
    """A video that the first replica has made; its id."""
    answer = order(clients[0], hopper_jpeg, speech)
    assert answer.status_code == 202, answer.text
    state = wait_for(clients[0], answer.json()["id"])
    assert state["state"] == "done" and state["report"]["seed"] == 3, state
    return str(answer.json()["id"])


def test_what_one_makes_the_other_gives_out_verifies_and_withdraws(
    clients: list[httpx.Client], replicas: list[App], made: str
) -> None:
    one, two = clients
    video = two.get(f"videos/{made}/video")
    assert video.headers["content-type"] == "video/mp4" and video.content == one.get(f"videos/{made}/video").content
    report = two.post("verify", content=video.content).json()
    assert report["verdict"] == "sealed" and report["consent"]["state"] == "valid", report
    receipt = two.get(f"videos/{made}/receipt").json()
    body = {"record_id": report["consent"]["record_id"], "code": receipt["withdrawal_code"]}
    assert httpx.post(f"{replicas[1].url}provenance/withdrawals", json=body, timeout=HANG).json()["withdrawn"] is True
    assert one.post("verify", content=video.content).json()["consent"]["state"] == "withdrawn"
    examined = one.post("detect", content=video.content)
    assert examined.status_code == 200 and "verdict" in examined.json()
    assert two.delete(f"videos/{made}").status_code == 204
    assert one.get(f"videos/{made}").status_code == 404


def test_a_phrase_asked_of_one_is_answered_once_whichever_is_told(
    clients: list[httpx.Client], hopper_jpeg: Path, speech: Path
) -> None:
    asked = clients[0].post("phrases", json={"language": "en"}).json()
    answer = {"basis": "self", "phrase_id": asked["phrase_id"], "answer": asked["phrase"], "attester": "", "source": ""}
    wrong = order(clients[1], hopper_jpeg, speech, **(answer | {"answer": "quite other words"}))
    assert wrong.status_code == 403 and "not the words" in wrong.json()["message"]
    name = order(clients[1], hopper_jpeg, speech, **answer).json()["id"]
    assert wait_for(clients[0], name)["state"] == "done"
    again = order(clients[0], hopper_jpeg, speech, **answer)
    assert again.status_code == 403 and "answered already" in again.json()["message"]


def test_a_token_is_good_once_in_all_replicas_together(house: list[Vault], hopper_jpeg: Path, speech: Path) -> None:
    photo, sound = load_photo(hopper_jpeg), load_speech(speech)
    stated = Attestation("public-domain", "Her", "Me", "test", source="US Navy")
    token = issue_token(house[0], attest(house[0], stated, photo, sound), photo, sound)
    start, won, refused = threading.Barrier(2), [], []

    def use(vault: Vault) -> None:
        start.wait(HANG)
        try:
            won.append(redeem(vault, token, photo, sound))
        except ConsentError as error:
            refused.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(use, house))
    assert len(won) == len(refused) == 1


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"agreed": False}, 403, "statement"),
        ({"source": " "}, 422, "where the picture comes from"),
        ({"basis": "because"}, 422, "basis"),
        ({"basis": "self"}, 422, ""),
        ({"extra": 1}, 422, "extra"),
    ],
)
def test_the_gate_is_that_of_the_page(
    clients: list[httpx.Client],
    hopper_jpeg: Path,
    speech: Path,
    changes: dict[str, Any],
    status: int,
    words: str,
) -> None:
    answer = order(clients[0], hopper_jpeg, speech, **changes)
    assert answer.status_code == status and words in answer.json()["message"].lower(), answer.text


def test_bad_files_get_their_sentence_in_the_callers_language(
    replicas: list[App], speech: Path, tmp_path: Path
) -> None:
    french = _client(replicas[0], **{"accept-language": "fr-FR"})
    broken = tmp_path / "x.jpg"
    broken.write_bytes(b"no picture")
    state = wait_for(french, order(french, broken, speech).json()["id"])
    assert state["state"] == "failed" and "n’est pas une image" in state["message"]
    assert french.post("verify", content=b"no video").status_code == 422


def test_without_the_token_nothing_opens(replicas: list[App], clients: list[httpx.Client], app: App) -> None:
    for client in (_client(replicas[0], "guess"), httpx.Client(base_url=f"{replicas[0].url}v1/", timeout=HANG)):
        assert client.post("phrases", json={}).status_code == 401
        assert client.post("verify", content=b"x").status_code == 401
        assert client.get("videos/" + "a" * 32).status_code == 401
    assert clients[0].get("videos/" + "a" * 32).status_code == 404
    assert clients[0].get("videos/..%2f..%2fetc").status_code in (403, 404)
    described = httpx.get(f"{replicas[0].url}v1/openapi.json", timeout=HANG).json()
    assert {"/videos", "/verify", "/detect", "/phrases"} <= set(described["paths"])
    for path in ("openapi.json", "videos/x"):  # an installation without a token has no such doors
        assert httpx.get(f"{app.url}v1/{path}", timeout=HANG).status_code == 403


def test_work_can_be_stopped_from_the_other_replica(
    clients: list[httpx.Client], replicas: list[App], hopper_jpeg: Path, long_speech: Path
) -> None:
    name = order(clients[0], hopper_jpeg, long_speech).json()["id"]
    assert clients[1].get(f"videos/{name}/video").status_code == 409
    assert clients[1].delete(f"videos/{name}").status_code == 204
    folder = Path(_environment(replicas[0])["CANDOR_MEDIA"]) / name
    wait_until(lambda: not folder.exists())
    assert clients[0].get(f"videos/{name}").status_code == 404


def test_a_page_without_room_says_so_in_the_visitors_language(
    replicas: list[App], browser: Browser, long_speech: Path
) -> None:
    context = browser.new_context(locale="fr-FR")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(replicas[1].url)
    page.locator("#speech input[type=file]").set_input_files(long_speech)
    expect(page.locator(".toast-wrap").first).to_contain_text("Il n’y a plus de place")
    context.close()


def test_a_killed_process_leaves_its_work_to_be_asked_again(
    clients: list[httpx.Client],
    replicas: list[App],
    hopper_jpeg: Path,
    long_speech: Path,
    speech: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last test of this file: the first replica does not come back."""
    name = order(clients[0], hopper_jpeg, long_speech).json()["id"]
    replicas[0].process.kill()
    replicas[0].process.wait(HANG)
    folder = Path(_environment(replicas[1])["CANDOR_MEDIA"]) / name
    assert clients[1].get(f"videos/{name}").json()["state"] == "working" and not list(folder.glob("*.mp4"))
    os.utime(folder / "state.json", (0, time.time() - 90))  # a minute and a half of silence
    state = clients[1].get(f"videos/{name}").json()
    assert state["state"] == "failed" and "Send the files again" in state["message"]
    assert clients[1].delete(f"videos/{name}").status_code == 204 and not folder.exists()
    again = order(clients[1], hopper_jpeg, speech).json()["id"]
    assert wait_for(clients[1], again)["state"] == "done"

    left = list(replicas[0].temp.glob("candor-*"))  # nobody could tidy up; the next process does, a day later
    assert left
    for root in left:
        os.utime(root, (0, time.time() - 2 * 24 * 3600))
    monkeypatch.setattr("tempfile.tempdir", str(replicas[0].temp))
    remove_abandoned()
    assert not list(replicas[0].temp.glob("candor-*"))
