"""What stands on the right of the Create page: empty stage, progress, then the video beside its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demo import cards, texts
from demo.job import Job
from demo.samples import Sample

# A prepared clip is shown by the browser itself: the server's answer would take longer than the film to start.
PLAY = """() => { const updates = %s, {root, api_prefix} = window.gradio_config;
  for (const {value} of updates) if (value?.path) value.url = `${root}${api_prefix}/file=${value.path}`;
  return updates.map((update) => update && {__type__: "update", ...update}) }"""


class Result:
    """The widgets and the states they can be in, as updates for Gradio."""

    def __init__(self) -> None:
        self.stage = gr.HTML(cards.empty(texts.EMPTY_TITLE, texts.EMPTY_TEXT), elem_id="stage")
        self.stop = gr.Button(texts.CANCEL, visible=False, elem_id="stop")
        with gr.Row(elem_classes="takes"):
            with gr.Column(min_width=220):
                self.video = gr.Video(
                    label=texts.VIDEO_LABEL,
                    show_label=False,
                    visible=False,
                    autoplay=True,
                    buttons=[],
                    elem_id="result",
                )
                self.caption = gr.HTML(visible=False, elem_id="result-seed")
            with gr.Column(min_width=220, visible=False) as self.beside:
                self.earlier = gr.Video(
                    label=texts.EARLIER_LABEL, show_label=False, buttons=["download"], elem_id="earlier"
                )
                self.earlier_caption = gr.HTML(elem_id="earlier-seed")
        self.use_sample = gr.Button(texts.SAMPLE_USE, size="sm", visible=False, elem_id="use-sample")
        with gr.Row(visible=False, elem_id="result-next") as self.next:
            self.send = gr.Button(texts.SEND, size="sm", min_width=100, elem_id="send")
            self.detect = gr.Button(texts.SEND_DETECT, size="sm", min_width=100, elem_id="send-detect")
            self.again = gr.Button(texts.AGAIN, size="sm", min_width=100, elem_id="again")
        self.card = gr.HTML(visible=False, elem_id="result-card")
        with gr.Row(visible=False, elem_id="result-actions") as self.actions:
            self.save_video = self._saver(texts.DOWNLOAD_VIDEO, "download-video")
            self.save_receipt = self._saver(texts.DOWNLOAD_RECEIPT, "download-receipt")
            self.save_motion = self._saver(texts.DOWNLOAD_MOTION, "download-motion")

    @staticmethod
    def _saver(label: str, name: str) -> gr.DownloadButton:
        return gr.DownloadButton(label, size="sm", min_width=130, elem_id=name)

    @property
    def widgets(self) -> Sequence[Any]:
        """Everything that the states below change."""
        return [
            *(self.stage, self.video, self.caption, self.beside, self.earlier, self.earlier_caption, self.card),
            *(self.actions, self.save_video, self.save_receipt, self.save_motion, self.next, self.again),
            *(self.use_sample, self.stop),
        ]

    def on_stage(self, html: str) -> dict[Any, Any]:
        """Progress, and nothing else."""
        return {
            self.stage: gr.HTML(html, visible=True),
            self.stop: gr.Button(visible=False),
            self.video: gr.Video(visible=False, value=None),
            self.caption: gr.HTML(visible=False),
            self.beside: gr.Column(visible=False),
            self.card: gr.HTML(visible=False),
            self.actions: gr.Row(visible=False),
            self.next: gr.Row(visible=False),
            self.use_sample: gr.Button(visible=False),
        }

    def made(self, job: Job, earlier: Job | None) -> dict[Any, Any]:
        """A finished video; with the earlier one beside it when two are compared."""
        assert job.made is not None
        path = str(job.made.sealed.path)
        beside = earlier.made if earlier is not None else None
        return {
            self.stage: gr.HTML(visible=False),
            self.stop: gr.Button(visible=False),
            self.video: gr.Video(path, visible=True),
            self.caption: gr.HTML(cards.hint(texts.TAKE.format(seed=job.made.seed)), visible=beside is not None),
            self.beside: gr.Column(visible=beside is not None),
            self.earlier: gr.Video(str(beside.sealed.path) if beside else None),
            self.earlier_caption: gr.HTML(cards.hint(texts.TAKE.format(seed=beside.seed)) if beside else ""),
            self.card: gr.HTML(cards.result_card(job.made), visible=True),
            self.actions: gr.Row(visible=True),
            self.save_video: gr.DownloadButton(value=path, visible=True),
            self.save_receipt: gr.DownloadButton(value=str(job.receipt), visible=True),
            self.save_motion: gr.DownloadButton(value=str(job.motion), visible=True),
            self.next: gr.Row(visible=True),
            self.again: gr.Button(visible=True),
            self.use_sample: gr.Button(visible=False),
        }

    def sample(self, sample: Sample) -> str:
        """JavaScript that shows a prepared clip at once: updates for `widgets`, in their order."""
        hidden, clip = {"visible": False}, _file(sample.clip)
        card = cards.sample_card(sample.named(texts.language()), sample.report())
        changes: dict[Any, dict[str, Any]] = {
            self.stage: hidden,
            self.stop: hidden,
            self.video: {"visible": True, "value": clip},
            self.caption: hidden,
            self.beside: hidden,
            self.card: {"visible": True, "value": card},
            self.actions: {"visible": True},
            self.save_video: {"visible": True, "value": clip},
            self.save_receipt: hidden,
            self.save_motion: hidden,
            self.next: {"visible": True},
            self.again: hidden,
            self.use_sample: {"visible": True},
        }
        return PLAY % json.dumps([changes.get(widget, {}) for widget in self.widgets])


def _file(path: Path) -> dict[str, Any]:
    """A file that is served as it lies there, as the browser's widgets hold one; PLAY adds its address."""
    return {"path": str(path), "url": None, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
