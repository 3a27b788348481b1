"""The shape of the page: one tab per task, and the ways between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo import about, cards, texts
from demo.create import Create
from demo.detect import Detect
from demo.inputs import QUIET, READS
from demo.live.desk import LiveDesk
from demo.live.page import Live
from demo.moving import Moving
from demo.session import Visitors
from demo.specimens import Specimens
from demo.studio import Studio
from demo.verify import Verify

# At its top; on a phone where the answer will be.
SHOW_TAB = """() => { scrollTo({top: 0});
  if (innerWidth <= 720) setTimeout(() => document.querySelector("%s")?.scrollIntoView({behavior: "smooth"}), 300);
  return {__type__: "update", selected: "%s"} }"""
SHOW_LIVE = """ticket => { const board = document.querySelector("#live-board");
  if (ticket && innerWidth <= 720) board?.scrollIntoView({behavior: "smooth"}) }"""
ANSWERS = {"verify": "#report", "detect": "#detect-report"}


def own_authority() -> bool:
    """Whether videos will be signed by an authority that was made here: no key of one's own is set."""
    return not os.environ.get("CANDOR_SIGNING_KEY")


def draw(studio: Studio, visitors: Visitors, desk: LiveDesk) -> None:
    """A header, one tab per task, and the ways between them, in the language being spoken."""
    specimens = Specimens(studio, visitors)
    gr.HTML(cards.header(own_authority()))
    with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:  # none hides in a menu
        with gr.Tab(texts.CREATE_TAB, id="create"):
            create = Create(studio, visitors)
        with gr.Tab(texts.LIVE_TAB, id="live") as tab:
            live = Live(studio, visitors, desk)
            with live.actions:  # a sealed recording is the visitor's latest video, as one of Create is
                live_send = gr.Button(texts.SEND, size="sm", min_width=100, elem_id="live-send")
                live_detect = gr.Button(texts.SEND_DETECT, size="sm", min_width=100, elem_id="live-detect")
        with gr.Tab(texts.VERIFY_TAB, id="verify"):
            verify = Verify(studio, visitors, specimens)
        with gr.Tab(texts.DETECT_TAB, id="detect"):
            detect = Detect(studio, visitors, specimens)
        with gr.Tab(texts.ABOUT_TAB, id="about"):
            about.draw()
    Moving(visitors, create)
    gr.HTML(cards.footer())

    def send(request: gr.Request) -> Iterator[dict[Any, Any]]:
        path = latest(request)
        yield {verify.file: path}
        for report in verify.watch(path, request):
            yield {verify.report: report}

    def send_to_detect(request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from examine(latest(request), request)

    def examine(path: str | None, request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield {detect.file: path}
        for report, save in detect.watch(path, request):
            yield {detect.report: report, detect.save: save}

    def latest(request: gr.Request) -> str | None:
        visitor = visitors.find(request.session_hash)
        return str(visitor.result) if visitor and visitor.result else None

    live.ticket.change(None, live.ticket, None, js=SHOW_LIVE)
    tab.select(live.photo.refresh, None, live.photo.widgets, **READS)
    examined = [detect.file, detect.report, detect.save]
    to_verify, to_detect = (create.result.send, live_send), (create.result.detect, live_detect)
    for button in (*to_verify, *to_detect, verify.onward):
        goal = "verify" if button in to_verify else "detect"
        button.click(None, None, tabs, js=SHOW_TAB % (ANSWERS[goal], goal), **QUIET)  # at once; the answer follows
    for button in to_verify:
        button.click(send, None, [verify.file, verify.report], **READS)
    for button in to_detect:
        button.click(send_to_detect, None, examined, **READS)
    verify.onward.click(examine, verify.file, examined, **READS)
