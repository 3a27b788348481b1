"""The speech encoder, a few frames more at a time: keys, values and convolved inputs are kept.

`Wav2Vec2BertModel` of transformers hears a whole sequence. Live, a frame comes every 40 ms, and every block would make
28 frames again for it. One frame is also too little work for torch, which spends several times as long around each
small product as in it, and keeps Python's lock meanwhile. So the same arithmetic stands here as one compiled function,
on the same weights; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf
from torch import nn

from vasa_core.motion.encoder import MELS_PER_FRAME, MOMENTS, STEM_AHEAD, STEM_BEFORE, SpeechEncoder

_compiled = numba.njit(cache=True, fastmath=True, nogil=True)


@dataclass(frozen=True)
class Past:
    """What a block needs of the frames before: keys and values (P, width), P at most the attention's reach, and the
    inputs of its depthwise convolution (kernel - 1, width), zeros before the first frame."""

    keys: np.ndarray
    values: np.ndarray
    turned: np.ndarray


class _Norm(NamedTuple):
    weight: np.ndarray  # (width,)
    bias: np.ndarray
    eps: np.float32


class _Linear(NamedTuple):
    weight: np.ndarray  # (inputs, outputs)
    bias: np.ndarray  # (outputs,)


class _Feed(NamedTuple):
    norm: _Norm
    wide: _Linear
    narrow: _Linear


class _Attention(NamedTuple):
    norm: _Norm
    query: _Linear
    key: _Linear
    value: _Linear
    out: _Linear
    near: np.ndarray  # embedding of the distances -left .. 0, (left + 1, head)


class _Convolution(NamedTuple):
    norm: _Norm
    gate: np.ndarray  # (width, 2 width)
    kernel: np.ndarray  # (kernel, width)
    deep_norm: _Norm
    turn: np.ndarray  # (width, width)


class _Block(NamedTuple):
    """One conformer block, the weights of a `Wav2Vec2BertEncoderLayer`."""

    first: _Feed
    attention: _Attention
    convolution: _Convolution
    second: _Feed
    norm: _Norm


class Listener:
    """The weights of an encoder, for hearing it bit by bit. Never written to: threads may share it."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        model, config = encoder.wav2vec2_bert, encoder.config
        self._left = config.left_max_position_embeddings
        self._stem, self._stem_norm = _Stride(encoder.stem), _norm_of(encoder.stem_norm)
        self._merge = _Stride(encoder.merge)
        self._project_norm = _norm_of(model.feature_projection.layer_norm)
        self._project = _linear_of(model.feature_projection.projection)
        self._blocks = [_block_of(layer, self._left) for layer in model.encoder.layers]
        self._visemes, self._lips = _linear_of(encoder.viseme_head), _linear_of(encoder.lip_head)

    def extend(self, mels: np.ndarray, past: list[Past] | None = None) -> tuple[np.ndarray, np.ndarray, list[Past]]:
        """T frames more than before: what the encoder with no look-ahead in its attention says of them.

        mels: float32 (STEM_BEFORE + 4 T + STEM_AHEAD, MELS), zeros before the first frame.   past: what the call before
        returned. Returns logits of the visemes (T, MOMENTS, classes), lips (T, articulators), and the new past.
        """
        count = (len(mels) - STEM_BEFORE - STEM_AHEAD) // MELS_PER_FRAME
        x = _gelu(self._stem(mels))  # (2 T + 4, stem)
        x = _gelu(self._merge(_normed(x, self._stem_norm)))[:count]  # (T, width)
        x = _mapped(_normed(x, self._project_norm), self._project)
        past = past or [self._nothing(block) for block in self._blocks]
        kept = []
        for block, before in zip(self._blocks, past, strict=True):
            x, *after = _extend(x, before.keys, before.values, before.turned, block)
            kept.append(Past(*after))
        return _mapped(x, self._visemes).reshape(count, MOMENTS, -1), _mapped(x, self._lips), kept

    @staticmethod
    def _nothing(block: _Block) -> Past:
        """What is known before the first frame."""
        kernel, width = block.convolution.kernel.shape
        empty = np.zeros((0, width), np.float32)
        return Past(empty, empty, np.zeros((kernel - 1, width), np.float32))


@_compiled
def _extend(
    x: np.ndarray, keys: np.ndarray, values: np.ndarray, held: np.ndarray, block: _Block
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(T, width) -> what the block's `forward` of all frames at once says of these T, and the new past."""
    x = x + _fed(x, block.first)
    heard, keys, values = _attend(x, keys, values, block.attention)
    x = x + heard
    turned, held = _convolve(x, held, block.convolution)
    x = x + turned
    return _normed(x + _fed(x, block.second), block.norm), keys, values, held


@_compiled
def _attend(
    x: np.ndarray, keys: np.ndarray, values: np.ndarray, net: _Attention
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attention with Shaw's relative keys (arXiv 1803.02155) over what is kept and what is new."""
    x = _normed(x, net.norm)
    query, known, left, head = _mapped(x, net.query), len(keys), len(net.near) - 1, net.near.shape[1]
    keys = np.concatenate((keys, _mapped(x, net.key)))  # (P + T, width)
    values = np.concatenate((values, _mapped(x, net.value)))
    scale = np.float32(1 / np.sqrt(head))
    heard = np.zeros_like(x)
    weights = np.empty(left + 1, np.float32)
    for t in range(len(x)):
        newest = known + t
        oldest = max(0, newest - left)
        for first in range(0, x.shape[1], head):  # one head after another
            total, highest = np.float32(0), np.float32(-1e30)
            for k in range(oldest, newest + 1):
                score, distance = np.float32(0), left - (newest - k)
                for c in range(head):
                    score += query[t, first + c] * (keys[k, first + c] + net.near[distance, c])
                weights[k - oldest] = score * scale
                highest = max(highest, score * scale)
            for k in range(newest + 1 - oldest):
                weights[k] = np.exp(weights[k] - highest)
                total += weights[k]
            for k in range(oldest, newest + 1):
                share = weights[k - oldest] / total
                for c in range(head):
                    heard[t, first + c] += share * values[k, first + c]
    drop = max(0, len(keys) - left)
    return _mapped(heard, net.out), keys[drop:].copy(), values[drop:].copy()


@_compiled
def _convolve(x: np.ndarray, held: np.ndarray, net: _Convolution) -> tuple[np.ndarray, np.ndarray]:
    """The causal convolution module and the inputs that the next frames need, (kernel - 1, width)."""
    both = np.dot(_normed(x, net.norm), net.gate)  # (T, 2 width)
    count, width = x.shape
    gated = both[:, :width] / (1 + np.exp(-both[:, width:]))
    inputs = np.concatenate((held, gated))  # (kernel - 1 + T, width)
    deep = np.zeros_like(x)
    for t in range(count):
        for k in range(len(net.kernel)):
            for c in range(width):
                deep[t, c] += inputs[t + k, c] * net.kernel[k, c]
    return np.dot(_swish(_normed(deep, net.deep_norm)), net.turn), inputs[count:].copy()


@_compiled
def _fed(x: np.ndarray, net: _Feed) -> np.ndarray:
    return np.float32(0.5) * _mapped(_swish(_mapped(_normed(x, net.norm), net.wide)), net.narrow)


@_compiled
def _mapped(x: np.ndarray, net: _Linear) -> np.ndarray:
    return np.dot(x, net.weight) + net.bias


@_compiled
def _swish(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


@_compiled
def _normed(x: np.ndarray, net: _Norm) -> np.ndarray:
    """(T, width) -> (T, width)"""
    out = np.empty_like(x)
    width = x.shape[1]
    for t in range(len(x)):
        mean = x[t].sum() / np.float32(width)
        spread = np.float32(0)
        for c in range(width):
            spread += (x[t, c] - mean) ** 2
        scale = np.float32(1) / np.sqrt(spread / np.float32(width) + net.eps)
        for c in range(width):
            out[t, c] = (x[t, c] - mean) * scale * net.weight[c] + net.bias[c]
    return out


class _Stride:
    """A convolution over rows, without padding: (N, inputs) -> (M, outputs)."""

    def __init__(self, layer: nn.Conv1d) -> None:
        self._size, self._stride = layer.kernel_size[0], layer.stride[0]
        self._net = _Linear(_array(layer.weight.reshape(layer.out_channels, -1).T), _array(layer.bias))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        windows = sliding_window_view(x, self._size, 0)[:: self._stride]  # (M, inputs, kernel)
        return np.asarray(_mapped(windows.reshape(len(windows), -1), self._net))


def _block_of(layer: Any, left: int) -> _Block:
    """left: frames before its own that a frame attends to."""
    attention, module = layer.self_attn, layer.conv_module
    first, second = (
        _Feed(_norm_of(norm), _linear_of(net.intermediate_dense), _linear_of(net.output_dense))
        for norm, net in ((layer.ffn1_layer_norm, layer.ffn1), (layer.ffn2_layer_norm, layer.ffn2))
    )
    heard = _Attention(
        _norm_of(layer.self_attn_layer_norm),
        _linear_of(attention.linear_q),
        _linear_of(attention.linear_k),
        _linear_of(attention.linear_v),
        _linear_of(attention.linear_out),
        _array(attention.distance_embedding.weight[: left + 1]),
    )
    gate, turn = (_array(c.weight[..., 0].T) for c in (module.pointwise_conv1, module.pointwise_conv2))
    kernel = _array(module.depthwise_conv.weight[:, 0].T)
    turned = _Convolution(_norm_of(module.layer_norm), gate, kernel, _norm_of(module.depthwise_layer_norm), turn)
    return _Block(first, heard, turned, second, _norm_of(layer.final_layer_norm))


def _norm_of(layer: nn.LayerNorm) -> _Norm:
    return _Norm(_array(layer.weight), _array(layer.bias), np.float32(layer.eps))


def _linear_of(layer: nn.Linear) -> _Linear:
    return _Linear(_array(layer.weight.T), _array(layer.bias))


def _array(tensor: Any) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _gelu(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.float32(0.5) * x * (np.float32(1) + erf(x * np.float32(np.sqrt(0.5)))))
