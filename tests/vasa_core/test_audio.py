"""Reading speech: any rate, channels and container; bounded; closed to playlists; named errors."""

from __future__ import annotations

import io
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from vasa_core.audio import load_speech
from vasa_core.errors import AudioError, AudioLengthError, NoAudioTrack, UnreadableAudio


def tone(seconds: float = 1.0, rate: int = 48_000, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    """float32 (n, channels), amplitude 0.5."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave.astype(np.float32)[:, None], channels, axis=1)


def wav(samples: np.ndarray, rate: int, *, floats: bool = False) -> bytes:
    """A RIFF WAVE file, written by hand so that odd contents are possible."""
    body = samples.astype("<f4").tobytes() if floats else np.rint(samples * 32767).astype("<i2").tobytes()
    width, channels = (4 if floats else 2), samples.shape[1]
    kind = 3 if floats else 1
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * width, channels * width, 8 * width)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def media(
    kind: str, codec: str | None, samples: np.ndarray, rate: int = 48_000, video: bool = False, layout: str = "mono"
) -> bytes:
    """A container with sound, pictures, or both, made by PyAV."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as out:
        if video:
            pictures = out.add_stream("libx264", rate=25)
            pictures.width = pictures.height = 64
            pictures.pix_fmt = "yuv420p"
        if codec:
            sound = out.add_stream(codec, rate=rate, layout=layout)
        if video:
            for _ in range(25):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
                out.mux(pictures.encode(frame))
            out.mux(pictures.encode(None))
        if codec:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
            frame.sample_rate = rate
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    return buffer.getvalue()


def pitch(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels(rate: int, channels: int) -> None:
    data = wav(tone(1.0, rate, channels), rate)
    speech = load_speech(data)
    assert speech.samples.dtype == np.float32 and speech.samples.ndim == 1
    assert speech.playback.dtype == np.int16 and speech.playback.shape[1] == channels
    assert speech.seconds == pytest.approx(1.0, abs=0.01)
    assert len(speech.playback) / 48_000 == pytest.approx(1.0, abs=0.01)
    assert speech.file == data and speech.mime == "audio/wav"
    assert np.abs(speech.samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.02)
    assert pitch(speech.samples, 16_000) == pytest.approx(440, abs=3)
    assert pitch(speech.playback[:, 0] / 32768, 48_000) == pytest.approx(440, abs=3)


def test_both_renditions_stay_aligned() -> None:
    samples = np.zeros((44_100, 1), np.float32)
    samples[22_050] = 0.9  # a click at 0.5 s
    speech = load_speech(wav(samples, 44_100))
    assert np.argmax(np.abs(speech.samples)) / 16_000 == pytest.approx(0.5, abs=0.001)
    assert np.argmax(np.abs(speech.playback[:, 0].astype(int))) / 48_000 == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize(
    ("kind", "codec", "mime"),
    [
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("ogg", "libopus", "audio/ogg"),
        ("flac", "flac", "audio/flac"),
        ("ipod", "aac", "audio/mp4"),
        ("adts", "aac", "audio/aac"),
        ("webm", "libopus", "audio/webm"),
        ("matroska", "aac", "audio/x-matroska"),
        ("aiff", "pcm_s16be", "audio/aiff"),
    ],
)
def test_common_containers(kind: str, codec: str, mime: str) -> None:
    speech = load_speech(media(kind, codec, tone(1.0)), "voice.bin")
    assert speech.mime == mime and speech.name == "voice.bin"
    assert speech.seconds == pytest.approx(1.0, abs=0.08)
    assert pitch(speech.samples, 16_000) == pytest.approx(440, abs=5)


def test_sound_of_a_video() -> None:
    speech = load_speech(media("mp4", "aac", tone(1.0), video=True))
    assert speech.mime == "video/mp4" and pitch(speech.samples, 16_000) == pytest.approx(440, abs=5)


def test_surround_becomes_stereo() -> None:
    six = np.zeros((48_000, 6), np.float32)
    six[:, 0] = tone()[:, 0]  # front left only
    speech = load_speech(media("flac", "flac", six, layout="5.1"))
    left, right = np.abs(speech.playback.astype(int)).max(axis=0)
    assert speech.playback.shape[1] == 2 and left > 3_000 and right < 50


def test_many_unnamed_channels_become_mono() -> None:
    speech = load_speech(wav(tone(0.5, 16_000, 12), 16_000))
    assert speech.playback.shape[1] in (1, 2) and np.abs(speech.samples).max() == pytest.approx(0.5, abs=0.05)


def test_silence_is_sound() -> None:
    speech = load_speech(wav(np.zeros((16_000, 1), np.float32), 16_000))
    assert speech.seconds == 1.0 and not speech.samples.any() and not speech.playback.any()


def test_float_samples_beyond_full_scale_are_scaled_not_clipped() -> None:
    speech = load_speech(wav(tone() * 40_000, 48_000, floats=True))
    assert np.abs(speech.playback).max() == 32_767
    share_at_peak = (np.abs(speech.playback) > 32_000).mean()
    assert share_at_peak < 0.2  # a clipped sine would spend nearly all its time there


def test_some_nan_samples_become_silence() -> None:
    samples = tone()
    samples[1000:1010] = np.nan
    samples[2000] = np.inf
    samples[3000] = 1e30
    speech = load_speech(wav(samples, 48_000, floats=True))
    assert np.isfinite(speech.samples).all() and np.abs(speech.samples).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_mostly_nan_is_refused(value: float) -> None:
    with pytest.raises(UnreadableAudio, match="not numbers"):
        load_speech(wav(np.full((48_000, 1), value, np.float32), 48_000, floats=True))


@pytest.mark.parametrize("seconds", [0.31, 0.3])
def test_the_shortest_allowed(seconds: float) -> None:
    assert load_speech(wav(tone(seconds, 16_000), 16_000)).seconds == pytest.approx(seconds, abs=0.001)


def test_too_short_and_zero_length() -> None:
    with pytest.raises(AudioLengthError, match="0.25 s"):
        load_speech(wav(tone(0.25), 48_000))
    with pytest.raises(AudioError):
        load_speech(wav(np.zeros((0, 1), np.float32), 48_000))


def test_too_long_is_refused_without_decoding_it_all() -> None:
    hour, half_a_minute = (wav(np.zeros((8_000 * seconds, 1), np.float32), 8_000) for seconds in (3600, 30))
    started = time.process_time()
    load_speech(half_a_minute)
    between = time.process_time()
    with pytest.raises(AudioLengthError, match="5 minutes"):
        load_speech(hour)
    assert time.process_time() - between < 20 * (between - started)  # all of it would take 120 times as long


def test_video_without_sound() -> None:
    with pytest.raises(NoAudioTrack, match="no sound track"):
        load_speech(media("mp4", None, tone(), video=True))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 2000,
        b"A letter.\n" * 300,
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"OggS" + b"\0" * 400,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"ID3\x04\0\0\0\0\x01\x00" + b"\xff" * 300,
    ],
    ids=["empty", "zeros", "text", "wav", "ogg", "png", "mp3"],
)
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError) as caught:
        load_speech(data, "voice.wav")
    assert "voice.wav" in str(caught.value) and str(caught.value).endswith(".")


def test_a_truncated_file() -> None:
    mp4 = media("mp4", "aac", tone(3.0))
    with pytest.raises(UnreadableAudio):
        load_speech(mp4[: len(mp4) // 2])  # the index stands at the end
    flac = media("flac", "flac", tone(3.0))
    assert load_speech(flac[: len(flac) * 2 // 3]).seconds < 3  # what is there is used


def test_random_damage_never_escapes_as_another_error() -> None:
    random = np.random.default_rng(3)
    noise = (random.standard_normal((48_000, 1)) * 0.1).astype(np.float32)
    outcomes = set()
    for kind, codec in (("mp3", "libmp3lame"), ("mp4", "aac"), ("ogg", "libopus"), ("webm", "libopus")):
        whole = media(kind, codec, noise)
        for _ in range(8):
            data = bytearray(whole)
            for place in random.integers(0, len(data), 40):
                data[place] = random.integers(0, 256)
            try:
                speech = load_speech(bytes(data))
                assert np.isfinite(speech.samples).all()
                outcomes.add("read")
            except AudioError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_playlists_cannot_reach_files_or_the_network(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(tone(), 48_000))
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.ts"
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n"
    playlists = [
        f"{head}{url}\n#EXT-X-ENDLIST\n",
        f"{head}{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"ffconcat version 1.0\nfile '{url}'\n",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {server.server_port} RTP/AVP 0\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        f'<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>{url}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
    ]
    try:
        for playlist in playlists:
            path = tmp_path / "list.m3u8"  # the name under which demuxers that look at names would accept it
            path.write_text(playlist)
            for source in (path, playlist.encode()):
                with pytest.raises(UnreadableAudio):
                    load_speech(source)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    for path, says in ((tmp_path, "folder"), (tmp_path / "none.wav", "no file"), ("a\0b", "cannot be opened")):
        with pytest.raises(UnreadableAudio, match=says):
            load_speech(path)


def test_two_threads_read_at_once() -> None:
    data = media("mp4", "aac", tone(2.0))
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(load_speech(data).samples)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(results[0], other) for other in results)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device files here")
def test_devices_are_not_read():
    with pytest.raises(UnreadableAudio, match="not a file"):
        load_speech("/dev/zero")


def test_an_absurd_rate_is_refused_before_it_is_resampled():
    samples, rate = b"\0\0" * 4000, 2_000_000_000
    header = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 1, rate, (2 * rate) & 0xFFFFFFFF, 2, 16)
    with pytest.raises(UnreadableAudio, match="samples a second"):
        load_speech(header + b"data" + struct.pack("<I", len(samples)) + samples)
