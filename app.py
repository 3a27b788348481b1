"""Candor's pages: the entry of the Space and of `python app.py`. Everything the page shows hangs on `build`."""

from __future__ import annotations

from demo import server  # first: it sets what Gradio reads when it is imported

import gradio as gr  # isort: skip

from demo import texts
from demo.live.desk import LiveDesk
from demo.pages import draw
from demo.session import Visitors
from demo.studio import Studio


def build(studio: Studio, visitors: Visitors, desk: LiveDesk) -> gr.Blocks:
    """The same page twice: in English at "/", in French at "/fr"."""

    def leave(request: gr.Request) -> None:
        visitors.leave(request.session_hash)
        desk.close(request.session_hash)

    with gr.Blocks(title=texts.NAME, analytics_enabled=False, delete_cache=server.CACHE_AGES) as page:
        draw(studio, visitors, desk)
        page.unload(leave)
    with page.route(texts.LANGUAGES["fr"], "fr", show_in_navbar=False), texts.speaking("fr"):
        draw(studio, visitors, desk)
    server.let_handlers_speak(page)
    return page


def main(host: str | None = None, port: int | None = None) -> None:
    """Serve until Ctrl-C. Models load in the background once the page can be opened."""
    server.serve(build, host, port)


if __name__ == "__main__":
    main()
