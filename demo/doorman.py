"""Who and what comes through the door: one middleware in front of the web framework, for every request."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from demo import provenance, rest, texts
from demo.session import Visitors
from demo.studio import Studio, open_safety

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROXY = "CANDOR_TRUST_PROXY"  # set to 1 behind one's own reverse proxy; implied on a Space
MAX_UPLOAD = 100 << 20  # bytes of one file
MAX_REQUEST = MAX_UPLOAD + (64 << 10)  # bytes of an upload request: one file of that size and its wrapping
MAX_BODY = 1 << 20  # bytes of every other request: forms and controls
UPLOAD_SECONDS = 600.0  # to receive one upload in
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# The framework's routes that the page uses. All others are closed, those that later versions bring included.
PAGES = {"/", "/fr", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
GETS = {"info", "app_id", "startup-events", "theme.css", "queue/data", "upload_progress"}
POSTS = {"queue/join", "cancel", "reset", "upload"}
SOCKETS = {"/live"}
FOLDERS = (
    *provenance.READS,
    "/page/",
    "/documents/",
    "/assets/",
    "/static/",
    "/svelte/",
    "/gradio_api/heartbeat/",
    "/gradio_api/file=",
)
UPLOADS = {"/gradio_api/upload", provenance.CONTENT, *rest.FILES}
READ = PAGES | {"/healthz", "/metrics"} | {f"/gradio_api/{name}" for name in GETS}
WRITE = {f"/gradio_api/{name}" for name in POSTS} | UPLOADS | provenance.FORMS
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(self), geolocation=()"),
]


@dataclass(frozen=True)
class House:
    """Where the server stands.

    hosts:  the names it answers to, None for any.   proxy: whether X-Forwarded-* comes from a proxy of our own.
    frames: the pages that may show it in a frame, as a CSP source list.
    """

    hosts: frozenset[str] | None
    proxy: bool
    frames: str = "'self'"

    @classmethod
    def at(cls, host: str | None) -> House:
        """The house of a server bound to `host` (None: what the web framework takes by itself)."""
        host = host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
        space = bool(os.environ.get("SPACE_ID"))
        proxy = space or os.environ.get(PROXY) == "1"
        # Only a browser on this machine reaches a loopback address: another name there is DNS rebinding.
        hosts = LOOPBACK | {host} if host.strip("[]") in LOOPBACK and not proxy else None
        return cls(hosts, proxy, "'self' https://huggingface.co" if space else "'self'")


class Doorman:
    """Refuses what the page never sends, bounds what it does send, and adds the security headers."""

    def __init__(self, app: ASGIApp, visitors: Visitors, house: House, studio: Studio | None = None) -> None:
        self.app, self.visitors, self.house = app, visitors, house
        studio = studio or Studio()
        self.limits, self.metrics = studio.limits, studio.metrics
        self.metrics.watch("candor_visitors", "Open tabs that gave or made something", lambda: len(visitors))
        self.headers = [*HEADERS, (b"content-security-policy", f"frame-ancestors {house.frames}".encode())]
        self.arriving = 0  # bytes that uploads under way have announced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(_kind(scope), str(message["status"])).inc()
                message["headers"] = [*message.get("headers", []), *self.headers]
            await send(message)

        scope = self._unforged(scope)
        answer = self._refusal(scope) or _in_their_language(scope)
        if answer is None and scope["method"] == "POST":
            await run_in_threadpool(open_safety)  # before any handler; a moment once the models are loaded
            answer = await (self._upload if scope["path"] in UPLOADS else self._form)(scope, receive, with_headers)
        elif answer is None:
            await self.app(scope, receive, with_headers)
        if answer is not None:
            await answer(scope, receive, with_headers)

    def _unforged(self, scope: Scope) -> Scope:
        """The request without what anybody could have written into it about its way here."""
        headers = Headers(scope=scope)
        if self.house.proxy:
            address = client_of(headers.get("x-forwarded-for", ""))
            return {**scope, "client": (address, 0)} if address else scope
        return {**scope, "headers": [(k, v) for k, v in scope["headers"] if not k.startswith(b"x-forwarded-")]}

    def _refusal(self, scope: Scope) -> Response | None:
        path, method, headers = scope["path"], scope["method"], Headers(scope=scope)
        if self.house.hosts is not None and name_of(headers.get("host", "")) not in self.house.hosts:
            return PlainTextResponse("This server does not go by that name.", 421)
        if path.startswith(f"{rest.PREFIX}/"):
            known = rest.serves(method, path)
        else:
            known = path in WRITE if method == "POST" else method in ("GET", "HEAD") and _readable(path)
        if not known or "deep_link" in QueryParams(scope["query_string"]):
            return PlainTextResponse("Not served here.", 403)
        if method in ("POST", "DELETE") and not _own_origin(headers):
            return PlainTextResponse("Only Candor's own page may send this.", 403)
        if method == "POST":
            wait = self.limits.wait("posts", scope["client"][0] if scope.get("client") else "")
            if wait:
                return PlainTextResponse(
                    _said(scope, "Too many requests. Wait a little."), 429, {"retry-after": f"{wait:.0f}"}
                )
        return None

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a WebSocket of our own page through; any other is refused before it is opened."""
        scope = self._unforged(scope)
        headers = Headers(scope=scope)
        known = self.house.hosts is None or name_of(headers.get("host", "")) in self.house.hosts
        if known and scope["path"] in SOCKETS and headers.get("origin") and _own_origin(headers):
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        announced = Headers(scope=scope).get("content-length", "")
        if not announced.isdecimal():
            return PlainTextResponse("Say how long the upload is.", 411)
        length = int(announced)
        if length > MAX_REQUEST:
            return PlainTextResponse(_said(scope, "A file may have 100 MB at most."), 413)
        self.arriving += length
        try:
            if not await run_in_threadpool(self.visitors.has_room, self.arriving):
                return PlainTextResponse(
                    _said(scope, "There is no room for more files now. Try again in a few minutes."), 507
                )
            await self.app(scope, _in_time(receive), send)
        finally:
            self.arriving -= length
        return None

    async def _form(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if len(body) > MAX_BODY:
                return PlainTextResponse(_said(scope, "That is too much for a form."), 413)
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(messages, None) or await receive()

        await self.app(scope, again, send)
        return None


def _wanted(scope: Scope) -> str:
    """The language that the browser would rather have."""
    wanted = Headers(scope=scope).get("accept-language", "")[:200].lower()
    known = [tag.strip()[:2] for tag in wanted.split(",") if tag.strip()[:2] in ("en", "fr")]  # browsers sort by wish
    return known[0] if known else "en"


def _said(scope: Scope, sentence: str) -> str:
    """A refusal that the page will show, in the visitor's language."""
    with texts.speaking(_wanted(scope)):
        return texts.said(sentence)


def _in_their_language(scope: Scope) -> Response | None:
    """The way to the French page for a browser that would rather have it, unless the visitor asked for another."""
    if scope["path"] != "/" or "lang" in QueryParams(scope["query_string"]) or _wanted(scope) != "fr":
        return None
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"fr?{query}" if query else "fr", headers={"vary": "accept-language"})


def _kind(scope: Scope) -> str:
    """What a request is about, for the metrics: few words, whatever the address."""
    path = scope["path"]
    if path in PAGES:
        return "page"
    if path.startswith(f"{rest.PREFIX}/"):
        return "api"
    if path in UPLOADS or path in WRITE:
        return "upload" if path in UPLOADS else "event"
    if path.startswith("/gradio_api/file="):
        return "file"
    return "other"


def _own_origin(headers: Headers) -> bool:
    """Whether a page of this server sent it, or no page at all."""
    origin = headers.get("origin")
    own = {headers.get("host"), headers.get("x-forwarded-host")}  # the latter only from our own proxy
    return origin is None or urlsplit(origin).netloc in own - {None, ""}


def _readable(path: str) -> bool:
    if path.partition("file=")[2].lower().startswith("http"):  # would fetch another site's file on somebody's behalf
        return False
    return path in READ or path.startswith((*FOLDERS, *provenance.READS))


def _in_time(receive: Receive) -> Receive:
    """The same messages; whoever has not sent everything within UPLOAD_SECONDS is taken to have hung up."""
    end = time.monotonic() + UPLOAD_SECONDS
    complete = False

    async def timed() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
        except TimeoutError:
            return {"type": "http.disconnect"}
        complete = not message.get("more_body", False)
        return message

    return timed


def name_of(host: str) -> str:
    """The name in a Host header, without port and brackets; empty for nonsense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def client_of(forwarded: str) -> str:
    """The last public address of X-Forwarded-For: our proxies wrote it; what stands before it, anybody may have."""
    entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
    for entry in reversed(entries):
        try:
            if ipaddress.ip_address(entry).is_global:
                return entry
        except ValueError:
            break
    return entries[-1] if entries else ""
