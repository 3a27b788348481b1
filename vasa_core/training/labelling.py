"""Phone times of real English speech by PocketSphinx, whose wheel carries a US-English model. Training and scoring
only."""

from __future__ import annotations

import numpy as np

from vasa_core.training.phones import Phone
from vasa_core.training.synthesis import ToolMissing

_LONGEST_RUN = 400  # 10 ms frames; alignment of longer stretches tends to fail
_MARGIN = 5  # frames of sound left around a run


def align_phones(samples: np.ndarray) -> list[Phone]:
    """ARPAbet phones of float32 (n,) at 16 kHz: a language model finds words, forced alignment finds phones.

    The words may be wrong; the phones then still sound alike. Raises ToolMissing when PocketSphinx is not installed.
    """
    try:
        import pocketsphinx
    except ImportError:
        raise ToolMissing("pocketsphinx is not installed; install it with: pip install pocketsphinx==5.1.1") from None

    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()

    def decode(decoder, sound: bytes) -> None:  # type: ignore[no-untyped-def]
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()

    words = pocketsphinx.Decoder(lm=pocketsphinx.get_model_path("en-us/en-us.lm.bin"), loglevel="FATAL")
    decode(words, pcm)
    runs: list[list[tuple[str, int, int]]] = [[]]
    for segment in words.seg() or []:
        if segment.word[0] in "<[":
            runs.append([])
            continue
        if runs[-1] and segment.end_frame - runs[-1][0][1] > _LONGEST_RUN:
            runs.append([])
        runs[-1].append((segment.word.split("(")[0], segment.start_frame, segment.end_frame))
    aligner = pocketsphinx.Decoder(lm=None, loglevel="FATAL", beam=1e-100, wbeam=1e-100, pbeam=1e-100)

    def align(run: list[tuple[str, int, int]]) -> list[Phone]:
        if not run:
            return []
        first, last = max(0, run[0][1] - _MARGIN), run[-1][2] + _MARGIN + 1
        sound = pcm[first * 320 : last * 320]  # 160 samples of 2 bytes per frame
        try:
            aligner.set_align_text(" ".join(word for word, _, _ in run))
            decode(aligner, sound)
            aligner.set_alignment()
            decode(aligner, sound)
            return [
                (p.name, (first + p.start) / 100, (first + p.start + p.duration) / 100)
                for word in aligner.get_alignment()
                for p in word
            ]
        except RuntimeError:  # no path through the sound: try each half
            half = len(run) // 2
            return align(run[:half]) + align(run[half:]) if half else []

    return [phone for run in runs for phone in align(run)]
