"""Candor's pages: the entry of the Space and of `python app.py`. Everything the page shows hangs on `build`."""

from __future__ import annotations

from demo import server  # first: it sets what Gradio reads when it is imported

import gradio as gr  # isort: skip

from demo import cards, texts
from demo.create import Create
from demo.inputs import READS
from demo.session import Visitors
from demo.studio import Studio
from demo.verify import Verify


def build(studio: Studio, visitors: Visitors) -> gr.Blocks:
    """The same page twice: in English at "/", in French at "/fr"."""

    def leave(request: gr.Request) -> None:
        visitors.leave(request.session_hash)

    with gr.Blocks(title=texts.NAME, analytics_enabled=False, delete_cache=server.CACHE_AGES) as page:
        draw(studio, visitors)
        page.unload(leave)
    with page.route(texts.LANGUAGES["fr"], "fr", show_in_navbar=False), texts.speaking("fr"):
        draw(studio, visitors)
    server.let_handlers_speak(page)
    return page


def draw(studio: Studio, visitors: Visitors) -> None:
    """A header, one tab per task, and the ways between them, in the language being spoken."""
    gr.HTML(cards.header())
    with gr.Tabs(elem_id="tabs") as tabs:
        with gr.Tab(texts.CREATE_TAB, id="create"):
            create = Create(studio, visitors)
        with gr.Tab(texts.VERIFY_TAB, id="verify"):
            verify = Verify(studio, visitors)
    gr.HTML(cards.footer())

    def send(request: gr.Request) -> tuple[gr.Tabs, str | None, str]:
        visitor = visitors.find(request.session_hash)
        path = str(visitor.result) if visitor and visitor.result else None
        return gr.Tabs(selected="verify"), path, verify.examine(path, request)

    create.send.click(send, None, [tabs, verify.file, verify.report], **READS)


def main(host: str | None = None, port: int | None = None) -> None:
    """Serve until Ctrl-C. Models load in the background once the page can be opened."""
    server.serve(build, host, port)


if __name__ == "__main__":
    main()
