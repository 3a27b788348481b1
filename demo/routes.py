"""What the server answers beside the pages: scripts, the live connection, health, questions of origin."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from demo import rest
from demo.about import DOCUMENTS
from demo.live import socket
from demo.live.desk import LiveDesk
from demo.provenance import PREFIX, Later, provenance
from demo.rest.shelf import Shelf
from demo.session import Visitors
from demo.studio import Studio

SCRIPTS = Path(__file__).parent / "static"


def routes(studio: Studio, visitors: Visitors, desk: LiveDesk, shelf: Shelf | None = None) -> list[BaseRoute]:
    """Routes that come before those of the web framework. The Doorman must know them too.

    shelf: where videos made over HTTP wait; None takes a folder of this process.
    """
    shelf = shelf or Shelf(visitors.root)

    async def live(connection: WebSocket) -> None:
        await socket.answer(desk, connection)

    def api() -> FastAPI:
        from demo.rest.app import application

        return application(studio, shelf)

    async def health(_: Request) -> JSONResponse:
        """Ready once the models are loaded; a load balancer sends nobody before."""
        return JSONResponse({"status": "ok" if studio.ready else "starting"}, 200 if studio.ready else 503)

    async def metrics(request: Request) -> Response:
        return studio.metrics.answer(request)

    async def document(request: Request) -> Response:
        path = DOCUMENTS.get(request.path_params["name"])
        if path is None or not path.exists():
            return PlainTextResponse("There is no such document.", 404)
        return FileResponse(path, media_type="text/plain; charset=utf-8")

    return [
        Route("/documents/{name}", document),
        WebSocketRoute("/live", live),
        Route("/healthz", health),
        Route("/metrics", metrics),
        Mount(PREFIX, Later(lambda: provenance(lambda: studio.vault, studio.reading))),
        Mount(rest.PREFIX, Later(api)),
        Mount("/page", StaticFiles(directory=SCRIPTS)),
    ]
