"""Head angles: exact on turned copies of a frontal face, blind to size and place."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.face.angles import _ANCHORS, _REFERENCE, head_angles
from vasa_core.face.geometry import rotation


def face(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, scale: float = 200.0) -> np.ndarray:
    """Landmarks (478, 3) whose anchor points are the frontal face, turned by degrees."""
    points = np.zeros((478, 3))
    points[_ANCHORS] = scale * _REFERENCE @ rotation(*np.radians([yaw, pitch, roll])).T + [300, 250, -40]
    return points


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, -20, 0), (0, 0, 50), (-40, 15, 10), (5, 30, -120)])
@pytest.mark.parametrize("scale", [0.5, 900])
def test_recovers_the_angles_it_was_turned_by(angles: tuple[float, float, float], scale: float) -> None:
    assert head_angles(face(*angles, scale=scale)) == pytest.approx(angles, abs=1e-6)


def test_signs_as_seen_by_the_viewer() -> None:
    nose, chin, top = 4, 132, 10  # tip of the nose, side of the jaw, middle of the hairline
    straight = face()
    assert face(yaw=20)[nose, 0] > straight[nose, 0]  # to the viewer's right
    assert face(pitch=20)[nose, 1] > straight[nose, 1]  # lowered
    assert face(roll=20)[top, 0] > straight[top, 0]  # the top of the head to the viewer's right
    assert straight[nose, 2] < straight[chin, 2]  # z grows away from the camera
