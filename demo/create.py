"""The Create page: inputs left, result right, consent between them."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo import cards, consent_step, look, samples, texts
from demo.errors import Busy, Missing
from demo.guard import explain
from demo.inputs import QUIET, READS, Inputs
from demo.line import LONGEST
from demo.progress import Pace, Step
from demo.session import Visitor, Visitors
from demo.studio import Creation, Studio

# On a phone the result is far below the button: show it once the work has begun.
WILL_FOLLOW = "() => { window.follow = innerWidth <= 720 }"
FOLLOW = """() => { const stage = document.querySelector("#stage");
  if (!window.follow || !stage.querySelector(".working")) return;
  window.follow = false; stage.scrollIntoView({behavior: "smooth"}) }"""
SHOW = """() => { const place = document.querySelector("%s");
  if (innerWidth <= 720 && place) place.scrollIntoView({behavior: "smooth", block: "%s"}) }"""
SHOW_RESULT, SHOW_NOTICE = SHOW % ("#result", "start"), SHOW % ("#notice", "center")
LOOK_AGAIN = 0.25  # seconds between two updates of the progress card


class Create:
    """The page's widgets and what its buttons do. Draws itself inside the current layout."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self.visitors = studio, visitors
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320, elem_classes="left"):
                self.inputs = Inputs(studio, visitors)
                gr.HTML(cards.heading(3, texts.CONSENT_STEP))
                self.consent = consent_step.build(studio)
                self.look = look.build()
                self.notice = gr.HTML(elem_id="notice")
                with gr.Row():
                    self.go = gr.Button(texts.CREATE, variant="primary", size="lg", elem_id="create")
                    self.stop = gr.Button(texts.CANCEL, size="lg", visible=False, min_width=100, elem_id="stop")
            with gr.Column(min_width=320, elem_classes="right"):
                self._draw_result()
                self._draw_samples()
        self._wire()

    def _draw_result(self) -> None:
        self.stage = gr.HTML(cards.empty(texts.EMPTY_TITLE, texts.EMPTY_TEXT), elem_id="stage")
        self.video = gr.Video(
            label=texts.VIDEO_LABEL, show_label=False, visible=False, autoplay=True, buttons=[], elem_id="result"
        )
        self.card = gr.HTML(visible=False, elem_id="result-card")
        with gr.Row(visible=False, elem_id="result-actions") as self.actions:
            self.save_video = gr.DownloadButton(
                texts.DOWNLOAD_VIDEO, size="sm", min_width=130, elem_id="download-video"
            )
            self.save_receipt = gr.DownloadButton(
                texts.DOWNLOAD_RECEIPT, size="sm", min_width=130, elem_id="download-receipt"
            )
            self.send = gr.Button(texts.SEND, size="sm", min_width=100, elem_id="send")
        self.use_sample = gr.Button(texts.SAMPLE_USE, size="sm", visible=False, elem_id="use-sample")
        self.result = [
            self.stage,
            self.video,
            self.card,
            self.actions,
            self.save_video,
            self.save_receipt,
            self.use_sample,
        ]

    def _draw_samples(self) -> None:
        self.samples = samples.ready()
        self.sample_buttons: list[gr.Button] = []
        self.playing = gr.State(None)  # name of the sample that plays
        if not self.samples:
            return
        gr.HTML(f'<h2 class="step plain">{texts.SAMPLES_TITLE}</h2>' + cards.hint(texts.SAMPLES_HINT))
        with gr.Row(elem_classes="samples"):
            for sample in self.samples:
                button = gr.Button(
                    sample.title, icon=sample.poster, size="sm", min_width=120, elem_id=f"sample-{sample.name}"
                )
                self.sample_buttons.append(button)

    def _wire(self) -> None:
        working = [self.notice, self.go, self.stop, *self.result]
        self.go.click(
            self.make,
            [*self.consent.inputs, *self.look.inputs],
            working,
            show_progress="hidden",
            api_visibility="private",
            concurrency_limit=LONGEST + 2,
        )
        self.go.click(None, js=WILL_FOLLOW)
        self.stage.change(None, js=FOLLOW)
        self.stop.click(self.cancel, None, [self.stop], **QUIET)
        for sample, button in zip(self.samples, self.sample_buttons, strict=True):
            shown = button.click(self._player(sample), None, [self.notice, self.playing, *self.result], **QUIET)
            shown.then(None, js=SHOW_RESULT)
        loaded = self.use_sample.click(self.load_sample, self.playing, [self.notice, *self.inputs.widgets], **READS)
        loaded.then(None, js=SHOW_NOTICE)

    # making ---------------------------------------------------------------------------------------------------------

    def make(self, request: gr.Request, *values: Any) -> Iterator[dict[Any, Any]]:
        """Check the form, make the video in a thread, show its progress, then the result."""
        visitor = self.visitors.find(request.session_hash)
        count = len(self.consent.inputs)
        who = request.client.host if request.client else ""
        try:
            job = self._job(visitor, (*values[:count], str(request.session_hash)), values[count:], who)
        except Exception as error:
            yield {self.notice: cards.notice(explain(error))}
            return
        yield {
            self.notice: "",
            self.go: gr.Button(interactive=False),
            self.stop: gr.Button(visible=True, interactive=True),
            **self._stage(cards.progress_card(Pace().at("photo", 0.0))),
        }
        worker = threading.Thread(target=job.run, name="candor-create", daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                step = job.news()
                if step is not None:
                    yield {self.stage: cards.progress_card(step)}
        finally:
            job.cancel.set()  # the visitor left: the generator is closed while the worker still runs
        yield {
            self.go: gr.Button(interactive=True),
            self.stop: gr.Button(visible=False),
            **self._outcome(job),
        }

    def _job(self, visitor: Visitor | None, form: tuple[Any, ...], panel: tuple[Any, ...], who: str) -> Job:
        if visitor is None or visitor.photo is None:
            raise Missing(texts.MISSING_PHOTO)
        if visitor.speech is None:
            raise Missing(texts.MISSING_SPEECH)
        attestation = consent_step.read(*form)
        self.studio.check_attestation(attestation)
        controls, fps, whole = look.read(*panel)
        if visitor.working:
            raise Missing(texts.STILL_WORKING)
        return Job(self.studio, visitor, attestation, controls, fps, whole, who)

    def _stage(self, html: str) -> dict[Any, Any]:
        return {
            self.stage: gr.HTML(html, visible=True),
            self.video: gr.Video(visible=False, value=None),
            self.card: gr.HTML(visible=False),
            self.actions: gr.Row(visible=False),
            self.use_sample: gr.Button(visible=False),
        }

    def _outcome(self, job: Job) -> dict[Any, Any]:
        if job.made is None:
            message = cards.notice(explain(job.error) if job.error else texts.STOPPED)
            return {self.notice: message} | self._stage(cards.empty(texts.EMPTY_TITLE, texts.EMPTY_TEXT))
        return {
            self.notice: "",
            self.stage: gr.HTML(visible=False),
            self.video: gr.Video(str(job.made.sealed.path), visible=True),
            self.card: gr.HTML(cards.result_card(job.made), visible=True),
            self.actions: gr.Row(visible=True),
            self.save_video: gr.DownloadButton(value=str(job.made.sealed.path), visible=True),
            self.save_receipt: gr.DownloadButton(value=str(job.receipt), visible=True),
            self.use_sample: gr.Button(visible=False),
        }

    def cancel(self, request: gr.Request) -> dict[Any, Any]:
        """Stop the visitor's work at the next frame."""
        if visitor := self.visitors.find(request.session_hash):
            visitor.cancel.set()
        return {self.stop: gr.Button(interactive=False)}

    # samples --------------------------------------------------------------------------------------------------------

    def _player(self, sample: samples.Sample) -> Any:
        def play(request: gr.Request) -> dict[Any, Any]:
            try:
                self.visitors.of(request.session_hash).result = sample.clip
            except Busy as error:
                return {self.notice: cards.notice(explain(error))}
            return {
                self.notice: "",
                self.playing: sample.name,
                self.stage: gr.HTML(visible=False),
                self.video: gr.Video(str(sample.clip), visible=True),
                self.card: gr.HTML(cards.sample_card(sample.title, sample.report()), visible=True),
                self.actions: gr.Row(visible=True),
                self.save_video: gr.DownloadButton(value=str(sample.clip), visible=True),
                self.save_receipt: gr.DownloadButton(visible=False),
                self.use_sample: gr.Button(visible=True),
            }

        return play

    def load_sample(self, name: str | None, request: gr.Request) -> dict[Any, Any]:
        """Load the playing sample's photo and voice into steps 1 and 2."""
        sample = next((sample for sample in self.samples if sample.name == name), None)
        if sample is None:
            return {}
        loaded = self.inputs.load_files(sample.photo, sample.speech, request)
        return {self.notice: cards.notice(texts.SAMPLE_USED, "good"), **loaded}


class Job:
    """One video in the making, in its own thread."""

    def __init__(
        self,
        studio: Studio,
        visitor: Visitor,
        attestation: Any,
        controls: Any,
        fps: int,
        whole: bool = False,
        who: str = "",
    ) -> None:
        self.studio, self.visitor, self.attestation = studio, visitor, attestation
        self.controls, self.fps, self.whole, self.who = controls, fps, whole, who
        # What was attested is what lies in the fields now; the visitor may change them while the video is made.
        self.photo, self.speech, self.face = visitor.photo, visitor.speech, visitor.face
        self.names = (visitor.photo_name, visitor.speech_name)
        self.language = texts.language()  # of the notice that was shown; the thread speaks none
        self.cancel = visitor.cancel = threading.Event()
        self.made: Creation | None = None
        self.receipt = visitor.new("candor-receipt", ".json")
        self.error: BaseException | None = None
        self._steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        visitor.held = {path for path in (self.photo, self.speech) if path is not None}
        visitor.working = True

    def cancelled(self) -> bool:
        """Whether the visitor pressed Stop or left."""
        return self.cancel.is_set() or self.visitor.gone

    def run(self) -> None:
        visitor, record = self.visitor, None

        def sign(photo: Any, speech: Any) -> Any:
            nonlocal record
            record = self.studio.consent(self.attestation, photo, speech, self.language)
            return record

        try:
            assert self.photo is not None and self.speech is not None
            made = self.studio.create(
                self.photo,
                self.speech,
                sign,
                visitor.new("candor-video", ".mp4"),
                controls=self.controls,
                fps=self.fps,
                full_frame=self.whole,
                face=self.face,
                names=self.names,
                progress=self._steps.put,
                who=self.who,
                cancelled=self.cancelled,
            )
            assert record is not None
            self.studio.save_receipt(record, self.receipt)
            for earlier in visitor.folder.glob("candor-*"):
                if earlier not in (made.sealed.path, self.receipt):
                    earlier.unlink(missing_ok=True)
            visitor.result, self.made = made.sealed.path, made
        except BaseException as error:
            self.error = error
        finally:
            visitor.held, visitor.working = set(), False
            if visitor.gone:  # whatever was written after the folder had been removed
                shutil.rmtree(visitor.folder, ignore_errors=True)

    def news(self) -> Step | None:
        """The latest step since the last call; waits a moment for one."""
        try:
            step = self._steps.get(timeout=LOOK_AGAIN)
            while not self._steps.empty():
                step = self._steps.get_nowait()
            return step
        except queue.Empty:
            return None
