from __future__ import annotations

import io
import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.cose import padding
from benchmarks.watermark import recode
from safety import Attestation, SealedVideo, Vault, attest, audit, issue_token, revoke, seal
from safety.authority import _authority, generated_authority
from safety.errors import UnreadableVideo
from safety.manifest import Declaration, ManifestSigner
from safety.manifest_box import manifest_store
from safety.media import sample_frames
from tests.safety.helpers import Clock, moving, picture_file, remux
from vasa_core.types import Photo, Speech

Sealed = tuple[Vault, SealedVideo]


@pytest.fixture
def own(vault: Vault, token: str, photo: Photo, speech: Speech, tmp_path: Path) -> Iterator[SealedVideo]:
    """A sealed video in a vault that the test may change."""
    yield seal(vault, token, photo, speech, moving(photo.pixels, 25), out=tmp_path / "own.mp4", fps=25)


def test_own_output(sealed: Sealed) -> None:
    vault, video = sealed
    report = audit(vault, video.path)
    result = report.to_dict()
    assert result["manifest"]["state"] == "Trusted"
    assert result["manifest"]["generator"].startswith("Candor")
    assert "digitalSourceType: trainedAlgorithmicMedia" in result["manifest"]["claims"]
    assert result["watermark"]["found"] is True
    assert result["watermark"]["id"] == video.watermark_id
    assert result["watermark"]["score"] > 7
    assert result["watermark"]["chroma"] is True
    assert (result["consent"]["state"], result["consent"]["record_id"]) == ("valid", video.record_id)
    assert (result["log"]["included"], result["log"]["index"]) == (True, video.log_index)
    assert result["contradictions"] == []
    assert report.verdict == "sealed"
    assert video.watermark_id in result["summary"]
    assert result["manifest"]["development_authority"] is True
    assert json.loads(json.dumps(result)) == result


def test_the_contract_of_verify(sealed: Sealed) -> None:
    result = audit(*[sealed[0], sealed[1].path]).to_dict()
    assert {"manifest", "watermark", "consent", "log", "contradictions", "summary"} <= set(result)
    for part, keys in {
        "manifest": {"state", "generator", "claims"},
        "watermark": {"found", "id", "score"},
        "consent": {"state", "record_id"},
        "log": {"included"},
    }.items():
        assert keys <= set(result[part])


def test_a_stripped_copy_is_recovered_by_its_mark(sealed: Sealed, tmp_path: Path) -> None:
    vault, video = sealed
    report = audit(vault, remux(video.path, tmp_path / "copy.mp4"))
    assert report.verdict == "stripped_copy"
    assert report.manifest.state == "none"
    assert (report.watermark.found, report.watermark.id) == (True, video.watermark_id)
    assert report.log.manifest_label == video.manifest_label
    assert report.consent.record_id == video.record_id
    assert report.contradictions == ()
    assert "soft match" in report.summary


def test_a_reencoded_copy_in_another_container(sealed: Sealed, tmp_path: Path) -> None:
    with av.open(str(sealed[1].path)) as container:
        frames = recode([picture.to_ndarray() for picture in container.decode(video=0)], 23)
    with av.open(str(tmp_path / "copy.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "26"})
        stream.width = stream.height = 512
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="yuv420p")))
        container.mux(stream.encode(None))
    report = audit(sealed[0], tmp_path / "copy.mkv")
    assert report.verdict == "stripped_copy"
    assert report.watermark.id == sealed[1].watermark_id


def test_a_changed_byte(sealed: Sealed, tmp_path: Path) -> None:
    data = bytearray(sealed[1].path.read_bytes())
    data[-3000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    report = audit(sealed[0], tmp_path / "changed.mp4")
    assert report.manifest.state == "Invalid"
    assert report.verdict == "altered"
    assert [item.code for item in report.contradictions] == ["altered"]
    assert report.watermark.id == sealed[1].watermark_id


def test_a_forged_camera_claim_is_contradicted_by_the_pixels(
    sealed: Sealed, photo: Photo, speech: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The integrity clash: somebody else's intact manifest says "camera", the pixels say "generated"."""
    monkeypatch.setattr(
        "safety.declaration.TRAINED_ALGORITHMIC", "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    )
    stripped = remux(sealed[1].path, tmp_path / "stripped.mp4").read_bytes()
    pem = generated_authority()["signer.pem"]
    attacker = ManifestSigner(_authority(pem, pem, development=True))
    claim = Declaration("00000001", "r", "", "", "", "self", 0, "")
    (tmp_path / "forged.mp4").write_bytes(attacker.sign(stripped, "holiday", photo, speech, claim))
    report = audit(sealed[0], tmp_path / "forged.mp4")
    assert report.manifest.state == "Valid"
    assert report.verdict == "contradiction"
    assert [item.code for item in report.contradictions] == ["capture_claim", "foreign_signer"]
    assert "camera" in report.summary
    assert report.consent.record_id == sealed[1].record_id  # from the pixels, not from the forged claim


def test_a_swapped_picture_under_a_trusted_manifest(
    sealed: Sealed, photo: Photo, speech: Speech, tmp_path: Path
) -> None:
    vault, video = sealed
    stripped = remux(video.path, tmp_path / "stripped.mp4").read_bytes()
    claim = Declaration("00000001", "someone-elses", "", "", "", "self", 0, "")
    forged = ManifestSigner(vault.authority).sign(stripped, "t", photo, speech, claim)
    (tmp_path / "forged.mp4").write_bytes(forged)
    report = audit(vault, tmp_path / "forged.mp4")
    assert report.manifest.state == "Trusted"
    assert {"other_mark", "other_record"} <= {item.code for item in report.contradictions}


def test_a_trusted_manifest_over_unmarked_pixels(vault: Vault, photo: Photo, speech: Speech, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 512
        for frame in moving(photo.pixels, 10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    claim = Declaration("0123abcd", "no-such-record", "", "", "", "self", 0, "")
    (tmp_path / "v.mp4").write_bytes(ManifestSigner(vault.authority).sign(buffer.getvalue(), "t", photo, speech, claim))
    report = audit(vault, tmp_path / "v.mp4")
    assert {"mark_missing", "record_unknown"} <= {item.code for item in report.contradictions}
    assert (report.consent.state, report.log.included) == ("unknown", False)


def test_foreign_files_prove_nothing(vault: Vault, photo: Photo, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "foreign.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 320
        for frame in moving(photo.pixels, 10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame[:320, :320].copy(), format="rgb24")))
        container.mux(stream.encode(None))
    (tmp_path / "picture.png").write_bytes(picture_file(photo.pixels))
    (tmp_path / "picture %03d.jpg").write_bytes(photo.file)
    for name in ("foreign.mp4", "picture.png", "picture %03d.jpg"):
        report = audit(vault, tmp_path / name)
        assert report.verdict == "nothing"
        assert (report.manifest.state, report.watermark.found) == ("none", False)
        assert (report.consent.state, report.log.included) == ("none", None)
        assert "not a sign of authenticity" in report.summary


def test_another_installation_says_valid_and_no_more(sealed: Sealed, vault: Vault) -> None:
    report = audit(vault, sealed[1].path)
    assert report.manifest.state == "Valid"
    assert report.verdict == "foreign_manifest"
    assert report.watermark.found is False
    assert report.consent.record_id is None  # a stranger's manifest names no record of ours


def test_withdrawn_and_expired_consent_show(vault: Vault, clock: Clock, own: SealedVideo) -> None:
    clock.shift = timedelta(days=400)
    assert audit(vault, own.path).consent.state == "expired"
    clock.shift = timedelta()
    revoke(vault, own.record_id)
    report = audit(vault, own.path)
    assert report.consent.state == "withdrawn"
    assert report.contradictions == ()
    assert "withdrawn" in report.summary


def test_an_edited_ledger_is_named_first(vault: Vault, own: SealedVideo) -> None:
    with sqlite3.connect(vault.home / "ledger.sqlite") as raw:
        raw.execute(
            "UPDATE log_entries SET body = CAST(replace(CAST(body AS TEXT), '\"frames\":25', '\"frames\":26') AS BLOB)"
        )
    report = audit(vault, own.path)
    assert report.contradictions[0].code == "ledger_altered"
    assert report.log.included is False
    assert report.verdict == "contradiction"


def test_another_ledger_does_not_know_the_video(vault: Vault, own: SealedVideo, tmp_path: Path) -> None:
    """Same keys, lost ledger: the manifest is Trusted, but nothing vouches for consent any more."""
    shutil.copytree(vault.home / "keys", tmp_path / "restored" / "keys")
    with Vault.open(tmp_path / "restored", environment={}) as restored:
        report = audit(restored, own.path)
        assert audit(restored, remux(own.path, tmp_path / "copy.mp4")).verdict == "trace"
    assert (report.watermark.found, report.watermark.trace) == (False, True)
    assert report.manifest.state == "Trusted"
    assert report.log.included is False
    assert {"mark_missing", "record_unknown"} <= {item.code for item in report.contradictions}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.txt", b"only words, " * 50),
        ("text.mp4", b"only words, " * 50),
        ("empty.mp4", b""),
        ("zeros.mp4", bytes(5000)),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.txt", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("sound.wav", None),
        ("cut.png", None),
    ],
)
def test_what_is_no_picture_is_refused(
    vault: Vault, tmp_path: Path, photo: Photo, speech: Speech, name: str, content: bytes | None
) -> None:
    if content is None:
        content = speech.file if name == "sound.wav" else picture_file(photo.pixels)[:60]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableVideo):
        audit(vault, tmp_path / name)


def test_missing_files_and_folders_are_refused(vault: Vault, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.mp4", tmp_path):
        with pytest.raises(UnreadableVideo):
            audit(vault, path)


def test_cut_off_videos_are_read_as_far_as_they_go(sealed: Sealed, tmp_path: Path) -> None:
    data = sealed[1].path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 8 // 10])
    report = audit(sealed[0], tmp_path / "cut.mp4")
    assert report.manifest.state == "Invalid"
    assert report.watermark.id == sealed[1].watermark_id


def test_long_videos_are_visited_in_places(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((384, 256), 70, np.uint8), format="yuv420p")
    with av.open(str(tmp_path / "long.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"preset": "ultrafast", "g": "25"})
        stream.width = stream.height = 256
        for index in range(1600):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = sample_frames(tmp_path / "long.mp4", 60)
    assert len(frames) == 65  # five in each of 13 places
    assert frames[0].shape == (384, 256)


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(picture_file(np.full((1001, 3001, 3), 90, np.uint8)))
    (frame,) = sample_frames(tmp_path / "large.png")
    assert frame.shape == (426 * 3 // 2, 1280)


def test_a_picture_bomb_is_refused_before_it_is_decoded(vault: Vault, tmp_path: Path) -> None:
    """16,000 x 16,000 black pixels, from 31 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    side = 16_000
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])  # one bit per pixel, grey
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(file)
    with pytest.raises(UnreadableVideo, match="pixels"):
        audit(vault, tmp_path / "bomb.png")


def test_attestation_names_stay_out_of_the_report(vault: Vault, photo: Photo, speech: Speech, tmp_path: Path) -> None:
    attestation = Attestation("self", "Unmistakable Name", "Unmistakable Name", "test", unstated="a test")
    token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
    video = seal(vault, token, photo, speech, moving(photo.pixels, 10), out=tmp_path / "v.mp4", fps=25)
    assert "Unmistakable" not in json.dumps(audit(vault, video.path).to_dict())


def test_bytes_that_no_signature_covers_are_compared_with_the_log(
    sealed: tuple[Vault, SealedVideo], tmp_path: Path
) -> None:
    vault, video = sealed
    data = bytearray(video.path.read_bytes())
    store = manifest_store(bytes(data))
    ((start, end),) = padding(store)
    assert end - start > 1000 and not any(store[start:end])  # zeros, in the unprotected header of the signature
    place = data.index(store) + start
    data[place : place + 6] = b"hidden"
    copy = tmp_path / "padded.mp4"
    copy.write_bytes(data)
    report = audit(vault, copy)
    assert (report.manifest.state, report.verdict) == ("Trusted", "altered")
    assert [item.code for item in report.contradictions] == ["unsigned_bytes"]
    for added in (b"\0\0\0\x10freeevilevil", b"\0\0\0\x10skipevilevil"):  # C2PA does not look into these either
        copy.write_bytes(video.path.read_bytes() + added)
        assert audit(vault, copy).verdict == "altered"
    copy.write_bytes(video.path.read_bytes().replace(b"isom", b"iso2", 1))  # a brand in the file-type box
    assert audit(vault, copy).verdict == "altered"
