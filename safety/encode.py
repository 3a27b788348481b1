"""Frames to a marked MP4, in memory: H.264 + AAC with the index in front.

The file is built in memory on purpose: a video that is not yet signed never exists on disk. Marking and encoding run
in a thread of their own, so that they overlap with whatever renders the frames.
"""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

from safety.errors import RenderingFailed, SealError
from safety.watermark import FrameWriter, rgb_to_i420
from vasa_core.errors import Cancelled, CandorError
from vasa_core.types import PLAYBACK_RATE

QUEUE_FRAMES = 8  # how far rendering may run ahead of encoding; 6 MB at 512 x 512
BLOCK = 8  # both sides must be multiples of it, for the marks
MIN_SIDE = 256
AUDIO_CHUNK = 1024  # samples per AAC frame


@dataclass(frozen=True)
class EncodeConfig:
    """crf 18: visually lossless, and the mark survives a platform's second encode better than from 23.

    deblock, first_frame: keep a still background still, see docs/decisions/0017. The in-loop filter, off here for all
    but the coarsest blocks, would rework blocks that nothing changes in; and x264 gives the first key frame a coarser
    quantiser than those that follow, unless it is given this many times the bits.
    """

    crf: int = 18
    preset: str = "veryfast"
    keyframe_seconds: float = 2.0
    deblock: int = -6
    first_frame: float = 1.25
    audio_bit_rate: int = 128_000


@dataclass
class EncodedVideo:
    """mp4: the finished file. timings: thread-CPU seconds spent marking and encoding, and waiting for frames."""

    mp4: bytes
    frames: int
    fps: int
    width: int
    height: int
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


def encode(
    frames: Iterable[np.ndarray],
    playback: np.ndarray,
    fps: int,
    make_writer: Callable[[int, int], FrameWriter],
    *,
    config: EncodeConfig = EncodeConfig(),
    on_frame: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> EncodedVideo:
    """Mark and encode all frames and mux the sound.

    frames:      uint8 (H, W, 3) RGB, all of one size, sides multiples of 8 and at least 256.
    playback:    int16 (m, channels) at 48 kHz, one or two channels; cut to the length of the video.
    make_writer: (height, width) -> function that marks one I420 frame in place.
    on_frame:    called with the number of frames taken so far.

    Raises RenderingFailed (no frames, wrong frames, or the iterator failed), Cancelled, SealError; whatever the
    iterator raises as CandorError, and KeyboardInterrupt, pass through.
    """
    worker: _Encoder | None = None
    source = iter(frames)
    started = time.perf_counter()
    try:
        count = 0
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled("Stopped. No video was written.")
            frame = _next_frame(source)
            if frame is None:
                break
            if worker is None:
                _check_first(frame)
                worker = _Encoder(frame.shape[0], frame.shape[1], playback, fps, make_writer, config)
            elif frame.shape != worker.shape or frame.dtype != np.uint8:
                raise RenderingFailed(f"Frame {count} is {frame.dtype} {frame.shape}, not uint8 {worker.shape}.")
            worker.put(frame)
            count += 1
            if on_frame is not None:
                on_frame(count)
        if worker is None:
            raise RenderingFailed("The renderer gave no frames; there is nothing to seal.")
        encoded = worker.finish()
    finally:
        if worker is not None:
            worker.stop()
        close = getattr(source, "close", None)
        if close is not None:
            close()
    encoded.timings["frames"] = time.perf_counter() - started
    return encoded


def _next_frame(source: Any) -> np.ndarray | None:
    try:
        frame = next(source, None)
    except (CandorError, MemoryError):
        raise
    except Exception as error:
        raise RenderingFailed(f"Rendering stopped with an error ({error}). No video was written.") from error
    if frame is not None and not isinstance(frame, np.ndarray):
        raise RenderingFailed(f"The renderer gave a {type(frame).__name__} in place of a frame.")
    return frame


def _check_first(frame: np.ndarray) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise RenderingFailed(f"Frames must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}.")
    height, width = frame.shape[:2]
    if height % BLOCK or width % BLOCK or min(height, width) < MIN_SIDE:
        rule = f"sides must be multiples of {BLOCK} and at least {MIN_SIDE}"
        raise RenderingFailed(f"Frames are {width} x {height}; {rule}.")


class _Encoder:
    """The thread that marks, encodes and muxes what is put into its queue."""

    def __init__(
        self,
        height: int,
        width: int,
        playback: np.ndarray,
        fps: int,
        make_writer: Callable[[int, int], FrameWriter],
        config: EncodeConfig,
    ) -> None:
        self.shape = (height, width, 3)
        self._fps = fps
        self._make_writer = make_writer
        self._config = config
        self._playback = np.ascontiguousarray(playback)
        self._queue: queue.Queue[np.ndarray | None] = queue.Queue(QUEUE_FRAMES)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._result: EncodedVideo | None = None
        self._thread = threading.Thread(target=self._run, name="candor-encode", daemon=True)
        self._thread.start()

    def put(self, frame: np.ndarray | None) -> None:
        """Hand over one frame (None: no more); waits while the queue is full, raises what stopped the thread."""
        while True:
            self._raise_failure()
            try:
                return self._queue.put(frame, timeout=0.1)
            except queue.Full:
                continue

    def finish(self) -> EncodedVideo:
        self.put(None)
        self._thread.join()
        self._raise_failure()
        assert self._result is not None
        return self._result

    def stop(self) -> None:
        """End the thread, finished or not."""
        self._stopped.set()
        self._thread.join()

    def _raise_failure(self) -> None:
        if isinstance(self._failure, CandorError):
            raise self._failure
        if self._failure is not None:
            cause = self._failure
            raise SealError(f"The video could not be encoded ({cause}). No file was written.") from cause

    def _frames(self) -> Iterable[np.ndarray]:
        while not self._stopped.is_set():
            try:
                frame = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if frame is None:
                return
            yield frame

    def _run(self) -> None:
        try:
            self._result = self._encode()
        except Exception as error:  # handed to the caller's thread by _raise_failure
            self._failure = error

    def _encode(self) -> EncodedVideo:
        height, width, _ = self.shape
        mark = self._make_writer(height, width)
        marking = 0.0
        started = time.thread_time()
        buffer = _Memory()
        with av.open(
            buffer, "w", format="mp4", options={"movflags": "+faststart"}, io_open=lambda *_: _MemoryReader(buffer)
        ) as container:
            video = _add_video(container, width, height, self._fps, self._config)
            audio = _Audio(container, self._playback, self._config) if len(self._playback) else None
            count = 0
            for rgb in self._frames():
                began = time.thread_time()
                i420 = rgb_to_i420(rgb)
                mark(i420)
                marking += time.thread_time() - began
                picture = av.VideoFrame.from_ndarray(i420, format="yuv420p")
                picture.pts = count
                picture.time_base = Fraction(1, self._fps)
                container.mux(video.encode(picture))
                count += 1
                if audio is not None:
                    audio.advance(count / self._fps)
            container.mux(video.encode(None))
            if audio is not None:
                audio.finish()
        timings = {"mark": marking, "encode": time.thread_time() - started - marking}
        return EncodedVideo(buffer.getvalue(), count, self._fps, width, height, timings)


def _add_video(container: Any, width: int, height: int, fps: int, config: EncodeConfig) -> Any:
    options = {"crf": str(config.crf), "preset": config.preset, "bf": "2"}
    options |= {"deblock": f"{config.deblock}:{config.deblock}", "x264-params": f"zones=0,0,b={config.first_frame}"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, fps)
    context.gop_size = max(1, round(fps * config.keyframe_seconds))
    context.thread_count = 1  # the other core renders
    # sRGB-like primaries and transfer, BT.601 matrix: see docs/decisions on the colour matrix.
    context.color_primaries, context.color_trc = 1, 1
    context.colorspace, context.color_range = 6, 1
    return stream


class _Audio:
    """Encodes the sound a little ahead of the picture, so that the muxer never has to hold much back."""

    def __init__(self, container: Any, playback: np.ndarray, config: EncodeConfig) -> None:
        self._container = container
        self._samples = playback.reshape(len(playback), -1)  # (m, channels)
        self._layout = "mono" if self._samples.shape[1] == 1 else "stereo"
        self._stream = container.add_stream(
            "aac", rate=PLAYBACK_RATE, layout=self._layout, options={"b": str(config.audio_bit_rate)}
        )
        self._position = 0

    def advance(self, seconds: float) -> None:
        """Encode up to `seconds`, as far as there is sound."""
        end = min(len(self._samples), round(seconds * PLAYBACK_RATE))
        while self._position < end:
            stop = min(self._position + AUDIO_CHUNK, end)
            self._encode(self._samples[self._position : stop])
            self._position = stop

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))

    def _encode(self, samples: np.ndarray) -> None:
        packed = np.ascontiguousarray(samples).reshape(1, -1)  # (1, n * channels), interleaved
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=self._layout)
        frame.sample_rate = PLAYBACK_RATE
        frame.pts = self._position
        frame.time_base = Fraction(1, PLAYBACK_RATE)
        self._container.mux(self._stream.encode(frame))


class _Memory(io.BytesIO):
    """A BytesIO that the muxer may close and reopen for its second pass (+faststart moves the index to the front)."""

    name = "memory.mp4"

    def close(self) -> None:
        """Stay open: the contents are still needed."""


class _MemoryReader:
    """An independent read position over the same bytes."""

    def __init__(self, memory: _Memory) -> None:
        self._memory = memory
        self._position = 0

    def read(self, size: int) -> bytes:
        with self._memory.getbuffer() as view:
            data = bytes(view[self._position : self._position + size])
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size()}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def _size(self) -> int:
        with self._memory.getbuffer() as view:
            return view.nbytes

    def close(self) -> None:
        """Nothing to release."""
