"""Write the average face onto which the detector lays faces flat.

    python -m detection.training.canonical

It is kept apart from the generator's face space, so that a new face space does not change what the detector sees.
"""

from __future__ import annotations

import numpy as np

from detection.crops import FOLDER
from vasa_core.face.space import FaceSpace
from vasa_core.weights import write_weights

HALF_OPEN = 0.5  # of the jaw: inner lips need an area of their own


def main() -> None:
    space = FaceSpace.from_pretrained()
    opened = space.template + space.decode(HALF_OPEN * space.direction("jaw_open")[None])[0]
    tensors = {"template": space.template.astype(np.float32), "opened": opened.astype(np.float32)}
    write_weights(FOLDER / "canonical.safetensors", "detection_canonical", "1", tensors)


if __name__ == "__main__":
    main()
