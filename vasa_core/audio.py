"""Reading sound: whatever PyAV decodes, at any rate and with any channels, alone or in a video file.

Two renditions leave here: 16 kHz mono for the models and 48 kHz for the ear. The file is read through a Python object
and only self-contained formats are allowed, so no playlist can make the decoder open another file or a network address.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from vasa_core.errors import AudioLengthError, NoAudioTrack, UnreadableAudio
from vasa_core.types import PLAYBACK_RATE, SAMPLE_RATE, Speech

MIN_SECONDS = 0.3
MAX_SECONDS = 300.0
MAX_RATE = 768_000  # Hz, the highest that any recorder writes
MAX_BYTES = 500 * 2**20
MAX_VALUE = 1e6  # float samples beyond this are noise, not sound
MAX_BAD_SHARE = 0.1  # of packets that may fail and of samples that may be NaN before a file counts as corrupt

# Demuxers of self-contained files. Left out on purpose: hls, dash, concat, sdp, rtsp, image sequences and everything
# else that opens what its content names.
FORMATS = (
    "wav,w64,mp3,aac,flac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,aiff,au,caf,amr,mpegts,mpeg,flv,asf,"
    "ac3,eac3,dts,wv,ape,tta,mpc,mpc8,rm,voc,dv,nut,gsm,tak,loas,oma,xwma"
)
_MIME = {  # demuxer name -> (sound only, with pictures)
    "wav": ("audio/wav", "audio/wav"),
    "mp3": ("audio/mpeg", "audio/mpeg"),
    "aac": ("audio/aac", "audio/aac"),
    "flac": ("audio/flac", "audio/flac"),
    "ogg": ("audio/ogg", "video/ogg"),
    "aiff": ("audio/aiff", "audio/aiff"),
    "amr": ("audio/amr", "audio/amr"),
    "mov,mp4,m4a,3gp,3g2,mj2": ("audio/mp4", "video/mp4"),
    "avi": ("video/x-msvideo", "video/x-msvideo"),
    "mpegts": ("video/mp2t", "video/mp2t"),
    "mpeg": ("video/mpeg", "video/mpeg"),
    "asf": ("audio/x-ms-wma", "video/x-ms-wmv"),
    "flv": ("video/x-flv", "video/x-flv"),
}
# How loud each speaker position is in left and right (ITU-R BS.775-3, table 2); the low-frequency channel is left out.
_LEFT = {"FL": 1.0, "FC": 0.7071, "BL": 0.7071, "SL": 0.7071, "BC": 0.5, "FLC": 0.7071}
_RIGHT = {"FR": 1.0, "FC": 0.7071, "BR": 0.7071, "SR": 0.7071, "BC": 0.5, "FRC": 0.7071}


def load_speech(source: str | Path | bytes, name: str | None = None) -> Speech:
    """Read the first sound track of a file, given as a path or as bytes.

    Returns a Speech: samples float32 (n,) mono at 16 kHz in [-1, 1]; playback int16 (m, 1 or 2) at 48 kHz; the file's
    bytes unchanged; the media type as its content shows. Surround sound is mixed down to stereo. Float files that
    exceed full scale are scaled down to it as a whole.

    Raises UnreadableAudio (missing, empty, corrupt, not media), NoAudioTrack, AudioLengthError (shorter than 0.3 s or
    longer than 5 min; decoding stops at 5 min).
    """
    data, name = _read(source, name)
    try:
        # format_whitelist is enforced by libavformat before any demuxer reads a header; io_open refuses whatever a
        # demuxer would still want to open beside the file itself.
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
        container = av.open(io.BytesIO(data), mode="r", options=options, io_open=_refuse)
    except Exception as error:  # FFmpegError, ValueError or OSError, depending on what is wrong
        raise UnreadableAudio(
            f"'{name}' is not a sound or video file that can be read here. Use WAV, MP3, M4A, OGG, FLAC, MP4 or WebM."
        ) from error
    with container:
        if not container.streams.audio:
            raise NoAudioTrack(f"'{name}' has no sound track. Choose a file with speech in it.")
        mime = _mime(container, data)
        stereo = _decode(container, name)  # (m, 1 or 2) float32 at 48 kHz
    seconds = len(stereo) / PLAYBACK_RATE
    if seconds < MIN_SECONDS:
        raise AudioLengthError(f"'{name}' holds {seconds:.2f} s of sound; at least {MIN_SECONDS} s are needed.")
    peak = float(np.abs(stereo).max())
    if peak > 1.0:
        stereo /= peak
    playback = np.rint(stereo * 32767).astype(np.int16)
    return Speech(samples=_mono_16k(stereo), playback=playback, file=data, mime=mime, name=name)


def _read(source: str | Path | bytes, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), name or "speech"
    else:
        path = Path(source)
        name = name or path.name or str(path)
        try:
            if path.is_dir():
                raise UnreadableAudio(f"'{name}' is a folder. Choose a sound or video file in it.")
            if path.exists() and not path.is_file():
                raise UnreadableAudio(f"'{name}' is not a file. Choose a sound or video file.")
            if path.stat().st_size > MAX_BYTES:
                raise UnreadableAudio(f"'{name}' is larger than {MAX_BYTES >> 20} MB. Cut it or export it smaller.")
            data = path.read_bytes()
        except FileNotFoundError:
            raise UnreadableAudio(f"There is no file '{name}'. Check the path of the sound.") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise UnreadableAudio(f"'{name}' cannot be opened. Check that you may read it.") from error
    if not data:
        raise UnreadableAudio(f"'{name}' is empty. Choose another file or record it again.")
    if len(data) > MAX_BYTES:
        raise UnreadableAudio(f"'{name}' is larger than {MAX_BYTES >> 20} MB. Cut it or export it smaller.")
    return data, name


def _refuse(url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
    raise PermissionError(f"a sound file may not open '{url}'")


def _mime(container: InputContainer, data: bytes) -> str:
    with_pictures = any(not _is_cover(stream) for stream in container.streams.video)
    if container.format.name == "matroska,webm":
        kind = "webm" if b"webm" in data[:64] else "x-matroska"  # the EBML header's DocType
        return f"{'video' if with_pictures else 'audio'}/{kind}"
    return _MIME.get(container.format.name, ("application/octet-stream",) * 2)[with_pictures]


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _decode(container: InputContainer, name: str) -> np.ndarray:
    """All sound of the first track, float32 (m, 1 or 2) at 48 kHz, not yet limited to [-1, 1]."""
    limit = int(MAX_SECONDS * PLAYBACK_RATE)
    parts: list[np.ndarray] = []
    total = 0
    for block in _resample(_blocks(container, name), PLAYBACK_RATE):
        parts.append(block)
        total += len(block)
        if total > limit + PLAYBACK_RATE // 20:  # a coder's padding may exceed the limit by some milliseconds
            raise AudioLengthError(f"'{name}' is longer than {MAX_SECONDS / 60:.0f} minutes. Cut it and try again.")
    if not parts:
        return np.zeros((0, 1), np.float32)
    channels = max(part.shape[1] for part in parts)  # a track may change from mono to stereo on the way
    return np.concatenate([np.broadcast_to(part, (len(part), channels)) for part in parts])[:limit]


def _blocks(container: InputContainer, name: str) -> Iterator[tuple[np.ndarray, int]]:
    """Decoded blocks, float32 (m, 1 or 2), each with its rate; tolerates a few damaged packets."""
    stream = container.streams.audio[0]
    if stream.rate and stream.rate > MAX_RATE:  # resampling it would take gigabytes
        raise UnreadableAudio(f"'{name}' claims {stream.rate:,} samples a second; at most {MAX_RATE:,} are read.")
    to_float: AudioResampler | None = None
    layout_of: tuple[str, int, str] | None = None
    packets = bad_packets = samples = bad_samples = 0
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed)
            packets += 1
            frames = packet.decode()
        except StopIteration:
            break
        except Exception as error:  # FFmpegError family; a demuxer that fails ends the track
            bad_packets += 1
            if not isinstance(error, av.error.InvalidDataError) or bad_packets > 100:
                break
            continue
        for frame in frames:
            if not isinstance(frame, AudioFrame) or not frame.samples:
                continue
            kind = (frame.format.name, frame.sample_rate, frame.layout.name)
            if kind != layout_of:  # first frame, or a track that changes its format on the way
                # Interleaved: PyAV reads past its eight plane pointers when more channels come as planes.
                to_float, layout_of = AudioResampler(format="flt"), kind
            assert to_float is not None
            for packed in to_float.resample(frame):
                values = packed.to_ndarray().reshape(-1, packed.layout.nb_channels)  # (n, channels)
                samples += values.size
                sound = np.isfinite(values) & (np.abs(values) <= MAX_VALUE)
                if not sound.all():
                    bad_samples += values.size - int(sound.sum())
                    values = np.where(sound, values, np.float32(0))
                yield _downmix(values, [channel.name for channel in frame.layout.channels]), frame.sample_rate
    if bad_packets > 1 and bad_packets > MAX_BAD_SHARE * max(packets, 1) or (bad_packets and not samples):
        raise UnreadableAudio(f"The sound in '{name}' is corrupt. Export or record it again.")
    if bad_samples > MAX_BAD_SHARE * max(samples, 1):
        raise UnreadableAudio(f"The samples in '{name}' are not numbers (NaN or infinite). Export it again.")


def _downmix(values: np.ndarray, names: list[str]) -> np.ndarray:
    """(n, channels) to (n, 1 or 2)."""
    channels = values.shape[1]
    if channels <= 2:
        return values
    left = np.array([_LEFT.get(name, 0.0) for name in names], np.float32)
    right = np.array([_RIGHT.get(name, 0.0) for name in names], np.float32)
    if len(names) != channels or not left.any() or not right.any():  # unnamed channels: a plain average
        return values.mean(axis=1, dtype=np.float32, keepdims=True)
    return np.stack([values @ left / left.sum(), values @ right / right.sum()], axis=1)


def _resample(blocks: Iterator[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    """Blocks of (m, channels) at their own rates to blocks at one rate."""
    resampler: AudioResampler | None = None
    current: tuple[int, int] | None = None
    for block, block_rate in blocks:
        kind = (block.shape[1], block_rate)
        if kind != current:
            if resampler is not None:
                yield from (out.to_ndarray().T for out in resampler.resample(None))
            layout = "mono" if kind[0] == 1 else "stereo"
            resampler, current = AudioResampler(format="fltp", layout=layout, rate=rate), kind
        assert resampler is not None
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T), format="fltp", layout="mono" if kind[0] == 1 else "stereo"
        )
        frame.sample_rate = block_rate
        yield from (out.to_ndarray().T for out in resampler.resample(frame))
    if resampler is not None:
        yield from (out.to_ndarray().T for out in resampler.resample(None))


def _mono_16k(stereo: np.ndarray) -> np.ndarray:
    """float32 (m, channels) at 48 kHz to (n,) at 16 kHz, n = ceil(m / 3)."""
    mono = stereo.mean(axis=1, dtype=np.float32)[:, None]
    n = -(-len(mono) * SAMPLE_RATE // PLAYBACK_RATE)
    parts = list(_resample(iter([(mono, PLAYBACK_RATE)]), SAMPLE_RATE))
    samples = np.concatenate(parts)[:n, 0]
    samples = np.pad(samples, (0, n - len(samples)))  # the filter may keep the last sample
    return np.clip(samples, -1.0, 1.0).astype(np.float32)
