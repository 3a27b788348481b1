"""Speech with exact phone times from two installed synthesisers: flite (English) and espeak-ng (100 languages)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from vasa_core.errors import CandorError
from vasa_core.training.phones import Phone
from vasa_core.types import SAMPLE_RATE

FLITE_VOICES = ("slt", "rms", "awb", "kal")


class ToolMissing(CandorError):
    """A program that training needs is not installed."""

    code = "tool_missing"


def _to_model_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """int16 at any rate -> float32 at SAMPLE_RATE."""
    common = np.gcd(rate, SAMPLE_RATE)
    return resample_poly(samples.astype(np.float32) / 32768, SAMPLE_RATE // common, rate // common).astype(np.float32)


def flite(
    text: str, voice: str = "slt", stretch: float = 1.0, f0: float | None = None
) -> tuple[np.ndarray, list[Phone]]:
    """Samples at SAMPLE_RATE and ARPAbet phones. Raises ToolMissing when flite is not installed."""
    program = shutil.which("flite")
    if program is None:
        raise ToolMissing("flite is not installed; install it with: apt-get install flite")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        command = [
            program,
            "-voice",
            voice,
            "-psdur",
            "-t",
            text,
            "-o",
            str(wav),
            "--setf",
            f"duration_stretch={stretch}",
        ]
        if f0:
            command += ["--setf", f"int_f0_target_mean={f0}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        with wave.open(str(wav)) as f:  # flite writes 16-bit mono
            samples, rate = np.frombuffer(f.readframes(f.getnframes()), np.int16), f.getframerate()
    start, phones = 0.0, []
    for item in done.stdout.split():
        name, _, end = item.rpartition(":")
        phones.append((name, start, float(end)))
        start = float(end)
    return _to_model_rate(samples, rate), phones


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):  # espeak_EVENT of speak_lib.h
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_EVENT_PHONEME, _RATE, _PITCH, _PITCH_RANGE, _UTF8, _SYNCHRONOUS, _PHONEME_EVENTS_IPA = 7, 1, 3, 4, 1, 2, 3


class Espeak:
    """espeak-ng through its C library; one per process, as the library keeps global state.

    Raises ToolMissing when the library is not installed.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError:
            raise ToolMissing("espeak-ng is not installed; install it with: apt-get install espeak-ng") from None
        self._audio: list[np.ndarray] = []
        self._marks: list[tuple[str, float]] = []
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IPA)
        self._callback = _CALLBACK(self._collect)  # C holds a pointer to it: keep it alive
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples, count, events) -> int:  # type: ignore[no-untyped-def]
        if samples and count > 0:
            self._audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type:
            if events[i].type == _EVENT_PHONEME:
                name = bytes(events[i].id.string).split(b"\0")[0].decode("utf8", "ignore")
                self._marks.append((name, events[i].audio_position / 1000))
            i += 1
        return 0

    def say(
        self, text: str, voice: str = "en-us", words_per_minute: int = 165, pitch: int = 50, pitch_range: int = 50
    ) -> tuple[np.ndarray, list[Phone]]:
        """Samples at SAMPLE_RATE and IPA phones; both empty when the voice does not exist."""
        self._audio.clear()
        self._marks.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return np.zeros(0, np.float32), []
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._audio:
            return np.zeros(0, np.float32), []
        samples = np.concatenate(self._audio)
        ends = [t for _, t in self._marks[1:]] + [len(samples) / self._rate]
        phones = [(name, start, end) for (name, start), end in zip(self._marks, ends, strict=True)]
        return _to_model_rate(samples, self._rate), phones
