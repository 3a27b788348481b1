"""The command line as scripts see it: exit codes, one JSON object, one line per refusal, and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
from PIL import Image

from demo.cli import main
from safety.consent import Attestation, attest
from safety.vault import Vault, utc_now
from tests.demo.conftest import ATTEST, Desk, write_speech
from vasa_core.audio import load_speech
from vasa_core.photo import load_photo

ROOT = Path(__file__).resolve().parents[2]
REPORT = {
    "out",
    "seconds",
    "frames",
    "fps",
    "width",
    "height",
    "seed",
    "watermark_id",
    "badge",
    "manifest",
    "record_id",
    "log_index",
    "timings",
    "realtime",
}


def demo(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """`python -m demo ...` in a process of its own."""
    command = [sys.executable, "-m", "demo", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must fail; returns its one line."""

    def run(code: int, *words: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main([str(word) for word in words]) == code
        said = capfd.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("demo: ") and lines[0].endswith("."), said.err
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        return lines[0]

    return run


@pytest.mark.slow
def test_generate_and_verify_speak_clean_json(desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mp4"
    made = demo(
        "generate", desk.photo, desk.speech, "--consent", desk.consent, "-o", out, "--fps", 25, "--seed", 3, "--json"
    )
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert report.keys() >= REPORT and made.stdout.count("\n") == 1
    assert (report["out"], report["seed"], report["fps"], report["width"], report["height"]) == (
        str(out),
        3,
        25,
        512,
        512,
    )
    assert report["manifest"] == "Trusted" and report["frames"] == round(report["seconds"] * 25) == 20
    assert report["realtime"] > 0 and all(seconds >= 0 for seconds in report["timings"].values())
    assert "Traceback" not in made.stderr and "TensorFlow" not in made.stderr and "development authority" in made.stderr
    with av.open(str(out)) as video:
        assert (
            video.streams.video[0].codec_context.name == "h264" and video.streams.audio[0].codec_context.name == "aac"
        )

    capfd.readouterr()
    assert main(["verify", str(out), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts.keys() >= {
        "manifest",
        "watermark",
        "consent",
        "log",
        "contradictions",
        "summary",
    }
    assert facts["manifest"].keys() >= {"state", "generator", "claims"} and facts["manifest"]["state"] == "Trusted"
    assert facts["watermark"]["found"] and facts["watermark"]["id"] == report["watermark_id"]
    assert (
        facts["consent"]["record_id"] == report["record_id"]
        and facts["log"]["included"]
        and not facts["contradictions"]
    )


def test_help_is_quick_and_names_every_command() -> None:
    shown = demo("--help", env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rsplit("|", 1)[1].strip() for line in shown.stderr.splitlines() if line.startswith("import time:")}
    assert shown.returncode == 0 and "demo.cli" in loaded
    assert not loaded & {"numpy", "torch", "gradio", "cv2", "mediapipe", "av", "c2pa"}  # what takes seconds
    assert all(command in shown.stdout for command in ("consent", "generate", "verify", "revoke", "serve"))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["generate"],
        ["verify"],
        ["consent", "a", "b", "--basis", "because", "--subject", "x", "--attester", "x", "--purpose", "x", "-o", "c"],
        ["generate", "a", "b", "--consent", "c", "-o", "o.mp4", "--fps", "many"],
        ["generate", "a", "b", "--consent", "c", "-o", "o.mp4", "--gaze", "5"],
        ["generate", "a", "b", "--consent", "c", "-o", "o.mp4", "--emotion", "happy:very"],
        ["verify", "a", "--jso"],
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(refused: Callable[..., str], words: list[str]) -> None:
    assert "--help" in refused(2, *words)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--fps", "5"], "frames per second"),
        (["--fps", "61"], "frames per second"),
        (["--gaze", "-40,0"], "Gaze"),
        (["--gaze", "nan,0"], "Gaze"),
        (["--distance", "-0.9"], "Distance"),
        (["--emotion", "hungry:0.5"], "Emotion"),
        (["--head-motion", "3"], "Head motion"),
        (["--mouth", "-1"], "Mouth"),
        (["--blinks", "100"], "Blinks"),
        (["--seed", "-1"], "Seed"),
        (["--full-frame", "--distance", "0.2"], "Distance"),
    ],
)
def test_controls_out_of_range_are_named(
    refused: Callable[..., str], desk: Desk, tmp_path: Path, options: list[str], word: str
) -> None:
    target = tmp_path / "out.mp4"
    assert word in refused(2, "generate", desk.photo, desk.speech, "--consent", desk.consent, "-o", target, *options)


def zip_bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )


def bad_photo(kind: str, folder: Path, good: Path) -> Path:
    path = folder / "photo.jpg"
    if kind == "text":
        path.write_text("This is no picture.")
    elif kind == "truncated":
        path.write_bytes(good.read_bytes()[:5000])
    elif kind == "strip":
        Image.fromarray(np.zeros((1, 40_000, 3), np.uint8)).save(path, "PNG")
    elif kind == "bomb":
        path.write_bytes(zip_bomb())
    elif kind == "empty":
        path.touch()
    elif kind == "no face":
        Image.fromarray(np.full((256, 256, 3), 127, np.uint8)).save(path, "PNG")
    return path  # "missing": nothing is there


@pytest.mark.parametrize("kind", ["text", "truncated", "strip", "bomb", "empty", "missing"])
def test_photos_that_cannot_be_used(refused: Callable[..., str], desk: Desk, tmp_path: Path, kind: str) -> None:
    photo, target = bad_photo(kind, tmp_path, desk.photo), tmp_path / "out.mp4"
    assert "photo" in refused(2, "generate", photo, desk.speech, "--consent", desk.consent, "-o", target)
    assert "photo" in refused(2, "consent", photo, desk.speech, *ATTEST, "-o", tmp_path / "c.json")


def test_a_photo_without_a_face(
    refused: Callable[..., str], desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photo, consent = bad_photo("no face", tmp_path, desk.photo), tmp_path / "c.json"
    assert main(["consent", str(photo), str(desk.speech), *ATTEST, "-o", str(consent)]) == 0
    capfd.readouterr()
    line = refused(2, "generate", photo, desk.speech, "--consent", consent, "-o", tmp_path / "out.mp4")
    assert "No human face" in line


@pytest.mark.parametrize("kind", ["empty", "text", "too short", "silent film", "missing"])
def test_sound_that_cannot_be_used(refused: Callable[..., str], desk: Desk, tmp_path: Path, kind: str) -> None:
    sound = tmp_path / ("sound.mp4" if kind == "silent film" else "sound.wav")
    if kind == "empty":
        sound.touch()
    elif kind == "text":
        sound.write_text("la la la")
    elif kind == "too short":
        write_speech(sound, 0.1)
    elif kind == "silent film":
        with av.open(str(sound), "w") as film:
            stream = film.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")  # type: ignore[call-overload]
            for _ in range(10):
                film.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
            film.mux(stream.encode(None))
    refused(2, "generate", desk.photo, sound, "--consent", desk.consent, "-o", tmp_path / "out.mp4")


def test_consent_files_that_are_none(refused: Callable[..., str], desk: Desk, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    for content in (b"", b"{}", b"[]", b"not json", b"\xff" * 50, b'{"record": 1}', desk.photo.read_bytes()):
        wrong.write_bytes(content)
        refused(3, "generate", desk.photo, desk.speech, "--consent", wrong, "-o", tmp_path / "out.mp4")
    refused(3, "generate", desk.photo, desk.speech, "--consent", tmp_path / "none.json", "-o", tmp_path / "out.mp4")


def test_consent_for_something_else(refused: Callable[..., str], desk: Desk, tmp_path: Path) -> None:
    photo, speech = tmp_path / "astronaut.png", write_speech(tmp_path / "other.wav", 0.9)
    Image.fromarray(skimage.data.astronaut()).save(photo)
    assert "photo" in refused(3, "generate", photo, desk.speech, "--consent", desk.consent, "-o", tmp_path / "out.mp4")
    refused(3, "generate", desk.photo, speech, "--consent", desk.consent, "-o", tmp_path / "out.mp4")


def test_consent_that_was_altered(refused: Callable[..., str], desk: Desk, tmp_path: Path) -> None:
    altered = tmp_path / "altered.json"
    text = desk.consent.read_text()
    assert "Grace Hopper" in text
    altered.write_text(text.replace("Grace Hopper", "Someone Else"))
    refused(3, "generate", desk.photo, desk.speech, "--consent", altered, "-o", tmp_path / "out.mp4")


def test_consent_that_has_expired(
    refused: Callable[..., str],
    desk: Desk,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path_factory.mktemp("home")  # a ledger of its own: a clock set back is refused
    monkeypatch.setenv("CANDOR_HOME", str(home))
    attestation = Attestation("public-domain", "Grace Hopper", "A Tester", "tests", expires_days=1, source="US Navy")
    with Vault.open(home, clock=lambda: utc_now() - timedelta(days=3)) as vault:
        attest(vault, attestation, load_photo(desk.photo), load_speech(desk.speech)).save(tmp_path / "old.json")
    line = refused(
        3, "generate", desk.photo, desk.speech, "--consent", tmp_path / "old.json", "-o", tmp_path / "out.mp4"
    )
    assert "expired" in line


def test_consent_that_was_withdrawn(
    refused: Callable[..., str], desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    attestation = Attestation("public-domain", "Grace Hopper", "A Tester", "tests", source="US Navy")
    with Vault.open(desk.home) as vault:
        record = attest(vault, attestation, load_photo(desk.photo), load_speech(desk.speech))
    record.save(tmp_path / "mine.json")
    assert main(["revoke", record.id]) == 0
    assert record.id in capfd.readouterr().out
    line = refused(
        3, "generate", desk.photo, desk.speech, "--consent", tmp_path / "mine.json", "-o", tmp_path / "out.mp4"
    )
    assert "withdrawn" in line
    refused(3, "revoke", "nobody-knows-this-record")


def test_targets_that_cannot_be_written(refused: Callable[..., str], desk: Desk, tmp_path: Path) -> None:
    start = ["generate", desk.photo, desk.speech, "--consent", desk.consent, "-o"]
    assert "folder" in refused(2, *start, tmp_path / "nowhere" / "out.mp4")
    assert ".mp4" in refused(2, *start, tmp_path / "out.gif")
    (tmp_path / "folder.mp4").mkdir()
    assert "folder" in refused(2, *start, tmp_path / "folder.mp4")
    copy = tmp_path / "input.mp4"
    copy.write_bytes(desk.speech.read_bytes())
    assert "overwrite" in refused(2, "generate", desk.photo, copy, "--consent", desk.consent, "-o", copy)


def test_files_that_cannot_be_verified(refused: Callable[..., str], tmp_path: Path) -> None:
    for name, content in (("note.txt", b"hello"), ("empty.mp4", b""), ("noise.mp4", bytes(range(256)) * 40)):
        (tmp_path / name).write_bytes(content)
        refused(2, "verify", tmp_path / name)
    refused(2, "verify", tmp_path / "missing.mp4", "--json")


def start_generating(desk: Desk, folder: Path, target: Path) -> subprocess.Popen[str]:
    """A long video in the making; returns once frames are being drawn."""
    speech, consent = write_speech(folder / "long.wav", 9), folder / "long.json"
    assert main(["consent", str(desk.photo), str(speech), *ATTEST, "-o", str(consent)]) == 0
    command = [
        sys.executable,
        "-m",
        "demo",
        "generate",
        desk.photo,
        speech,
        "--consent",
        consent,
        "-o",
        target,
        "--fps",
        "60",
    ]
    process = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None and "drawing" in process.stderr.readline()
    return process


@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    process = start_generating(desk, tmp_path, folder / "out.mp4")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and out == "" and err == "demo: Stopped. Nothing was written.\n"
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(
    refused: Callable[..., str], desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        words = ["generate", desk.photo, desk.speech, "--consent", desk.consent, "-o", disk / "out.mp4", "--fps", "25"]
        assert main(list(map(str, words))) == 2
        said = capfd.readouterr()
        assert said.out == "" and "disk is full" in said.err.splitlines()[-1]
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = demo("serve", "--port", port)
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr.splitlines()[-1].startswith(f"demo: Port {port}") and "Traceback" not in answer.stderr
