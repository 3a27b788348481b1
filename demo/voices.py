"""Typed text to a synthetic voice, by espeak-ng where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from demo.errors import UsageError

PROGRAM = "espeak-ng"
LONGEST = 500  # characters
WORDS_PER_MINUTE = "150"
SECONDS = 20.0  # that synthesis may take
VOICES = {  # espeak-ng voice -> the language's own name
    "en-us": "English",
    "fr-fr": "Français",
    "de": "Deutsch",
    "es": "Español",
    "it": "Italiano",
    "pt-br": "Português",
    "nl": "Nederlands",
    "pl": "Polski",
    "tr": "Türkçe",
    "sw": "Kiswahili",
    "hi": "हिन्दी",
    "cmn": "中文",
}


def available() -> bool:
    """Whether the synthesiser is installed."""
    return shutil.which(PROGRAM) is not None


def name_of(voice: str) -> str:
    """How the voice is named in consent record and manifest."""
    return f"espeak-ng {voice}"


def speak(text: str, voice: str, out: Path) -> Path:
    """Write a WAV of the text. Raises UsageError for no text, too much of it, or a voice that is not offered."""
    words = " ".join(text.split())
    if not words:
        raise UsageError("There is nothing to say. Type a sentence.")
    if len(words) > LONGEST:
        raise UsageError(f"The text has {len(words)} characters; {LONGEST} are the most. Shorten it.")
    if voice not in VOICES:
        raise UsageError(f"There is no voice '{voice}' here. Choose one of the list.")
    # The text goes through standard input: nothing in it can be taken for an option.
    command = [PROGRAM, "-v", voice, "-s", WORDS_PER_MINUTE, "-b", "1", "-w", str(out), "--stdin"]
    try:
        done = subprocess.run(command, input=words.encode(), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        out.unlink(missing_ok=True)
        raise UsageError("The voice synthesiser does not answer. Use a recording instead.") from error
    if done.returncode or not out.exists():
        out.unlink(missing_ok=True)
        raise UsageError("The voice synthesiser could not say this. Change the text or use a recording.")
    return out
