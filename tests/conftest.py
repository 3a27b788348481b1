"""What every test shares: no network, no traces in the user's home, one thread, one detector."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

# Before anything imports gradio, huggingface_hub or a vault.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("CANDOR_HOME", tempfile.mkdtemp(prefix="candor-tests-"))

# A run that was started in the background ignores Ctrl-C, and so would every program that a test starts.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

import matplotlib.cbook
import pytest
import torch

from vasa_core.face.detector import FaceDetector

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def hopper_jpeg() -> Path:
    """Grace Hopper, US Navy: a 512 x 600 JPEG, a face of 206 pixels. Public domain."""
    return Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


@pytest.fixture(scope="session")
def detector() -> Iterator[FaceDetector]:
    with FaceDetector() as shared:
        yield shared
