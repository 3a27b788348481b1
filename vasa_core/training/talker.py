"""The talker whose lips and manners the motion corpus shows: what was fitted on the real clips, from its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vasa_core.errors import WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import Articulation
from vasa_core.training.performance import Behaviour
from vasa_core.weights import FOLDER, read_weights

_ARTICULATION = ("targets", "dominance", "onset", "release", "shapes", "seal")


@dataclass(frozen=True)
class Talker:
    """A face space, how its lips articulate, and how its head, lids and eyes behave."""

    space: FaceSpace
    articulation: Articulation
    behaviour: Behaviour

    @classmethod
    def from_pretrained(cls, folder: Path | None = None) -> Talker:
        """face_space and motion.safetensors of `folder`, or those that ship. Raises WeightsError."""
        folder = folder or FOLDER
        space = FaceSpace.from_pretrained(folder / "face_space.safetensors")
        tensors, _ = read_weights(folder / "motion.safetensors", "motion", "1")
        if any(n not in tensors for n in _ARTICULATION) or tensors["shapes"].shape[1] != space.dim:
            raise WeightsError(f"{folder / 'motion.safetensors'} does not fit the face space; fit it again.")
        articulation = Articulation(**{n: tensors[n] for n in _ARTICULATION})
        return cls(space, articulation, Behaviour.from_tensors(tensors))
