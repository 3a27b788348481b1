"""The browser's connection to a live session: sound comes in, pictures go out, one WebSocket.

From the browser: binary messages, int16 mono at 16 kHz, little endian; text messages, JSON: `{"shown": frame}` after
every picture, `{"look": {...}}` with the controls, `{"stop": true}`. To the browser: binary messages, the frame's
number as uint32 little endian and a JPEG; text messages: `{"ready": samples heard so far, "left": seconds}`,
`{"notice": sentence}`, `{"over": sentence or "", "recorded": seconds}`.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import struct
import time
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from demo import texts
from demo.guard import explain
from demo.live.desk import LiveDesk, Place
from demo.live.session import Picture
from demo.look import live_controls
from vasa_core.errors import CandorError
from vasa_core.types import SAMPLE_RATE

IN_FLIGHT = 6  # pictures that may be under way: 240 ms; more would only be older when they arrive
MOST_BYTES = 64 << 10  # of one message
AHEAD = 2 * SAMPLE_RATE  # samples that may come faster than they can be spoken
SILENT_SECONDS = 30.0  # a connection that says nothing for so long is dead


async def answer(desk: LiveDesk, socket: WebSocket) -> None:
    """Serve one connection. Whoever has no ticket is told so and let go."""
    await socket.accept()
    with texts.speaking("fr" if socket.query_params.get("lang") == "fr" else "en"):
        place = desk.find(socket.query_params.get("ticket", ""))
        if place is None:
            await socket.send_text(json.dumps({"over": texts.LIVE_GONE, "recorded": 0}))
            await socket.close(1008)
            return
        await _Connection(socket, place).serve()


class _Connection:
    """One attached browser."""

    def __init__(self, socket: WebSocket, place: Place) -> None:
        self.socket, self.place = socket, place
        self.loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        self.pictures: list[Picture] = []
        self.words: list[dict[str, Any]] = []
        self.sent = self.shown = 0
        self.began = time.monotonic() - place.session.heard / SAMPLE_RATE
        self.ended = False
        self.speaking = contextvars.copy_context()  # the session's thread speaks no language of its own

    async def serve(self) -> None:
        session, sender = self.place.session, None
        try:
            # Before any picture: one may be under way since the earlier connection broke.
            await self.socket.send_text(json.dumps({"ready": session.heard, "left": round(session.exit.left, 1)}))
            self.place.attach(self._show, self._wanted, self._over)
            if not session.running:  # it ended between the look at the ticket and now
                self._end(None)
            sender = asyncio.create_task(self._send())
            await self._receive()
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            pass
        finally:
            self.place.detach(self._show)
            if sender is not None:
                sender.cancel()

    # from the session's thread ---------------------------------------------------------------------------------------

    def _wanted(self) -> bool:
        return self.sent - self.shown < IN_FLIGHT

    def _show(self, picture: Picture) -> None:
        self.sent += 1
        self.loop.call_soon_threadsafe(self._put, picture)

    def _over(self, error: BaseException | None) -> None:
        self.loop.call_soon_threadsafe(self._end, error, context=self.speaking)

    # in the event loop -----------------------------------------------------------------------------------------------

    def _put(self, picture: Picture) -> None:
        self.pictures.append(picture)
        self.news.set()

    def _end(self, error: BaseException | None) -> None:
        recorded = round(self.place.session.recording.seconds, 1)
        self.words.append({"over": explain(error) if error else "", "recorded": recorded})
        self.ended = True
        self.news.set()

    async def _send(self) -> None:
        try:
            while True:
                await self.news.wait()
                self.news.clear()
                pictures, self.pictures = self.pictures, []
                words, self.words = self.words, []
                for picture in pictures:
                    await self.socket.send_bytes(struct.pack("<I", picture.frame) + picture.jpeg)
                for word in words:
                    await self.socket.send_text(json.dumps(word))
                if self.ended:
                    await self.socket.close()
                    return
        except (WebSocketDisconnect, RuntimeError):
            return  # the browser has gone; the receiving side notices too

    async def _receive(self) -> None:
        while True:
            message = await asyncio.wait_for(self.socket.receive(), SILENT_SECONDS)
            if message["type"] == "websocket.disconnect":
                return
            data, text = message.get("bytes"), message.get("text")
            if len(data or text or b"") > MOST_BYTES:
                return await self.socket.close(1009)
            if data is not None:
                if len(data) % 2 or self._too_fast(len(data) // 2):
                    return await self.socket.close(1008)
                self.place.session.hear(np.frombuffer(data, "<i2"))
            elif text is not None:
                self._obey(text)

    def _too_fast(self, samples: int) -> bool:
        """Whether more sound comes than can have been spoken: nobody fills the memory."""
        spoken = (time.monotonic() - self.began) * SAMPLE_RATE
        return self.place.session.heard + samples > spoken + AHEAD

    def _obey(self, text: str) -> None:
        try:
            order = json.loads(text)
            if "shown" in order:
                self.shown += 1
            if "look" in order:
                self.place.session.controls = live_controls(order["look"])
            if order.get("stop"):
                self.loop.run_in_executor(None, self.place.session.stop)
        except CandorError as error:
            self.words.append({"notice": explain(error)})
            self.news.set()
        except (ValueError, TypeError, AttributeError, RecursionError):
            return  # not from our page; nothing depends on it
