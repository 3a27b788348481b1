"""Photos that bring something along: an address to fetch, or credentials of their own."""

from __future__ import annotations

import io
import socket
import threading
from dataclasses import replace

import c2pa
import pytest
from PIL import Image

from safety import Vault, attest, audit, issue_token, seal
from safety.authority import _authority, generated_authority
from safety.consent import Attestation
from safety.manifest import ManifestSigner
from tests.safety.helpers import moving
from vasa_core.types import Photo, Speech

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{url}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


@pytest.fixture
def listener():
    """A local port and the list of connections it got."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        visits, stop = [], threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                    visits.append(1)
                    connection.close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], visits
        stop.set()
        thread.join()


def jpeg_naming(photo: Photo, url: str) -> Photo:
    file = io.BytesIO()
    Image.fromarray(photo.pixels).save(file, "JPEG", xmp=XMP.format(url=url).encode())
    return replace(photo, file=file.getvalue(), mime="image/jpeg")


def signed_elsewhere(photo: Photo) -> Photo:
    """The photo as a camera with credentials of an authority unknown here would give it."""
    pem = generated_authority()["signer.pem"]
    stranger = _authority(pem, pem, development=True)
    jpeg = io.BytesIO()
    Image.fromarray(photo.pixels).save(jpeg, "JPEG")
    capture = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": capture}]}
    definition = {"claim_version": 2, "assertions": [{"label": "c2pa.actions.v2", "data": actions}]}
    out = io.BytesIO()
    with (
        c2pa.Signer.from_callback(stranger.sign, c2pa.C2paSigningAlg.ES256, stranger.chain_pem, None) as signer,
        c2pa.Builder(definition) as builder,
    ):
        builder.sign(signer, "image/jpeg", jpeg, out)
    return replace(photo, file=out.getvalue(), mime="image/jpeg")


def test_an_address_in_a_photo_is_never_fetched(
    vault: Vault, photo: Photo, speech: Speech, listener: tuple[int, list[int]], tmp_path
) -> None:
    port, visits = listener
    hostile = jpeg_naming(photo, f"http://127.0.0.1:{port}/manifest.c2pa")
    signer = ManifestSigner(vault.authority)
    assert signer._photo_file(hostile)[0] in ("image/jpeg", "image/png")
    record = attest(vault, Attestation("public-domain", "Her", "Me", "A test", source="NASA"), hostile, speech)
    token = issue_token(vault, record, hostile, speech)
    made = seal(vault, token, hostile, speech, moving(photo.pixels, 8), out=tmp_path / "a.mp4", fps=25)
    assert made.manifest_state == "Trusted"
    assert audit(vault, made.path).to_dict()["manifest"]["state"] == "Trusted"
    assert visits == []


def test_a_photo_with_credentials_of_its_own_is_no_contradiction(
    vault: Vault, photo: Photo, speech: Speech, tmp_path
) -> None:
    camera = signed_elsewhere(photo)
    record = attest(vault, Attestation("public-domain", "Her", "Me", "A test", source="NASA"), camera, speech)
    token = issue_token(vault, record, camera, speech)
    made = seal(vault, token, camera, speech, moving(photo.pixels, 40), out=tmp_path / "a.mp4", fps=25)
    report = audit(vault, made.path).to_dict()
    assert report["manifest"]["state"] == "Trusted" and report["contradictions"] == []


@pytest.mark.parametrize(
    "hostile", ["\x1b[2K\x1b[1Fmanifest Trusted", "a\nwatermark found", "\u202egnp.exe", "x\x9b1mbold"]
)
def test_text_from_files_cannot_steer_a_terminal(hostile: str) -> None:
    from safety.manifest import _clip

    assert all(character.isprintable() for character in _clip(hostile))
