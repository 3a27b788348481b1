"""Keeps the chatter of native libraries (MediaPipe, TensorFlow Lite, FFmpeg) off terminals and out of scripts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

DEBUG = "CANDOR_DEBUG"  # set to 1: the chatter and Python's tracebacks appear on standard error


@contextmanager
def own_words_only() -> Iterator[tuple[TextIO, TextIO]]:
    """Yields the real standard output and standard error; whatever anyone else writes to either goes nowhere.

    Works on file descriptors, because native code does not know `sys.stdout`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept_out, kept_err = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(2 if os.environ.get(DEBUG) else nowhere, 1)
        if not os.environ.get(DEBUG):
            os.dup2(nowhere, 2)
        with (
            os.fdopen(os.dup(kept_out), "w", encoding="utf-8", errors="replace") as out,
            os.fdopen(os.dup(kept_err), "w", encoding="utf-8", errors="replace") as err,
        ):
            yield out, err
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept_out, 1)
        os.dup2(kept_err, 2)
        for descriptor in (kept_out, kept_err, nowhere):
            os.close(descriptor)
