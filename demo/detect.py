"""The Detect page: a suspect video in, a calibrated report out, with provenance first and apart."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from demo import cards, texts
from demo.guard import address, explain, outcome
from demo.inputs import QUIET, READS, SHOW, UPLOAD_MEGABYTES
from demo.session import Visitors
from demo.specimens import Specimens, draw
from demo.studio import Studio

if TYPE_CHECKING:  # the real imports wait until a file is examined, so that the page is quick
    from detection import Progress, Report

FILES = "/gradio_api/file="  # where the framework serves what the visitor uploaded


class Detect:
    """The page's widgets and what they do. Draws itself inside the current layout.

    The file field is a plain one on purpose: a video field re-encodes some files, and then the pixels are not those of
    the suspect any more.
    """

    def __init__(self, studio: Studio, visitors: Visitors, specimens: Specimens) -> None:
        self.studio, self.visitors, self.specimens = studio, visitors, specimens
        with gr.Row(elem_classes="halves"):
            with gr.Column(min_width=300, scale=2, elem_classes="left"):
                gr.HTML(f'<p class="lead">{texts.DETECT_INTRO}</p>')
                self.file = gr.File(
                    label=texts.DETECT_LABEL, show_label=False, type="filepath", height=220, elem_id="detect-file"
                )
                gr.HTML(cards.hint(texts.DETECT_PRIVATE.format(megabytes=UPLOAD_MEGABYTES)))
                buttons = draw("detect-")
                self.save = gr.DownloadButton(texts.DETECT_SAVE, size="sm", visible=False, elem_id="detect-save")
            with gr.Column(min_width=320, scale=4, elem_classes="right"):
                self.report = gr.HTML(self._empty(), elem_id="detect-report")
        outputs = [self.report, self.save]
        self.file.upload(self.watch, self.file, outputs, **READS)
        self.file.upload(None, js=SHOW % "#detect-report")
        self.file.clear(self.clear, None, outputs, **QUIET)
        for kind, button in buttons:
            button.click(None, js=SHOW % "#detect-report")
            button.click(self._picker(kind), None, [self.file, *outputs], **READS)

    def watch(self, path: str | None, request: gr.Request) -> Iterator[tuple[str, gr.DownloadButton]]:
        """The report on a file, with something to look at meanwhile."""
        hidden = gr.DownloadButton(visible=False)
        if path is None:
            yield self._empty(), hidden
            return
        yield cards.empty(texts.DETECT_WAIT_TITLE, texts.DETECT_WAIT_TEXT), hidden
        problem: BaseException | None = None
        try:
            self.studio.limits.check("examined", address(request))
            visitor = self.visitors.of(request.session_hash)
            visitor.uploads.add(Path(path))
            from detection import Progress
            from detection.html import document, fragment

            traces, words = "", texts.DETECT_WAIT_TEXT
            for step in self._steps(Path(path)):
                if isinstance(step, (dict, Progress)):
                    if isinstance(step, Progress):
                        words = _so_far(step)
                    else:
                        verdict = str(step["verdict"])
                        traces = texts.DETECT_TRACES.format(verdict=texts.VERDICT.get(verdict, verdict))
                    yield cards.empty(texts.DETECT_WAIT_TITLE, words, traces), hidden
                else:
                    report = replace(step, provenance=texts.said_facts(step.provenance))
            target = visitor.new("report", ".html")
            target.write_text(document(report, texts.language()), encoding="utf-8")
            save = gr.DownloadButton(value=str(target), visible=True)
            copy = getattr(save, "value", None)  # inside an event the framework copies later; the sweep takes that copy
            if isinstance(copy, dict):
                visitor.uploads.add(Path(copy["path"]))
            yield fragment(report, texts.language(), f"{FILES}{quote(path)}"), save
        except Exception as error:
            problem = error
            yield cards.notice(explain(error)), hidden
        finally:
            self.studio.metrics.readings.labels("detect", outcome(problem)).inc()

    def _picker(self, kind: str) -> Any:
        def pick(request: gr.Request) -> Iterator[dict[Any, Any]]:
            yield {self.report: cards.empty(texts.DETECT_WAIT_TITLE, texts.SPECIMENS_WAIT)}
            try:
                path = str(self.specimens.path(kind))
            except Exception as error:
                yield {self.report: cards.notice(explain(error))}
                return
            yield {self.file: path}
            for report, save in self.watch(path, request):
                yield {self.report: report, self.save: save}

        return pick

    def clear(self) -> tuple[str, gr.DownloadButton]:
        return self._empty(), gr.DownloadButton(visible=False)

    def _steps(self, path: Path) -> Iterator[dict[str, Any] | Progress | Report]:
        """What the traces say, progress and the report, as they come. Raises what the examination raises."""
        from detection import Progress

        said: queue.Queue[dict[str, Any] | Progress | Report | BaseException] = queue.Queue()

        def run() -> None:
            try:
                said.put(self.studio.examine(path, said.put, said.put))
            except BaseException as error:
                said.put(error)

        threading.Thread(target=run, name="candor-detect", daemon=True).start()
        while True:
            step = said.get()
            if isinstance(step, BaseException):
                raise step
            yield step
            if not isinstance(step, (dict, Progress)):
                return

    @staticmethod
    def _empty() -> str:
        return cards.empty(texts.DETECT_EMPTY_TITLE, texts.DETECT_EMPTY_TEXT)


def _so_far(step: Progress) -> str:
    from detection.words import percent

    done = texts.Number(step.done)
    if step.probability is None:
        return texts.DETECT_PART.format(done=done)
    return texts.DETECT_SO_FAR.format(done=done, probability=percent(step.probability, texts.language()))
