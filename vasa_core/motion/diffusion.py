"""Speech in, motion latents out, by the diffusion transformer: audio encoder, sampler, and what a body cannot do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from vasa_core.errors import ControlError, WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import close_lips
from vasa_core.motion.emotion import ease_in, lids_of
from vasa_core.motion.features import AudioEncoder, load_encoder
from vasa_core.motion.generator import check_samples
from vasa_core.motion.pipeline import STEPS, MotionPipeline
from vasa_core.motion.steering import Steering, Wishes
from vasa_core.motion.stream import MotionStream
from vasa_core.motion.transformer import VERSION, MotionTransformer
from vasa_core.types import Controls, Motion
from vasa_core.weights import FOLDER, read_weights

LIVE = "motion_live"  # folder of the weights that ship
# Gaze needs no guidance: it was taught exactly, and the published 1.0 would double every angle (docs/motion.md).
GUIDANCE = {"audio": 0.5}
FIRM = 0.75  # of certainty from which lips close fully
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
        steps: int = STEPS,
        shapes: np.ndarray | None = None,
    ) -> None:
        """shapes: (6, D) code per face width of each articulator; without them there is no live stream.

        Raises WeightsError for parts that do not fit together.
        """
        config = pipeline.transformer.config
        if config["features"] != encoder.name or config["audio_dim"] != encoder.dim:
            raise WeightsError(
                f"The motion model hears '{config['features']}', not '{encoder.name}'; load that encoder."
            )
        if config["dynamics_dim"] != space.dim or any(
            part.shape[-1] != space.dim for part in (seal, seal if shapes is None else shapes)
        ):
            raise WeightsError("The motion model and the face space have codes of different length; install them anew.")
        self.space, self.encoder, self.pipeline = space, encoder, pipeline
        self.seal, self.steps, self.shapes = seal, steps, shapes
        self.mouth = np.array([name.startswith("mouth") for name in space.names])

    @classmethod
    def from_pretrained(
        cls, model: Path | str | None = None, weights: Path | None = None, steps: int = STEPS
    ) -> DiffusionMotion:
        """The shipped pipeline, one written by vasa_core.training.motion, or one of the hub.

        weights: folder with face space, encoder and seal, if not those that ship; without `model`, it holds the
        pipeline too. Raises WeightsError when something is missing, damaged or does not fit.
        """
        folder = Path(weights) if weights is not None else FOLDER
        pipeline = load_pipeline(folder / LIVE if model is None else model)
        tensors, _ = read_weights(folder / "motion.safetensors", "motion", "1")
        if "seal" not in tensors:
            raise WeightsError(f"{folder / 'motion.safetensors'} lacks the lips' seal; install Candor again.")
        return cls(
            FaceSpace.from_pretrained(folder / "face_space.safetensors"),
            load_encoder(pipeline.transformer.config["features"], folder),
            pipeline,
            tensors["seal"],
            steps,
            tensors.get("shapes"),
        )

    def __call__(
        self,
        samples: np.ndarray,
        controls: Controls | Sequence[Controls] = Controls(),
        progress: Callable[[float], None] | None = None,
    ) -> Motion:
        """Motion of speech, float32 (n,) at 16 kHz in [-1, 1]; the same seed gives the same motion.

        controls: for all frames, or one for each of the ceil(n / 640) frames, between which the face glides; the seed
        is the first one's. position, rotation and distance are left to the renderer. Raises UnreadableAudio for sound
        that is not finite or not mono, AudioLengthError for no sound or more than 5 minutes, ControlError when the
        number of controls is not that of the frames.
        """

        def part(first: float, last: float) -> Callable[[float], None] | None:
            return None if progress is None else lambda done: progress(first + (last - first) * done)

        samples = check_samples(samples)
        audio = self.encoder(samples, part(0, 0.3))
        wanted = [controls] * len(audio) if isinstance(controls, Controls) else list(controls)
        if len(wanted) != len(audio):
            raise ControlError(f"There are {len(wanted)} controls for {len(audio)} frames; give one for each frame.")
        wishes = Steering().follow(wanted)
        made = self.pipeline(
            audio,
            gaze=wishes.aim,
            distance=np.zeros(len(audio)),
            emotion=wishes.emotion,
            blinks=wishes.blinks,
            num_inference_steps=self.steps,
            guidance=GUIDANCE,
            generator=torch.Generator().manual_seed(wanted[0].seed),
            progress=part(0.3, 1.0),
        )
        return self.finish(made.pose, made.dynamics, self.encoder.contact(audio), self.encoder.rest(audio), wishes)

    def stream(self, controls: Controls = Controls()) -> MotionStream:
        """A live talker of its own: sound in as it comes, motion out (vasa_core.motion.stream).

        Raises WeightsError when the encoder cannot hear live or names no lips.
        """
        return MotionStream(self, controls)

    def finish(
        self,
        pose: np.ndarray,
        dynamics: np.ndarray,
        contact: np.ndarray,
        rest: np.ndarray,
        wishes: Wishes,
        first: int = 0,
    ) -> Motion:
        """What the model says, with the gains asked for and within what a body can do.

        pose: (N, 6).   dynamics: (N, D).   contact, rest: (N,) how surely the lips touch, nobody speaks.
        first: index of the first frame in the whole; the very first has the photo's own pose.
        """
        eased = ease_in(first + len(pose), 1.0)[first:] * wishes.head
        code = lids_of(self.space, dynamics, wishes.emotion @ self.emotions())
        code += self._turned(code, wishes.gaze - wishes.aim)
        feeling = wishes.emotion @ self.emotions()[:, self.mouth]
        gain = wishes.mouth * (1 - rest)  # a sampler's noise is no speech
        code[:, self.mouth] = feeling + gain[:, None] * (code[:, self.mouth] - feeling)
        pressed = np.minimum(1.0, contact / FIRM) * np.minimum(1.0, wishes.mouth)
        code = close_lips(code, pressed, self.space, self.seal, _REST_GAP)
        return Motion((pose * eased[:, None]).astype(np.float32), code.astype(np.float32))

    def _turned(self, code: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """What turns the eyes of `code` (N, D) by `turn` (N, 2) degrees; shut lids do not follow."""
        lids = code[:, [self.space.names.index(f"blink_{side}") for side in ("left", "right")]]
        down = turn[:, 1] * (1 - np.clip(lids.max(1), 0, 1))
        directions = (self.space.direction(f"gaze_{axis}") for axis in ("yaw", "pitch"))
        return sum((np.outer(t, d) for t, d in zip((turn[:, 0], down), directions, strict=True)), np.zeros_like(code))

    def emotions(self) -> np.ndarray:
        """Facial codes (8, D) that the emotions add at full strength, in the order of Controls.EMOTIONS."""
        return self.pipeline.transformer.emotion_offset.float().numpy()


def load_pipeline(model: Path | str) -> MotionPipeline:
    """A pipeline from a folder or the hub. Raises WeightsError when it is missing, damaged or of another version."""
    from diffusers.utils.logging import disable_progress_bar
    from safetensors import SafetensorError

    disable_progress_bar()  # two small files; the command line speaks one line at a time
    try:
        transformer, found = MotionTransformer.from_pretrained(
            str(model), subfolder="transformer", output_loading_info=True, low_cpu_mem_usage=False, dtype=torch.float32
        )
        if found["missing_keys"]:
            raise KeyError(found["missing_keys"][0])
        pipeline = MotionPipeline.from_pretrained(str(model), transformer=transformer)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise WeightsError(
            f"'{model}' does not hold a motion model ({type(error).__name__}); give a folder that "
            "vasa_core.training.motion wrote."
        ) from None
    if transformer.config["version"] != VERSION:
        raise WeightsError(
            f"'{model}' is version {transformer.config['version']} of the motion model, this program reads version "
            f"{VERSION}; install matching weights."
        )
    if not all(torch.isfinite(t).all() for t in transformer.state_dict().values()):
        raise WeightsError(f"'{model}' holds numbers that are not finite; install Candor again.")
    transformer.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
