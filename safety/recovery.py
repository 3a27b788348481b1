"""Soft Binding Resolution: from a watermark, or a stripped copy, back to the signed manifest.

The routes of the C2PA Soft Binding Resolution API (2.4) on the local store: POST and GET /matches/byBinding, POST
/matches/byContent, GET /manifests/{id}, and GET /services/supportedAlgorithms. A manifest found this way is a soft
match: it says what was once signed, not that this copy is unedited.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from safety.errors import UnreadableVideo
from safety.ledger.log import stored_bytes
from safety.manifest import WATERMARK_ALGORITHM
from safety.media import sample_clip
from safety.tables import manifests
from safety.vault import Vault
from safety.witnesses import look

MOST_UPLOAD = 100 << 20  # bytes
SAMPLED_FRAMES = 80
MOST_CALLERS = 10_000  # remembered for the rate limit


class Binding(BaseModel):
    """A soft binding: the watermark's algorithm and its value, 8 hex digits."""

    alg: str = Field(max_length=100)
    value: str = Field(max_length=100)


class Match(BaseModel):
    """One manifest that belongs to the binding. similarityScore: 100, the id agrees exactly."""

    manifestId: str
    similarityScore: int = 100


class Matches(BaseModel):
    """All manifests that belong to a binding; none is an answer too."""

    matches: list[Match]


class RateLimit:
    """At most `calls` per `seconds` from one address; the answer 429 beyond. Shared by the routes of one router."""

    def __init__(self, calls: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._seconds, self._clock = calls, seconds, clock
        self._seen: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> None:
        address, now = request.client.host if request.client else "", self._clock()
        with self._lock:
            recent = [at for at in self._seen.pop(address, []) if now - at < self._seconds]
            if len(recent) < self._calls:
                recent.append(now)
                over = False
            else:
                over = True
            self._seen[address] = recent
            while len(self._seen) > MOST_CALLERS:
                self._seen.popitem(last=False)
        if over:
            wait = str(max(1, round(self._seconds - (now - recent[0]))))
            raise HTTPException(429, "Too many requests. Wait a little.", headers={"Retry-After": wait})


def router(
    vault: Callable[[], Vault],
    *,
    calls: int = 30,
    seconds: float = 60.0,
    reading: Callable[[], AbstractContextManager[None]] | None = None,
) -> APIRouter:
    """The routes for one installation. calls, seconds: the rate limit per address.

    reading: holds a place among those whose files are looked at, or raises. By default a search, which takes a second
    of CPU, runs alone, and others are told to come back.
    """
    alone = threading.Lock()

    @contextmanager
    def waiting() -> Iterator[None]:
        if not alone.acquire(timeout=5):
            raise HTTPException(503, "Another file is being searched. Try again in a few seconds.")
        try:
            yield
        finally:
            alone.release()

    place = reading or waiting
    routes = APIRouter(tags=["soft binding resolution"], dependencies=[Depends(RateLimit(calls, seconds))])

    def matches(mark_id: int) -> Matches:
        query = select(manifests.c.label).where(manifests.c.watermark_id == mark_id)
        with vault().ledger.transaction() as connection:
            return Matches(matches=[Match(manifestId=label) for (label,) in connection.execute(query)])

    def by_binding(alg: str, value: str) -> Matches:
        if alg != WATERMARK_ALGORITHM:
            raise HTTPException(400, f"Only the algorithm {WATERMARK_ALGORITHM} is known here.")
        if len(value) != 8 or not set(value.lower()) <= set("0123456789abcdef"):
            raise HTTPException(400, "The value must be a watermark id of 8 hexadecimal digits.")
        return matches(int(value, 16))

    @routes.get("/matches/byBinding")
    def get_by_binding(
        alg: Annotated[str, Query(max_length=100)], value: Annotated[str, Query(max_length=100)]
    ) -> Matches:
        """Manifests of a watermark id."""
        return by_binding(alg, value)

    @routes.post("/matches/byBinding")
    def post_by_binding(binding: Binding) -> Matches:
        """Manifests of a watermark id."""
        return by_binding(binding.alg, binding.value)

    @routes.post(
        "/matches/byContent",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def by_content(request: Request) -> Matches:
        """Manifests of the watermark in a video or image, which is the body of the request (at most 100 MB)."""
        from starlette.concurrency import run_in_threadpool

        with tempfile.NamedTemporaryFile(prefix="candor-match-") as file:
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_UPLOAD:
                    raise HTTPException(413, "The file is larger than 100 MB. Cut out the part in question.")
                file.write(chunk)
            file.flush()
            mark_id = await run_in_threadpool(search, Path(file.name))
        return Matches(matches=[]) if mark_id is None else matches(int(mark_id, 16))

    def search(path: Path) -> str | None:
        try:
            with place():
                return look(vault(), sample_clip(path, SAMPLED_FRAMES))[0].id
        except UnreadableVideo as error:
            raise HTTPException(415, "The body is neither a video nor an image that can be read.") from error

    @routes.get(
        "/manifests/{manifest_id}", response_class=Response, responses={200: {"content": {"application/c2pa": {}}}}
    )
    def manifest(manifest_id: str) -> Response:
        """The signed manifest store, as C2PA calls its JUMBF."""
        query = select(manifests.c.store).where(manifests.c.label == manifest_id[:255])
        with vault().ledger.transaction() as connection:
            store = connection.execute(query).scalar_one_or_none()
        if store is None:
            raise HTTPException(404, "No such manifest is kept here.")
        return Response(stored_bytes(store), media_type="application/c2pa")

    @routes.get("/services/supportedAlgorithms")
    def algorithms() -> dict[str, list[dict[str, str]]]:
        """What byBinding and byContent understand."""
        return {"watermarks": [{"alg": WATERMARK_ALGORITHM}], "fingerprints": []}

    return routes
