"""Where a sealed video goes, and what keeps it from going there."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from safety import SealedVideo, Vault, attest, issue_token, seal
from safety.authority import _authority, generated_authority
from safety.consent import Attestation
from safety.errors import (
    OutputError,
    SelfCheckFailed,
)
from safety.manifest import ManifestSigner
from safety.video_mark import VideoMark
from tests.safety.helpers import no_file, untouched
from vasa_core.types import Photo, Speech

Clip = Callable[[int], Iterator[np.ndarray]]


def test_places_that_cannot_be_written(attempt: Callable[..., SealedVideo], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "missing" / "a.mp4", tmp_path / "file" / "a.mp4", tmp_path / "out", Path("/proc/a.mp4")):
        with pytest.raises(OutputError):
            attempt(untouched([]), out=out)
    assert attempt().frames == 25  # none of that used the token up


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(attempt: Callable[..., SealedVideo], tmp_path: Path) -> None:
    (tmp_path / "out").chmod(0o500)
    try:
        with pytest.raises(OutputError):
            attempt(untouched([]))
    finally:
        (tmp_path / "out").chmod(0o700)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(attempt: Callable[..., SealedVideo], small_disk: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"):
        attempt(out=small_disk / "talking.mp4")
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_without_root(attempt: Callable[..., SealedVideo], tmp_path: Path) -> None:
    """The kernel's own limit on file size stands in for the disk: the write fails in the middle."""
    resource = pytest.importorskip("resource")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(stage: str, _fraction: float) -> None:
        if stage == "signing":  # the ledger must still be able to write
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))

    try:
        with pytest.raises(OutputError):
            attempt(progress=limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert no_file(tmp_path)


def test_a_mark_that_does_not_read_back_is_not_handed_out(
    attempt: Callable[..., SealedVideo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vault: Vault
) -> None:
    monkeypatch.setattr(VideoMark, "writer", lambda *_: lambda _frame: None)  # as if marking had silently failed
    with pytest.raises(SelfCheckFailed, match="watermark"):
        attempt()
    assert no_file(tmp_path)
    assert vault.ledger.verify() == 2  # the consent and the id; no output was logged


def test_a_manifest_that_is_not_trusted_is_not_handed_out(
    attempt: Callable[..., SealedVideo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = generated_authority()["signer.pem"]
    sign, stranger = ManifestSigner.sign, ManifestSigner(_authority(pem, pem, development=True))
    monkeypatch.setattr(ManifestSigner, "sign", lambda _self, *rest: sign(stranger, *rest))
    with pytest.raises(SelfCheckFailed, match="Trusted"):
        attempt()
    assert no_file(tmp_path)


def test_a_disk_that_lies_is_noticed(
    attempt: Callable[..., SealedVideo], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = importlib.import_module("safety.seal")
    monkeypatch.setattr(module, "_write", lambda path, data: path.write_bytes(data[:-4000] + bytes(4000)))
    with pytest.raises(SelfCheckFailed, match="other bytes"):
        attempt()
    assert no_file(tmp_path)


def test_an_authority_from_the_environment_signs(
    attestation: Attestation, photo: Photo, speech: Speech, clip: Clip, tmp_path: Path
) -> None:
    pem = generated_authority()["signer.pem"].decode()
    cut = pem.index("-----BEGIN CERTIFICATE")
    environment = {"CANDOR_SIGNING_KEY": pem[:cut], "CANDOR_SIGNING_CHAIN": pem[cut:]}
    with Vault.open(tmp_path / "vault", environment=environment) as vault:
        assert not vault.development
        token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
        video = seal(vault, token, photo, speech, clip(10), out=tmp_path / "v.mp4", fps=25)
        assert video.manifest_state == "Trusted"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_ctrl_c_in_a_real_process(tmp_path: Path) -> None:
    script = (
        "import numpy as np, sys, time\n"
        "from safety import Attestation, Vault, attest, issue_token, seal\n"
        "from vasa_core.types import Photo, Speech\n"
        "photo = Photo(np.zeros((64, 64, 3), np.uint8), b'p', 'image/bmp')\n"
        "speech = Speech(np.zeros(16000, np.float32), np.zeros((48000, 1), np.int16), b's', 'audio/ogg')\n"
        "vault = Vault.open(sys.argv[1] + '/vault', environment={})\n"
        "record = attest(vault, Attestation('synthetic', 'nobody', 'tester', 'test', source='drawn'), photo, speech)\n"
        "def frames():\n"
        "    while True:\n"
        "        print('frame', flush=True)\n"
        "        time.sleep(0.01)\n"
        "        yield np.full((512, 512, 3), 90, np.uint8)\n"
        "token = issue_token(vault, record, photo, speech)\n"
        "seal(vault, token, photo, speech, frames(), out=sys.argv[1] + '/out/talking.mp4', fps=25)\n"
    )
    (tmp_path / "out").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(15):
        assert process.stdout.readline() == "frame\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert no_file(tmp_path)
