"""The shape of the page: one tab per task, and the ways between them."""

from __future__ import annotations

import gradio as gr

from demo import cards, texts
from demo.create import Create
from demo.detect import Detect
from demo.inputs import READS
from demo.live.desk import LiveDesk
from demo.live.page import Live
from demo.session import Visitors
from demo.studio import Studio
from demo.verify import Verify


def draw(studio: Studio, visitors: Visitors, desk: LiveDesk) -> None:
    """A header, one tab per task, and the ways between them, in the language being spoken."""
    gr.HTML(cards.header())
    with gr.Tabs(elem_id="tabs") as tabs:
        with gr.Tab(texts.CREATE_TAB, id="create"):
            create = Create(studio, visitors)
        with gr.Tab(texts.LIVE_TAB, id="live") as tab:
            live = Live(studio, visitors, desk)
        with gr.Tab(texts.VERIFY_TAB, id="verify"):
            verify = Verify(studio, visitors)
        with gr.Tab(texts.DETECT_TAB, id="detect"):
            Detect(studio, visitors)
    gr.HTML(cards.footer())

    def send(request: gr.Request) -> tuple[gr.Tabs, str | None, str]:
        visitor = visitors.find(request.session_hash)
        path = str(visitor.result) if visitor and visitor.result else None
        return gr.Tabs(selected="verify"), path, verify.examine(path, request)

    tab.select(live.photo.refresh, None, live.photo.widgets, **READS)
    create.result.send.click(send, None, [tabs, verify.file, verify.report], **READS)
