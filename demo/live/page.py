"""The Live page: a photo, a consent for whatever will be said, then the microphone."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from demo import cards, consent_step, look, texts
from demo.errors import Missing
from demo.guard import address, explain
from demo.inputs import QUIET, READS, PhotoStep
from demo.line import LONGEST
from demo.live.desk import LiveDesk
from demo.live.session import SHORTEST
from demo.progress import Pace, Step
from demo.session import Visitors
from demo.studio import Creation, Studio
from vasa_core.types import FRAME_SIZE

LOOK_AGAIN = 0.25  # seconds between two updates of the progress card
CHECK = "() => { const problem = window.candorLive.lacks(); if (problem) throw new Error(problem) }"
START = "ticket => { window.candorLive.start(ticket); }"
STOP = "() => { window.candorLive.stop(); }"
LOOK = "(...values) => { window.candorLive.look(...values); }"
HEAR = "() => { window.candorLive.monitor(); }"


class Live:
    """The page's widgets and what its buttons do. Draws itself inside the current layout."""

    def __init__(self, studio: Studio, visitors: Visitors, desk: LiveDesk) -> None:
        self.studio, self.visitors, self.desk = studio, visitors, desk
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320, elem_classes="left"):
                gr.HTML(f'<p class="lead">{escape(texts.LIVE_INTRO)}</p>')
                self.photo = PhotoStep(studio, visitors, prefix="live-")
                gr.HTML(cards.heading(2, texts.CONSENT_STEP))
                self.consent = consent_step.build(studio, visitors, prefix="live-")
                gr.HTML(cards.hint(texts.LIVE_CONSENT.format(minutes=round(desk.seconds / 60))))
                self.notice = gr.HTML(elem_id="live-notice")
                self.go = gr.Button(texts.LIVE_START, variant="primary", size="lg", elem_id="live-start")
            with gr.Column(min_width=320, elem_classes="right"):
                gr.HTML(board(), elem_id="live-stage")
                with gr.Row():
                    self.hear = gr.Checkbox(label=texts.LIVE_HEAR, container=False, min_width=220, elem_id="live-hear")
                    self.stop = gr.Button(texts.LIVE_STOP, size="sm", min_width=100, elem_id="live-stop")
                self.look = look.build_live()
                self._draw_recording()
        self._wire()

    def _draw_recording(self) -> None:
        self.ended = gr.Button(visible="hidden", elem_id="live-ended")  # pressed by the page's script
        self.ticket = gr.Textbox(visible="hidden", elem_id="live-ticket")
        self.seal = gr.Button(texts.LIVE_SEAL, size="sm", visible=False, elem_id="live-seal")
        self.stage = gr.HTML(visible=False, elem_id="live-progress")
        self.video = gr.Video(
            label=texts.VIDEO_LABEL, show_label=False, visible=False, buttons=[], elem_id="live-result"
        )
        self.card = gr.HTML(visible=False, elem_id="live-card")
        with gr.Row(visible=False) as self.actions:
            self.save = gr.DownloadButton(texts.DOWNLOAD_VIDEO, size="sm", min_width=130, elem_id="live-download")
            self.receipt = gr.DownloadButton(texts.DOWNLOAD_RECEIPT, size="sm", min_width=130, elem_id="live-receipt")

    def _wire(self) -> None:
        outcome = [self.seal, self.stage, self.video, self.card, self.actions, self.save, self.receipt]
        begun = self.go.click(
            self.begin, self.consent.inputs, [self.notice, self.ticket, *outcome], **READS | {"show_progress": "full"}
        )
        begun.then(None, self.ticket, None, js=START)
        self.stop.click(None, js=STOP)
        self.hear.change(None, js=HEAR)
        for widget in self.look.inputs:
            widget.change(None, self.look.inputs, None, js=LOOK)  # type: ignore[attr-defined]
        self.ended.click(self.offer, None, [self.seal], **QUIET)
        self.seal.click(
            self.keep,
            None,
            [self.notice, *outcome],
            show_progress="hidden",
            api_visibility="private",
            concurrency_limit=LONGEST + 2,
        )

    def begin(self, request: gr.Request, *form: Any) -> dict[Any, Any]:
        """Sign the consent and prepare the session; the ticket lets the browser's connection in."""
        hidden = {part: gr.update(visible=False) for part in (self.seal, self.stage, self.video, self.card)}
        try:
            visitor = self.visitors.find(request.session_hash)
            if visitor is None or visitor.photo is None:
                raise Missing(texts.MISSING_PHOTO)
            stated = consent_step.read(*(*form, str(request.session_hash)), hear=self.studio.hear)
            attestation = replace(stated, any_audio=True)
            self.studio.check_attestation(attestation)
            place = self.desk.open(
                str(request.session_hash),
                visitor.photo,
                visitor.photo_name,
                visitor.face,
                attestation,
                texts.language(),
                address(request),
            )
        except Exception as error:
            return {self.notice: cards.notice(explain(error)), self.ticket: ""}
        return {self.notice: "", self.ticket: place.ticket, self.actions: gr.Row(visible=False), **hidden}

    def offer(self, request: gr.Request) -> dict[Any, Any]:
        """Let the visitor keep the recording, when there is one."""
        place = self.desk.of(request.session_hash)
        return {self.seal: gr.Button(visible=place is not None and place.session.recording.seconds >= SHORTEST)}

    def keep(self, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Seal the recording, with its progress, then show it."""
        visitor, place = self.visitors.find(request.session_hash), self.desk.of(request.session_hash)
        if visitor is None or place is None:
            yield {self.notice: cards.notice(texts.GONE), self.seal: gr.Button(visible=False)}
            return
        place.session.stop()
        out, receipt = visitor.new("candor-live", ".mp4"), visitor.new("candor-receipt", ".json")
        steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        done: list[Creation | BaseException] = []
        stop = threading.Event()

        def work() -> None:
            try:
                done.append(self.desk.seal(place, out, address(request), steps.put, stop.is_set))
                self.studio.save_receipt(place.record, receipt)
            except BaseException as error:
                done.append(error)

        worker = threading.Thread(target=work, name="candor-live-seal", daemon=True)
        worker.start()
        yield {
            self.seal: gr.Button(visible=False),
            self.stage: gr.HTML(cards.progress_card(Pace().at("rendering", 0.0)), visible=True),
        }
        try:
            while worker.is_alive():
                try:
                    yield {self.stage: gr.HTML(cards.progress_card(steps.get(timeout=LOOK_AGAIN)))}
                except queue.Empty:
                    continue
        finally:
            stop.set()  # the visitor left: the generator is closed while the worker still runs
        yield self._outcome(done[-1], visitor, str(out), str(receipt))

    def _outcome(self, made: Any, visitor: Any, out: str, receipt: str) -> dict[Any, Any]:
        if isinstance(made, BaseException):
            return {
                self.notice: cards.notice(explain(made)),
                self.seal: gr.Button(visible=True),
                self.stage: gr.HTML(visible=False),
            }
        visitor.result = made.sealed.path
        return {
            self.notice: "",
            self.stage: gr.HTML(visible=False),
            self.video: gr.Video(out, visible=True),
            self.card: gr.HTML(cards.result_card(made), visible=True),
            self.actions: gr.Row(visible=True),
            self.save: gr.DownloadButton(value=out),
            self.receipt: gr.DownloadButton(value=receipt),
        }


def board() -> str:
    """Where the portrait speaks; the script finds its sentences in `data-words`."""
    words = escape(json.dumps(texts.LIVE_WORDS, ensure_ascii=False))
    return (
        f'<div id="live-board" data-state="idle" data-words="{words}">'
        f'<canvas width="{FRAME_SIZE}" height="{FRAME_SIZE}" role="img" '
        f'aria-label="{escape(texts.LIVE_CANVAS)}"></canvas>'
        f'<p class="live-status" role="status">{escape(texts.LIVE_IDLE)}</p><p class="live-facts" aria-live="off"></p>'
        f'<p class="hint">{escape(texts.LIVE_MARKED)}</p></div>'
    )
