"""Head, lids and eyes: do the figures of many seeds look like people's?"""

from __future__ import annotations

import numpy as np

from vasa_core.motion.prosody import Prosody, analyse
from vasa_core.training import performance as behave
from vasa_core.training.talker import Talker
from vasa_core.types import MOTION_RATE, SAMPLE_RATE


def talk(count: int, seed: int = 0) -> Prosody:
    """Phrases of two seconds with pauses and an accent every 0.4 s."""
    rng = np.random.default_rng(seed)
    activity = (np.arange(count) % 70 < 50).astype(float)
    accents = np.where(np.arange(count) % 10 == 3, rng.uniform(0.3, 1.2, count), 0) * activity
    return Prosody(activity, rng.normal(size=count) * activity, np.zeros(count), accents)


def test_head_motion_is_natural() -> None:
    fitted = Talker.from_pretrained().behaviour
    turns = [np.degrees(behave.head_pose(talk(750, s), fitted, 1.0, s)[:, :3]) for s in range(12)]
    change = np.mean([np.abs(np.diff(t, axis=0)).mean() for t in turns])
    assert 0.40 <= change <= 0.65
    yaw, pitch, roll = np.mean([t.std(0) for t in turns], 0)
    assert 2.4 < yaw < 4.5 and 1.6 < pitch < 3.2 and 1.1 < roll < 2.4
    for t in turns:
        power = np.abs(np.fft.rfft(t - t.mean(0), axis=0)) ** 2
        assert power[np.fft.rfftfreq(len(t), 1 / MOTION_RATE) > 6].sum() / power.sum() <= 0.02
        assert not t[0].any() and np.abs(np.diff(t[:3], axis=0)).max() < 0.3  # starts from rest


def test_a_longer_speech_begins_like_a_shorter_one() -> None:
    fitted = behave.Behaviour()
    quiet = [Prosody(*(np.zeros(n),) * 4) for n in (200, 400)]
    short, long = (behave.head_pose(p, fitted, 1.0, 3) for p in quiet)
    assert np.allclose(short, long[:200], atol=1e-6)


def test_silence_is_calmer_than_speech() -> None:
    fitted = Talker.from_pretrained().behaviour
    still = Prosody(*(np.zeros(750),) * 4)
    speed = [
        np.mean([np.abs(np.diff(behave.head_pose(p, fitted, 1.0, s)[:, :3], axis=0)).mean() for s in range(6)])
        for p in (still, talk(750))
    ]
    assert speed[0] < 0.8 * speed[1]


def test_blinks_are_natural() -> None:
    fitted = behave.Behaviour()
    times = [behave.blink_times(talk(1500, s), fitted, 24, s) for s in range(10)]
    per_minute = np.array([len(t) for t in times])
    assert per_minute.min() >= 15 and per_minute.max() <= 35 and 19 <= per_minute.mean() <= 29
    gaps = np.diff(times[0])
    assert gaps.min() >= 8 and gaps.std() > 8  # never two at once, never a metronome
    shut = behave.lids(talk(1500), fitted, 24, 0)
    assert shut.min() >= 0 and shut.max() == 1.0
    for frame in times[0]:
        assert shut[frame].min() > 0.95
        length = (shut[frame - 6 : frame + 9, 0] > 0.05).sum() / MOTION_RATE
        assert 0.08 <= length <= 0.36
        assert shut[frame - 2, 0] <= shut[frame + 2, 0]  # down faster than up


def test_eyes_hold_the_viewer_while_the_head_turns() -> None:
    fitted = behave.Behaviour()
    speech = talk(1500)
    pose = behave.head_pose(speech, fitted, 1.0, 0)
    look = behave.gaze(speech, fitted, pose, (0.0, 0.0), 0)
    assert np.corrcoef(look[:, 0], pose[:, 0])[0, 1] < -0.3
    moves = np.abs(np.diff(look[:, 0]))
    assert np.median(moves) < 0.4 < 1.5 < moves.max()  # fixations and saccades
    away = behave.gaze(speech, fitted, pose, (20.0, -10.0), 0)
    assert np.allclose((away - look)[25:], [20, -10], atol=1e-3)


def test_prosody_finds_speech_pitch_and_accents() -> None:
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    loud = 0.02 + 0.2 * (np.sin(2 * np.pi * 1.0 * time) > 0.6)
    voice = np.sin(2 * np.pi * np.cumsum(np.where(time < 2, 120, 160)) / SAMPLE_RATE) * loud
    voice[3 * SAMPLE_RATE :] = 0
    found = analyse(voice.astype(np.float32), 100)
    assert found.activity[10:70].min() > 0.9 and found.activity[80:].max() < 0.1
    rise = np.median(found.pitch[52:70]) - np.median(found.pitch[5:45])
    assert abs(rise - 12 * np.log2(160 / 120)) < 0.7
    assert 2 <= (found.accents > 0).sum() <= 8 and not found.accents[80:].any()
    silent = analyse(np.zeros(16000, np.float32), 25)
    assert not silent.activity.any() and not silent.accents.any() and not silent.energy.any()


def test_emotions_change_how_a_head_moves() -> None:
    fitted, speech = behave.Behaviour(), talk(1500)
    plain, sad, angry = (
        np.degrees(behave.head_pose(speech, fitted, 1.0, 0, behave.temper_of(e))[50:, :3])
        for e in ({}, {"sad": 1.0}, {"angry": 1.0})
    )
    assert (sad - plain)[:, 1].mean() > 1.5  # the head hangs
    speed = [np.abs(np.diff(a, axis=0)).mean() for a in (sad, plain, angry)]
    assert speed[0] < 0.9 * speed[1] < 0.9 * speed[2]
    half = behave.temper_of({"sad": 0.5})
    assert half.pitch == 1.5 and behave.temper_of({}) == behave.Temper()
