"""The speech encoder: a small Wav2Vec2-BERT that hears visemes and lip shapes in step with the motion, 25 a second.

Conformer blocks as in Wav2Vec2-BERT (Barrault et al., "Seamless", 2023; `transformers.Wav2Vec2BertModel`) over a
convolutional stem on log-mels. Two things differ from the published model so that one set of weights serves a whole
file and a live microphone:

- Attention is banded: a frame attends LEFT frames back and `ahead` frames forward, so that what a frame hears is
  bounded and long sound can be cut into chunks without changing the result.
- `ahead` is drawn at random in training (dynamic right context, after Zhang et al., "Unified streaming and
  non-streaming two-pass end-to-end model", 2020): AHEAD offline, 0 live. The stem alone looks ahead, STEM_AHEAD
  log-mel frames; convolutions are causal, as in Wav2Vec2-BERT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import Wav2Vec2BertConfig
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel

from vasa_core.errors import WeightsError
from vasa_core.motion.articulation import ARTICULATORS
from vasa_core.motion.visemes import HOP, MELS, VISEMES, WINDOW, log_mel
from vasa_core.types import MOTION_RATE, SAMPLE_RATE

MELS_PER_FRAME = SAMPLE_RATE // MOTION_RATE // HOP  # log-mel frames in one frame of motion
MOMENTS = 2  # visemes are named twice per frame of motion
AHEAD = 8  # frames that attention sees forward, per layer, when the whole sound is known
STEM_AHEAD = 7  # log-mel frames after the frame's own that the stem sees
# A log-mel window ends this many samples after its hop; with it, live hearing needs 77.5 ms of sound after a frame.
LOOK_AHEAD = STEM_AHEAD * HOP + (WINDOW - HOP) // 2
STEM_BEFORE = 3  # log-mel frames before the frame's own


class SpeechEncoderConfig(Wav2Vec2BertConfig):
    """Wav2Vec2BertConfig with what the heads and the stem need.

    classes: viseme names, in the order of the posteriors.   articulators: names of the lip targets.
    """

    model_type = "candor_speech_encoder"
    mels: int = MELS
    stem_size: int = 96
    classes: tuple[str, ...] | list[str] = VISEMES
    articulators: tuple[str, ...] | list[str] = ARTICULATORS


SIZES: dict[str, dict[str, Any]] = {
    "shipped": {
        "hidden_size": 144,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 320,
        "stem_size": 96,
    },
    "debug": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "stem_size": 12,
    },
}


def config_of(size: str = "shipped") -> SpeechEncoderConfig:
    """The configuration of a size in SIZES."""
    width = SIZES[size]["hidden_size"]
    common: dict[str, Any] = {
        "feature_projection_input_dim": width,
        "left_max_position_embeddings": 20,  # 0.8 s: also how far back a layer attends
        "right_max_position_embeddings": AHEAD,
        "conv_depthwise_kernel_size": 9,
        "attention_dropout": 0.1,
        "conformer_conv_dropout": 0.1,
        "activation_dropout": 0.1,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "attn_implementation": "eager",  # the banded mask adds to relative positions
    }
    return SpeechEncoderConfig(**common, **SIZES[size])


@dataclass(frozen=True)
class Heard:
    """What the encoder says of a batch: logits (B, T, MOMENTS, classes) and lips (B, T, articulators), in spreads."""

    visemes: torch.Tensor
    lips: torch.Tensor


class SpeechEncoder(Wav2Vec2BertPreTrainedModel):
    """Log-mels (B, 4 T + STEM_AHEAD, MELS) at 100 Hz -> Heard of T frames at MOTION_RATE.

    Frame t hears the log-mels up to 4 t + 3 + STEM_AHEAD, and with look-ahead those of later frames.
    """

    config_class = SpeechEncoderConfig
    lip_spread: torch.Tensor

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__(config)
        before, width = config.stem_size, config.hidden_size
        self.stem = nn.Conv1d(config.mels, before, 4, stride=2)  # 100 -> 50 Hz
        self.stem_norm = nn.LayerNorm(before)
        self.merge = nn.Conv1d(before, width, 6, stride=2)  # 50 -> 25 Hz; together 14 log-mels wide
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.viseme_head = nn.Linear(width, MOMENTS * len(config.classes))
        self.lip_head = nn.Linear(width, len(config.articulators))
        self.register_buffer("lip_spread", torch.ones(len(config.articulators)))  # face widths per unit of the head
        self.post_init()

    @property
    def reach(self) -> int:
        """Frames of MOTION_RATE back that can change what a frame hears."""
        return self.config.num_hidden_layers * self._per_layer + 1

    def forward(self, mels: torch.Tensor, ahead: int = AHEAD) -> Heard:
        """ahead: frames that every layer's attention sees forward, 0 (live) to AHEAD."""
        x = self._frames(nn.functional.pad(mels, (0, 0, STEM_BEFORE, 0)))
        band = self._band(x.shape[1], ahead).to(x)
        for layer in self.wav2vec2_bert.encoder.layers:
            x = layer(x, attention_mask=band)
        return self._heads(x)

    @property
    def _per_layer(self) -> int:
        """Frames back that a layer's attention and convolution reach together."""
        return self.config.left_max_position_embeddings + self.config.conv_depthwise_kernel_size - 1

    def _frames(self, mels: torch.Tensor) -> torch.Tensor:
        """(B, 3 + 4 T + 7, mels) -> (B, T, width)."""
        count = (mels.shape[1] - STEM_BEFORE - STEM_AHEAD) // MELS_PER_FRAME
        x = nn.functional.gelu(self.stem(mels.transpose(1, 2))).transpose(1, 2)  # (B, 2 T + 4, stem)
        x = nn.functional.gelu(self.merge(self.stem_norm(x).transpose(1, 2))).transpose(1, 2)[
            :, :count
        ]  # (B, T, width)
        return self.wav2vec2_bert.feature_projection(x)[0]

    def _band(self, count: int, ahead: int) -> torch.Tensor:
        """What attention may see, (1, 1, count, count): 0 or minus infinity."""
        distance = torch.arange(count)[None] - torch.arange(count)[:, None]  # (from, to)
        hidden = (distance > ahead) | (distance < -self.config.left_max_position_embeddings)
        return torch.zeros(count, count).masked_fill(hidden, float("-inf"))[None, None]

    def _heads(self, x: torch.Tensor) -> Heard:
        return Heard(self.viseme_head(x).unflatten(-1, (MOMENTS, -1)), self.lip_head(x))

    @classmethod
    def load(cls, path: Path | str) -> SpeechEncoder:
        """The encoder in a folder that `save_pretrained` wrote, float32. Raises WeightsError."""
        folder = Path(path)
        try:
            model = cls(SpeechEncoderConfig.from_pretrained(folder, local_files_only=True, attn_implementation="eager"))
            tensors = load_file(folder / "model.safetensors")
            model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError, StrictDataclassError) as error:
            raise WeightsError(
                f"{folder} does not hold a speech encoder ({type(error).__name__}); install Candor again."
            ) from None
        if tuple(model.config.classes) != VISEMES or tuple(model.config.articulators) != ARTICULATORS:
            raise WeightsError(f"{folder} names other visemes than this program; install matching weights.")
        return model.eval()


def mels_between(sound: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Log-mels of the frames [first, last) of a sound (n,) and what the stem sees around them, silence beyond its end.

    Returns (1, STEM_BEFORE + 4 (last - first) + STEM_AHEAD, MELS); zeros before the beginning.
    """
    frame = MELS_PER_FRAME * HOP
    begin = max(0, first - 2)  # a log-mel window reaches over the border
    end = (last + 3) * frame
    piece = nn.functional.pad(sound[begin * frame : end], (0, max(0, end - max(begin * frame, len(sound)))))
    mels = log_mel(piece[None])  # (1, 4 (last + 3 - begin), MELS)
    mels = nn.functional.pad(mels, (0, 0, STEM_BEFORE, 0)) if begin == first else mels
    skip = 0 if begin == first else (first - begin) * MELS_PER_FRAME - STEM_BEFORE
    return mels[:, skip : skip + STEM_BEFORE + (last - first) * MELS_PER_FRAME + STEM_AHEAD]
