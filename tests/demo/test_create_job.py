"""One video in the making, as the Create page runs it."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from demo import texts
from demo.create import Create
from demo.guard import explain
from demo.job import Job
from demo.session import Visitors
from demo.studio import Studio
from safety.consent import Attestation
from tests.demo.conftest import Desk
from vasa_core.errors import Cancelled, NoFaceFound
from vasa_core.types import Controls

ATTESTATION = Attestation("public-domain", "Grace Hopper", "A Tester", "automatic tests", source="US Navy")


@pytest.fixture
def visitors(tmp_path: Path):
    opened = Visitors(tmp_path / "root")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Studio:
    return Studio(desk.home)


def test_a_job_makes_the_video_that_was_attested_and_keeps_only_the_latest(
    studio: Studio, visitors: Visitors, desk: Desk
) -> None:
    visitor = visitors.of("one")
    visitor.photo, visitor.speech = visitor.keep(desk.photo, "photo"), visitor.keep(desk.speech, "speech")
    first = Job(studio, visitor, ATTESTATION, Controls(), 25)
    visitor.photo = None  # the visitor takes the photo away while the video is made
    first.run()
    assert first.made is not None and first.error is None and not visitor.working
    assert visitor.result == first.made.sealed.path and first.receipt.exists()
    visitor.photo = visitor.keep(desk.photo, "photo")
    second = Job(studio, visitor, ATTESTATION, Controls(seed=1), 25)
    second.run()
    assert second.made is not None and not first.made.sealed.path.exists() and not first.receipt.exists()
    assert first.made.sealed.record_id != second.made.sealed.record_id  # consent is signed anew for every video


def test_a_visitor_who_leaves_stops_the_work_and_leaves_nothing(studio: Studio, visitors: Visitors, desk: Desk) -> None:
    visitor = visitors.of("one")
    visitor.photo, visitor.speech = visitor.keep(desk.photo, "photo"), visitor.keep(desk.speech, "speech")
    job = Job(studio, visitor, ATTESTATION, Controls(), 60)
    worker = threading.Thread(target=job.run)
    worker.start()
    while (step := job.news(0.01)) is None or step.stage == "photo":
        assert worker.is_alive()
    visitors.leave("one")
    worker.join(300)
    assert job.made is None and isinstance(job.error, Exception) and not visitor.folder.exists()


def test_a_full_disk_is_a_sentence_in_the_visitors_language(studio: Studio, desk: Desk, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    visitors = Visitors(disk)
    try:
        visitor = visitors.of("one")
        visitor.photo, visitor.speech = visitor.keep(desk.photo, "photo"), visitor.keep(desk.speech, "speech")
        job = Job(studio, visitor, ATTESTATION, Controls(), 25)
        job.run()
        assert job.made is None and job.error is not None and visitor.result is None
        assert "The disk is full" in explain(job.error) and "Free some space" in explain(job.error)
        with texts.speaking("fr"):
            assert "disque est plein" in explain(job.error)
        assert [path.suffix for path in visitor.folder.iterdir() if path.name.startswith(".")] == []
    finally:
        visitors.close()
        subprocess.run(["umount", str(disk)], check=True)


def test_named_errors_are_shown_and_faults_only_referred_to(caplog: pytest.LogCaptureFixture) -> None:
    assert explain(NoFaceFound("No face. Use another photo.")) == "No face. Use another photo."
    assert explain(Cancelled("Stopped.")) == "Stopped."
    shown = explain(RuntimeError("secret path /home/someone"))
    assert "secret" not in shown and "Traceback" not in shown
    mark = shown.rsplit(" ", 1)[1].rstrip(".")
    assert mark in caplog.text and "secret path" in caplog.text  # the operator finds it by its reference
    assert explain(FileNotFoundError("gone")) == texts.GONE


def test_stills_without_consent_are_too_few_for_a_film(studio: Studio, visitors: Visitors, desk: Desk) -> None:
    with gr.Blocks():
        page = Create(studio, visitors)
    visitor = visitors.of("one")
    visitor.photo = visitor.keep(desk.photo, "photo")
    request = SimpleNamespace(session_hash="one", client=SimpleNamespace(host="192.0.2.7"))
    panel = [getattr(widget, "value", None) for widget in page.look.inputs]
    studio.limits.rates = replace(studio.limits.rates, previews=(1, 60.0))
    assert "data:image/jpeg" in page.preview(request, *panel)  # type: ignore[arg-type]
    assert "too often" in page.preview(request, *panel)  # type: ignore[arg-type]
