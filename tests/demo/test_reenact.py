"""`demo reenact`: the movement of a video's face, behind the same gate and seal as everything else."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data

from demo.cli import main
from tests.demo.conftest import ATTEST, Desk
from vasa_core.audio import load_speech


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory, speech_file: Path) -> Path:
    """A picture of a face that sways, with sound, 0.8 s; from 0.32 to 0.56 s nobody is there."""
    path = tmp_path_factory.mktemp("driving") / "driving.mp4"
    picture, sound = skimage.data.astronaut(), load_speech(speech_file)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        video.width = video.height = 512
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        for index in range(20):
            turn = cv2.getRotationMatrix2D((224, 120), 6 * np.sin(index / 3), 1.0)
            image = cv2.warpAffine(picture, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
            if 8 <= index < 14:
                image = np.full_like(image, 128)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        samples = np.ascontiguousarray(sound.playback[:, :1].T)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def test_a_video_drives_the_portrait(
    desk: Desk, driving: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    consent, out = tmp_path / "consent.json", tmp_path / "out.mp4"
    assert main(["consent", str(desk.photo), str(driving), *ATTEST, "-o", str(consent)]) == 0
    capfd.readouterr()
    assert (
        main(
            [
                "reenact",
                str(desk.photo),
                str(driving),
                "--consent",
                str(consent),
                "-o",
                str(out),
                "--fps",
                "25",
                "--json",
            ]
        )
        == 0
    )
    said = capfd.readouterr()
    report = json.loads(said.out)
    ((start, end),) = report["gaps"]
    assert start == pytest.approx(0.28, abs=0.05) and 0.5 < end < 0.75  # the face is searched for a few frames
    lines = [line for line in said.err.splitlines() if "could not be followed" in line]
    assert len(lines) == 1 and "driving.mp4" in lines[0]
    assert report["manifest"] == "Trusted" and report["frames"] == pytest.approx(20, abs=2)
    assert main(["verify", str(out), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["watermark"]["id"] == report["watermark_id"] and not facts["contradictions"]
    with av.open(str(out)) as container:
        first, *_, last = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    assert np.abs(first.astype(int) - last).mean() > 0.3  # it moved


def test_consent_must_be_for_this_video(desk: Desk, driving: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    words = ["reenact", str(desk.photo), str(driving), "--consent", str(desk.consent), "-o", str(out)]
    assert main(words) == 3 and not out.exists()


def test_sound_alone_cannot_drive(desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.mp4"
    words = ["reenact", str(desk.photo), str(desk.speech), "--consent", str(desk.consent), "-o", str(out)]
    assert main(words) == 2 and not out.exists()
    assert "no pictures" in capfd.readouterr().err
