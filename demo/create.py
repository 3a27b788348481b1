"""The Create page: inputs left, result right, consent between them."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo import cards, consent_step, look, samples, texts
from demo.errors import Busy, Missing
from demo.guard import address, explain
from demo.inputs import QUIET, READS, SHOW, Inputs
from demo.job import Job
from demo.line import LONGEST
from demo.progress import Pace
from demo.result import Result
from demo.session import Visitor, Visitors
from demo.studio import Studio

# The result may be far from the button, and on a phone it is: show it once the work has begun.
WILL_FOLLOW = "() => { window.follow = true }"
FOLLOW = """() => { const stage = document.querySelector("#stage");
  if (!window.follow || !stage.querySelector(".working")) return;
  window.follow = false;
  const {top, bottom} = stage.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) stage.scrollIntoView({behavior: "smooth"}) }"""
SHOW_RESULT = SHOW % "#result"
# The samples behind the button for newcomers: the drawn character, so nobody's consent is missing, in their language.
EXAMPLE = {"en": "happy", "fr": "gaze"}
# After an example's answers have been filled in, one field is left: who answers for it.
ASK_NAME = """() => { let looks = 0; const look = setInterval(() => {
  const field = document.querySelector("#attester input, #attester textarea");
  if (++looks > 100 || field) clearInterval(look);
  if (!field || !document.activeElement.matches("body, button")) return;
  field.scrollIntoView({behavior: "smooth", block: "center"}); field.focus({preventScroll: true}) }, 100) }"""
WORKS: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": LONGEST + 2,
    "concurrency_id": "works",
}


class Create:
    """The page's widgets and what its buttons do. Draws itself inside the current layout."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self.visitors = studio, visitors
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=320, elem_classes="left"):
                self.example = gr.Button(texts.EXAMPLE, size="sm", elem_id="example", elem_classes="tip")
                self.inputs = Inputs(studio, visitors)
                gr.HTML(cards.heading(3, texts.CONSENT_STEP))
                self.consent = consent_step.build(studio, visitors)
                self.look = look.build()
                self.notice = gr.HTML(elem_id="notice")
                self.go = gr.Button(texts.CREATE, variant="primary", size="lg", elem_id="create")
            with gr.Column(min_width=320, elem_classes="right"):
                self.result = Result()
                self._draw_samples()
        self._wire()

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
                    sample.named(texts.language()),
                    icon=sample.poster,
                    size="sm",
                    min_width=120,
                    elem_id=f"sample-{sample.name}",
                )
                self.sample_buttons.append(button)

    def _wire(self) -> None:
        working = [self.notice, self.go, *self.result.widgets]
        for button, begin, given in (
            (self.go, self.make, [*self.consent.inputs, *self.look.inputs]),
            (self.result.again, self.make_again, self.look.inputs),
        ):
            button.click(None, js=WILL_FOLLOW)
            begun = button.click(begin, given, working, **QUIET)
            # Progress is an event of its own with one output: each update costs server and browser for every output.
            begun.then(self.follow, None, self.result.stage, **WORKS).then(self.finish, None, working, **QUIET)
        self.result.stage.change(None, js=FOLLOW)
        self.result.stop.click(self.cancel, None, self.result.stop, **QUIET)
        latest: dict[str, Any] = READS | {"trigger_mode": "always_last"}
        for widget in self.look.seen:
            widget.change(self.preview, self.look.inputs, self.look.preview, **latest)  # type: ignore[attr-defined]
        self.look.panel.expand(self.preview, self.look.inputs, self.look.preview, **READS)
        for sample, button in zip(self.samples, self.sample_buttons, strict=True):
            shown = button.click(None, None, self.result.widgets, js=self.result.sample(sample), **QUIET)
            shown.then(None, js=SHOW_RESULT)
            button.click(self._player(sample), None, [self.notice, self.playing], **QUIET)
        form = [self.notice, *self.inputs.widgets, *self.consent.inputs, *self.look.inputs]
        for button, name in (
            (self.result.use_sample, self.playing),
            (self.example, gr.State(EXAMPLE[texts.language()])),
        ):
            button.click(self.load_sample, name, form, **READS).then(None, js=ASK_NAME)

    # making ---------------------------------------------------------------------------------------------------------

    def make(self, request: gr.Request, *values: Any) -> dict[Any, Any]:
        """Check the form and begin the video in a thread of its own."""
        visitor = self.visitors.find(request.session_hash)
        count = len(self.consent.inputs)
        try:
            job = self._job(visitor, (*values[:count], str(request.session_hash)), values[count:], address(request))
        except Exception as error:
            return {self.notice: cards.notice(explain(error))}
        return self._begin(job)

    def make_again(self, request: gr.Request, *panel: Any) -> dict[Any, Any]:
        """Begin the last video once more with a new seed, under the same consent; both will be shown."""
        visitor = self.visitors.find(request.session_hash)
        try:
            if visitor is None or visitor.last is None or not visitor.last.photo.exists():
                raise Missing(texts.GONE)
            if visitor.working:
                raise Missing(texts.STILL_WORKING)
            controls, fps, whole, sign = look.read(*panel)
            controls = controls.but(seed=random.randint(0, look.MAX_SEED))
            job = Job(self.studio, visitor, None, controls, fps, whole, address(request), sign, visitor.last)
        except Exception as error:
            return {self.notice: cards.notice(explain(error))}
        return self._begin(job)

    def _begin(self, job: Job) -> dict[Any, Any]:
        job.visitor.job = job
        job.start()
        return {
            self.notice: "",
            self.go: gr.Button(interactive=False),
            **self.result.on_stage(cards.progress_card(Pace().at("photo", 0.0))),
            self.result.stop: gr.Button(visible=True, interactive=True),
        }

    def follow(self, request: gr.Request) -> Iterator[Any]:
        """The progress of the visitor's work as it comes, until it ends."""
        visitor = self.visitors.find(request.session_hash)
        job = visitor.job if visitor is not None else None
        yield gr.skip()
        if job is None:
            return
        try:
            while not job.ended:
                step = job.news()
                if step is not None:
                    yield cards.progress_card(step)
        finally:
            job.cancel.set()  # the visitor left: the generator is closed while the worker still runs

    def finish(self, request: gr.Request) -> dict[Any, Any]:
        """What has become of the work, once."""
        visitor = self.visitors.find(request.session_hash)
        job = visitor.job if visitor is not None else None
        if visitor is None or job is None:
            return {}
        job.wait()
        visitor.job = None
        return {
            self.go: gr.Button(interactive=True),
            **self._outcome(job),
        }

    def _job(self, visitor: Visitor | None, form: tuple[Any, ...], panel: tuple[Any, ...], who: str) -> Job:
        if visitor is None or visitor.photo is None:
            raise Missing(texts.MISSING_PHOTO)
        if visitor.speech is None:
            raise Missing(texts.MISSING_SPEECH)
        attestation = consent_step.read(*form, hear=self.studio.hear)
        self.studio.check_attestation(attestation)
        controls, fps, whole, sign = look.read(*panel)
        if visitor.working:
            raise Missing(texts.STILL_WORKING)
        return Job(self.studio, visitor, attestation, controls, fps, whole, who, sign)

    def _outcome(self, job: Job) -> dict[Any, Any]:
        earlier, job.earlier = job.earlier, None
        if job.made is not None:
            return {self.notice: "", **self.result.made(job, earlier)}
        message = cards.notice(explain(job.error) if job.error else texts.STOPPED)
        if earlier is not None and earlier.made is not None:  # the second take failed; the first one stays
            return {self.notice: message, **self.result.made(earlier, None)}
        return {
            self.notice: message,
            **self.result.on_stage(cards.empty(texts.EMPTY_TITLE, texts.EMPTY_TEXT)),
        }

    def cancel(self, request: gr.Request) -> dict[Any, Any]:
        """Stop the visitor's work at the next frame."""
        if visitor := self.visitors.find(request.session_hash):
            visitor.cancel.set()
        return {self.result.stop: gr.Button(interactive=False)}

    def preview(self, request: gr.Request, *panel: Any) -> str:
        """HTML of one still under the controls, or of the reason why there is none."""
        visitor = self.visitors.find(request.session_hash)
        if visitor is None or visitor.photo is None:
            return cards.hint(texts.PREVIEW_NEEDS)
        try:
            controls, *_ = look.read(*panel)
            self.studio.limits.check("previews", address(request))
            jpeg = self.studio.preview(visitor.photo, visitor.photo_name, visitor.face, controls)
        except Exception as error:
            return cards.notice(explain(error))
        return cards.preview("data:image/jpeg;base64," + base64.b64encode(jpeg).decode())

    # samples --------------------------------------------------------------------------------------------------------

    def _player(self, sample: samples.Sample) -> Any:
        def play(request: gr.Request) -> dict[Any, Any]:
            try:
                self.visitors.of(request.session_hash).result = sample.clip
            except Busy as error:
                return {self.notice: cards.notice(explain(error))}
            return {self.notice: "", self.playing: sample.name}

        return play

    def load_sample(self, name: str | None, request: gr.Request) -> dict[Any, Any]:
        """Load a sample's photo, voice, look, and what is known of the picture; who attests must still say so."""
        sample = next((sample for sample in self.samples if sample.name == name), None)
        if sample is None:
            return {}
        loaded = self.inputs.load_files(sample.photo, sample.speech, request)
        known = {part: gr.update(value=words) for part, words in self.consent.answers(sample, texts.language()).items()}
        look_of = look.fill(self.look, sample.recipe.controls, sample.recipe.fps)
        return {self.notice: cards.notice(texts.SAMPLE_USED, "good"), **loaded, **known, **look_of}
