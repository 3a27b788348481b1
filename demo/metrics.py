"""What a machine may count while people work: for Prometheus, behind a token, without a word about anybody."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

TOKEN = "CANDOR_METRICS_TOKEN"  # what Prometheus shows as its bearer token; without it there is no endpoint
WALL_SECONDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The counts of one process. Labels have few values: outcomes and names of errors, never people or files.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("candor_requests", "HTTP requests, by kind and answer", ["kind", "code"], **kept)
        self.videos = Counter("candor_videos", "Videos asked for, by outcome", ["outcome"], **kept)
        self.wall = Histogram("candor_video_wall_seconds", "Making one video", buckets=WALL_SECONDS, **kept)
        self.seconds = Counter("candor_video_seconds", "Seconds of sealed video", **kept)
        self.readings = Counter(
            "candor_readings", "Files verified or examined, by outcome", ["kind", "outcome"], **kept
        )
        self.live = Counter("candor_live_sessions", "Live sessions that ended, by outcome", ["outcome"], **kept)
        self.pictures = Counter("candor_live_pictures", "Live pictures, drawn or left out", ["fate"], **kept)
        self._gauges: dict[str, Gauge] = {}
        self.refusals = Counter("candor_refusals", "Requests over a limit", ["limit"], **kept)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks; a later one of the same name takes its place."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, text, registry=self.registry)
        self._gauges[name].set_function(value)

    def answer(self, request: Request) -> Response:
        """What Prometheus reads; 404 where no token is set, 401 for a wrong one."""
        token = os.environ.get(TOKEN, "")
        if not token:
            return PlainTextResponse("Not served here.", 404)
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return PlainTextResponse("Show the metrics token.", 401, {"www-authenticate": "Bearer"})
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
