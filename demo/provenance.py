"""What machines may ask over HTTP: from a watermark or a copy back to its manifest, and withdrawing a consent.

A web application of its own, mounted under PREFIX, described at PREFIX/openapi.json. The Doorman lets only its own
paths in; what they take is limited here: requests per address, bytes, and files read at once (`Studio.reading`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from demo.errors import Busy
from demo.studio import open_safety
from vasa_core.errors import CandorError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from safety.vault import Vault

PREFIX = "/provenance"
CONTENT = f"{PREFIX}/matches/byContent"  # takes a file as its body
FORMS = {f"{PREFIX}/matches/byBinding", f"{PREFIX}/withdrawals"}  # take a little JSON
READS = (f"{PREFIX}/matches/byBinding", f"{PREFIX}/manifests/", f"{PREFIX}/services/", f"{PREFIX}/openapi.json")
WITHDRAWALS_A_MINUTE = 6
DESCRIPTION = (
    "The routes of the C2PA Soft Binding Resolution API on this installation's own store, and the withdrawal of "
    "consents. What is found is a soft match: it says what was signed once, not that a copy is unedited."
)


class Later:
    """An ASGI application that is built at its first request: what it imports would keep the pages waiting."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build, self._lock = build, threading.Lock()
        self._built: list[ASGIApp] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._built[0] if self._built else await run_in_threadpool(self._once)
        await app(scope, receive, send)

    def _once(self) -> ASGIApp:
        with self._lock:
            if not self._built:
                open_safety()
                self._built.append(self._build())
            return self._built[0]


class Withdrawal(BaseModel):
    """Both stand in the receipt of the person who consented."""

    record_id: str = Field(max_length=36)
    code: str = Field(max_length=100)


class Withdrawn(BaseModel):
    """The record reads as withdrawn from now on."""

    record_id: str
    withdrawn: bool = True


def provenance(vault: Callable[[], Vault], reading: Callable[[], AbstractContextManager[None]]) -> FastAPI:
    """The application. reading: holds one of the places for people whose files are looked at."""
    from safety.consent import withdraw
    from safety.errors import ConsentInvalid
    from safety.recovery import RateLimit, router

    app = FastAPI(title="Candor, provenance", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.include_router(router(vault, reading=reading))
    limit = RateLimit(WITHDRAWALS_A_MINUTE, 60.0)

    @app.post("/withdrawals", tags=["consent"], dependencies=[Depends(limit)])
    def withdrawals(given: Withdrawal) -> Withdrawn:
        """Withdraw a consent with the code of its receipt. No further video; all earlier ones read as withdrawn."""
        try:
            withdraw(vault(), given.record_id, given.code)
        except ConsentInvalid as error:
            raise HTTPException(403, str(error)) from error
        return Withdrawn(record_id=given.record_id.strip().lower())

    @app.exception_handler(CandorError)
    def plainly(_: Request, error: Exception) -> Response:
        """A ledger that is down, or readers that are busy: the sentence, and no traceback."""
        retry = {"Retry-After": "60"} if isinstance(error, Busy) else {}
        return JSONResponse({"detail": str(error)}, 503, headers=retry)

    return app
