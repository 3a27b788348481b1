"""Speech in, motion latents out, by the diffusion transformer: audio encoder, sampler, and what a body cannot do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from vasa_core.errors import WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import close_lips
from vasa_core.motion.behaviour import Behaviour, ease_in, emotion_offset
from vasa_core.motion.features import AudioEncoder, load_encoder
from vasa_core.motion.generator import check_samples
from vasa_core.motion.pipeline import STEPS, MotionPipeline
from vasa_core.types import Controls, Motion
from vasa_core.weights import FOLDER, read_weights

# What the sound leaves open comes out smaller than it was taught when few evaluations are made: heads that move and
# lids that shut too little. Measured on held-out voices with the shipped weights (docs/motion.md).
HEAD_GAIN, BLINKS_GAIN = 1.3, 1.45
MOST_BLINKS = 50.0  # a minute, the most that training has heard of
# Gaze needs no guidance: it was taught exactly, and the published 1.0 would double every angle (docs/motion.md).
_GUIDANCE = {"audio": 0.5}
_REST_GAP = 0.006  # face widths by which lips of the rest face may be pressed together


class DiffusionMotion:
    """A MotionGenerator (vasa_core.motion.generator) around a MotionPipeline.

    Gaze, emotion and blink rate are conditions of the model; the gains of head and mouth scale what it says. Lips meet
    where the encoder hears a bilabial and never pass through each other. Holds no state between calls and may be
    shared between threads.
    """

    def __init__(
        self,
        space: FaceSpace,
        encoder: AudioEncoder,
        pipeline: MotionPipeline,
        seal: np.ndarray,
        behaviour: Behaviour,
        steps: int = STEPS,
    ) -> None:
        config = pipeline.transformer.config
        if config["features"] != encoder.name or config["audio_dim"] != encoder.dim:
            raise WeightsError(
                f"The motion model hears '{config['features']}', not '{encoder.name}'; load that encoder."
            )
        if config["dynamics_dim"] != space.dim:
            raise WeightsError("The motion model and the face space have codes of different length; install them anew.")
        self.space, self.encoder, self.pipeline = space, encoder, pipeline
        self.seal, self.behaviour, self.steps = seal, behaviour, steps

    @classmethod
    def from_pretrained(cls, model: Path | str, weights: Path | None = None, steps: int = STEPS) -> DiffusionMotion:
        """A pipeline written by vasa_core.training.motion, or one of the hub, with the shipped face space and encoder.

        Raises WeightsError when it is missing, damaged or does not fit them.
        """
        folder = Path(weights) if weights is not None else FOLDER
        pipeline = load_pipeline(model)
        tensors, _ = read_weights(folder / "motion.safetensors", "motion", "1")
        if "seal" not in tensors:
            raise WeightsError(f"{folder / 'motion.safetensors'} lacks the lips' seal; install Candor again.")
        return cls(
            FaceSpace.from_pretrained(folder / "face_space.safetensors"),
            load_encoder(pipeline.transformer.config["features"], folder),
            pipeline,
            tensors["seal"],
            Behaviour.from_tensors(tensors),
            steps,
        )

    def __call__(
        self, samples: np.ndarray, controls: Controls = Controls(), progress: Callable[[float], None] | None = None
    ) -> Motion:
        """Motion of speech, float32 (n,) at 16 kHz in [-1, 1]; the same seed gives the same motion.

        position, rotation and distance of the controls are left to the renderer. Raises UnreadableAudio for sound that
        is not finite or not mono, AudioLengthError for no sound or more than 5 minutes.
        """

        def part(first: float, last: float) -> Callable[[float], None] | None:
            return None if progress is None else lambda done: progress(first + (last - first) * done)

        samples = check_samples(samples)
        blinks = self.behaviour.blinks if controls.blinks is None else controls.blinks
        audio = self.encoder(samples, part(0, 0.3))
        made = self.pipeline(
            audio,
            gaze=np.array(controls.gaze),
            distance=np.array(0.0),
            emotion=np.array([controls.emotion.get(name, 0.0) for name in Controls.EMOTIONS]),
            blinks=np.array(min(MOST_BLINKS, BLINKS_GAIN * blinks)),
            num_inference_steps=self.steps,
            guidance=_GUIDANCE,
            generator=torch.Generator().manual_seed(controls.seed),
            progress=part(0.3, 1.0),
        )
        return Motion(
            self.head(made.pose, HEAD_GAIN * controls.head_motion),
            self.face(made.dynamics, self.encoder.contact(audio), controls),
        )

    def head(self, pose: np.ndarray, gain: float) -> np.ndarray:
        """Pose (N, 6) with the head's turns scaled; breathing stays. The first frame is the photo's own pose."""
        scaled = pose.astype(np.float64)
        more = (gain - 1) * np.degrees(pose[:, :2])  # of yaw and pitch, and of the shifts that go with them
        scaled[:, :3] *= gain
        scaled[:, 3] += self.behaviour.shift_x * more[:, 0]
        scaled[:, 4] += self.behaviour.shift_y * more[:, 1]
        return (scaled * ease_in(len(pose), 1.0)[:, None]).astype(np.float32)

    def face(self, dynamics: np.ndarray, contact: np.ndarray, controls: Controls) -> np.ndarray:
        """Facial code (N, D) with the mouth's gain, and with lips that meet on `contact` (N,)."""
        code = dynamics.astype(np.float64)
        mouth = np.array([name.startswith("mouth") for name in self.space.names])
        feeling = emotion_offset(self.space, controls.emotion)
        code[:, mouth] = feeling[mouth] + controls.mouth * (code[:, mouth] - feeling[mouth])
        pressed = contact * min(1.0, controls.mouth)
        return close_lips(code, pressed, self.space, self.seal, _REST_GAP).astype(np.float32)


def load_pipeline(model: Path | str) -> MotionPipeline:
    """A pipeline from a folder or the hub. Raises WeightsError when it is missing or damaged."""
    from safetensors import SafetensorError

    try:
        pipeline = MotionPipeline.from_pretrained(str(model), low_cpu_mem_usage=False, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise WeightsError(
            f"'{model}' does not hold a motion model ({type(error).__name__}); give a folder that "
            "vasa_core.training.motion wrote."
        ) from None
    pipeline.transformer.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
