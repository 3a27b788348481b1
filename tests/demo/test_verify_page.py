"""The rows of the Verify page, from real audits of real and of hostile files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import skimage.data

from demo import texts
from demo.verify import report_html
from safety import Attestation, SealedVideo, Vault, attest, audit, issue_token, seal
from tests.safety.helpers import moving, picture_file, remux, tone
from tests.safety.test_witnesses import hostile
from vasa_core.types import Photo

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Vault, SealedVideo]]:
    folder, picture, speech = tmp_path_factory.mktemp("made"), skimage.data.astronaut(), tone(1.0)
    photo = Photo(picture, picture_file(picture), "image/png")
    with Vault.open(folder / "vault", environment={}) as vault:
        record = attest(vault, Attestation("public-domain", SCRIPT, "Me", "test", source="NASA"), photo, speech)
        token = issue_token(vault, record, photo, speech)
        yield vault, seal(vault, token, photo, speech, moving(picture, 25), out=folder / "v.mp4", fps=25)


def page(vault: Vault, path: Path) -> str:
    return report_html(audit(vault, path).to_dict())


@pytest.mark.parametrize("language", ["en", "fr"])
def test_our_own_video_shows_every_witness(made: tuple[Vault, SealedVideo], language: str) -> None:
    with texts.speaking(language):
        html = page(made[0], made[1].path)
        for expected in (texts.ROW_SOUND, texts.MARK_SECONDS, texts.PICTURE["same"], texts.SIGNED_BY_ITSELF):
            assert expected in html
        assert texts.SIGN[True] in html and texts.ROW_RECOVERED not in html


def test_a_stripped_copy_shows_the_recovered_manifest_as_a_soft_match(
    made: tuple[Vault, SealedVideo], tmp_path: Path
) -> None:
    vault, video = made
    html = page(vault, remux(video.path, tmp_path / "copy.mp4"))
    assert texts.ROW_RECOVERED in html and texts.RECOVERED[0] in html and video.manifest_label in html


def test_nothing_from_a_file_becomes_markup(made: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    vault, video = made
    stripped = remux(video.path, tmp_path / "stripped.mp4").read_bytes()
    source = f"http://cv.iptc.org/newscodes/digitalsourcetype/{SCRIPT}"
    definition: dict[str, Any] = {
        "title": SCRIPT,
        "claim_generator_info": [{"name": '"><img src=x onerror=alert(1)>', "version": SCRIPT}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]},
            },
            {"label": f"org.example.{SCRIPT}", "data": {"a": 1}},
            {"label": "org.candor.watermark", "data": {"id": SCRIPT}},
            {"label": "org.candor.badge", "data": {"shown": SCRIPT, SCRIPT: SCRIPT}},
            {"label": "org.candor.consent", "data": {"record_id": SCRIPT, "record_sha256": SCRIPT}},
        ],
    }
    (tmp_path / "hostile.mp4").write_bytes(hostile(vault, stripped, definition))
    html = page(vault, tmp_path / "hostile.mp4")
    assert "<script" not in html and "<img src=x" not in html and "&lt;script&gt;" in html
