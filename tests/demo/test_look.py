"""The look panel's values become controls, in range or refused."""

from __future__ import annotations

from typing import Any

import pytest

from demo import look
from vasa_core.errors import ControlError
from vasa_core.types import Controls

UNTOUCHED: dict[str, Any] = {
    "gaze_yaw": 0,
    "gaze_pitch": 0,
    "emotion": "Neutral",
    "strength": 0.6,
    "head_motion": 1,
    "mouth": 1,
    "blinks": 0,
    "distance": 0,
    "position_x": 0,
    "position_y": 0,
    "yaw": 0,
    "pitch": 0,
    "roll": 0,
    "fps": 40,
    "seed": 0,
    "framing": "head",
}


def test_an_untouched_panel_means_neutral_controls() -> None:
    assert look.read(**UNTOUCHED) == (Controls(), 40, False, True)


@pytest.mark.parametrize(("given", "shown"), [(True, True), (False, False), (None, True), ("", True), (0, True)])
def test_only_a_clear_no_leaves_the_visible_sign_out(given: Any, shown: bool) -> None:
    assert look.read(**UNTOUCHED, sign=given)[3] is shown


def test_every_control_arrives() -> None:
    values = [10, -5, "Happy", 0.5, 0.4, 1.3, 20, 0.1, 0.2, -0.1, 3, 4, -6, 60, 99, "photo", False]
    controls, fps, whole, sign = look.read(*values)  # type: ignore[arg-type]
    assert fps == 60 and whole and not sign
    assert controls == Controls(
        gaze=(10, -5),
        emotion={"happy": 0.5},
        head_motion=0.4,
        mouth=1.3,
        blinks=20,
        distance=0.1,
        position=(0.2, -0.1),
        rotation=(3, 4, -6),
        seed=99,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"gaze_yaw": 90},
        {"mouth": -1},
        {"seed": -3},
        {"emotion": "Hungry"},
        {"emotion": None},
        {"emotion": ["Happy"]},
        {"fps": None},
        {"fps": "x"},
        {"head_motion": None},
        {"gaze_yaw": "x"},
        {"seed": 1e30},
        {"roll": float("nan")},
    ],
)
def test_values_no_slider_gives_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ControlError):
        look.read(**(UNTOUCHED | change))
