"""Serving the pages: what is set before Gradio is imported, the launch line, headers, start and end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

os.environ["FORWARDED_ALLOW_IPS"] = ""  # the Doorman decides whom to believe, not uvicorn
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read while Gradio is imported
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here comes from a hub
# The networks are small: a second thread spins more than it helps, and takes the core that draws (docs/live.md).
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # likewise: frames are spread over the cores, not parts of one

import gradio as gr
from gradio import http_server, processing_utils
from gradio.state_holder import SessionState
from starlette.middleware import Middleware
from uvicorn.config import Config

from demo import logs, rest, samples, texts
from demo.doorman import MAX_UPLOAD, Doorman, House
from demo.errors import UsageError
from demo.live.desk import LiveDesk
from demo.live.desk import allowed as live_seconds
from demo.rest.shelf import Shelf
from demo.routes import routes
from demo.session import Visitors, remove_abandoned, share
from demo.studio import Studio

HERE = Path(__file__).parent
CACHE_AGES = (600, 3600)  # every 10 minutes, drop uploads older than an hour
SWITCH_SECONDS = 0.0005  # live pictures pass through three threads that need Python's lock for moments: 5 ms is long
LONGEST_QUEUE = 64  # events of all kinds; the line for making videos is bounded on its own
# Gradio confines style.css to what lies inside its frame; the frame's own margin on phones is set here.
# The widgets' own words ("Drop file here") follow the browser's language unless they are told that of the page.
HEAD = """<link rel="icon" type="image/svg+xml" href="favicon.ico">
<script>{ const language = location.pathname.replace(/[/]$/, "").endsWith("/fr") ? "fr" : "en";
document.documentElement.lang = language;
Object.defineProperty(navigator, "language", { get: () => language });
Object.defineProperty(navigator, "languages", { get: () => [language] }) }</script>
<script src="page/live.js" defer></script>
<script src="page/look.js" defer></script>
<script src="page/language.js" defer></script>
<script src="page/toasts.js" defer></script>
<style>.nav-holder { display: none !important }
@media (max-width: 720px) { .gradio-container > .main { padding: 8px 0 !important } }</style>"""
FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

log = logging.getLogger("candor")


def close_the_network() -> None:
    """Make Gradio refuse a web address in a request, where it would fetch the file: not even the name is looked up."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise UsageError("Files are taken from your device, not from web addresses. Upload the file instead.")

    async def refuse_later(*_: object, **__: object) -> NoReturn:
        refuse()

    for name in ("async_ssrf_protected_get", "async_ssrf_protected_download"):
        setattr(processing_utils, name, refuse_later)
    for name in ("ssrf_protected_download", "save_url_to_cache", "unsafe_download"):
        setattr(processing_utils, name, refuse)


def set_up_the_server() -> None:
    """Settings of the web server that Gradio has no words for.

    No WebSocket compression: JPEG pictures would cost 1 ms each and stay as large. At the end open tabs, which listen
    for as long as they are open, are not waited for. No description of the whole page for every visitor: it is meant
    for deep links, which are closed here, and working it out would stop everybody else for 70 ms.
    """
    begin, meet = http_server.Server.__init__, SessionState.__init__

    def plainly(self: http_server.Server, config: Config, *rest: Any, **named: Any) -> None:
        config.ws_per_message_deflate = False
        config.timeout_graceful_shutdown = 1  # seconds
        begin(self, config, *rest, **named)

    def briefly(self: SessionState, blocks: gr.Blocks) -> None:
        meet(self, SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]

    http_server.Server.__init__ = plainly  # type: ignore[method-assign]
    SessionState.__init__ = briefly  # type: ignore[method-assign]
    SessionState._update_config = lambda *_: None  # type: ignore[method-assign]
    SessionState._update_value_in_config = lambda *_: None  # type: ignore[method-assign]


def give_memory_back() -> None:
    """Return to the system what the C library keeps of freed memory: every thread leaves some in a pool of its own."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def let_handlers_speak(page: gr.Blocks) -> None:
    """Make every handler speak the language of the page it belongs to: English but on "fr"."""
    for handler in page.fns.values():
        if handler.fn is not None:
            handler.fn = texts.spoken(handler.page or "en", handler.fn)


def theme() -> gr.themes.Base:
    """Paper, ink and one colour. System fonts: nothing is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="stone",
        radius_size="lg",
        font=FONTS,
        font_mono=MONO,
    ).set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#141312",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1d1c1a",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1d1c1a",
        body_text_color_subdued="#6b645e",
        body_text_color_subdued_dark="#a8a29e",
        block_border_color="#e7e4df",
        block_border_color_dark="#33302c",
        block_shadow="none",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#115e59",
        button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover_dark="#14877e",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1d1c1a",
        button_secondary_background_fill_hover="#f0faf8",
        button_secondary_background_fill_hover_dark="#12231f",
        button_secondary_border_color="#d9d5cf",
        button_secondary_border_color_dark="#45413b",
        button_border_width="1px",
        color_accent="#0f766e",
        color_accent_soft="#f0faf8",
        slider_color="#0f766e",
        slider_color_dark="#14b8a6",
    )


def serve(
    build: Callable[[Studio, Visitors, LiveDesk], gr.Blocks],
    host: str | None,
    port: int | None,
    studio: Studio | None = None,
) -> None:
    """Serve the page until SIGINT or SIGTERM, then remove everything visitors left.

    host, port: None takes GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, else 127.0.0.1 and the first free port from 7860.

    Raises UsageError when the address cannot be had.
    """
    logs.start()
    sys.setswitchinterval(SWITCH_SECONDS)
    remove_abandoned()
    share()  # a setting that cannot be read is named now, not to the first visitor
    studio = studio or Studio()

    def forget(folder: Path) -> None:
        studio.portraits.forget(folder)
        give_memory_back()

    visitors = Visitors(leaving=forget)
    os.environ["GRADIO_TEMP_DIR"] = str(visitors.root)  # uploads go where visitors' folders are, and go with them
    desk = LiveDesk(studio, seconds=live_seconds())
    shared = os.environ.get(rest.MEDIA, "").strip()
    shelf = Shelf(visitors.root, Path(shared) if shared else None)
    stop = threading.Event()
    try:
        close_the_network()
        set_up_the_server()
        gr.set_static_paths(samples.media())  # served as they lie there, without a copy
        page = build(studio, visitors, desk)
        page.queue(max_size=LONGEST_QUEUE, default_concurrency_limit=8, api_open=False)
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                theme=theme(),
                css_paths=HERE / "style.css",
                head=HEAD,
                favicon_path=str(HERE / "favicon.svg"),
                max_file_size=MAX_UPLOAD,
                show_error=False,
                run_history=False,
                footer_links=[],
                ssr_mode=False,
                mcp_server=False,
                share=False,
                enable_monitoring=False,
                app_kwargs={
                    "middleware": [Middleware(Doorman, visitors=visitors, house=House.at(host), studio=studio)],
                    "routes": routes(studio, visitors, desk, shelf),
                    "docs_url": None,
                    "redoc_url": None,
                },
            )
        except OSError as error:
            place = f"Port {port}" if port else "The address"
            raise UsageError(
                f"{place} cannot be used; another program may have it. Choose another with --port."
            ) from error
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        print(f"{texts.NAME} is open at {url}  (Ctrl-C ends it)", flush=True)
        visitors.watch()
        shelf.watch()
        threading.Thread(target=_warm_up, args=(studio,), name="candor-warm-up", daemon=True).start()
        stop.wait()
        page.close(verbose=False)
    finally:
        shelf.close()
        desk.close_all()
        visitors.close()


def _warm_up(studio: Studio) -> None:
    try:
        studio.warm_up(samples.FOLDER / "grace_hopper.jpg")
        log.info("models are loaded")
    except Exception:
        log.exception("the models could not be loaded; making videos will fail until this is mended")
