"""One conformer block of Wav2Vec2-BERT, a few frames more at a time: keys, values and convolved inputs are kept.

`Wav2Vec2BertEncoderLayer` of transformers hears a whole sequence. Live, a frame comes every 40 ms, and
every block would make 28 frames again for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import glu, linear


@dataclass(frozen=True)
class Past:
    """What a block needs of the frames before: keys and values (B, heads, P, head), P at most the attention's reach,
    and the inputs of its depthwise convolution (B, width, kernel - 1), zeros before the first frame."""

    keys: torch.Tensor
    values: torch.Tensor
    turned: torch.Tensor


@dataclass(frozen=True)
class Band:
    """Which of P + T keys each of T queries sees.

    place: row of the distance embedding for each pair, (T, P + T).   mask: 0 or minus infinity, (T, P + T).
    """

    place: torch.Tensor
    mask: torch.Tensor

    @classmethod
    def of(cls, known: int, new: int, left: int) -> Band:
        """`known` frames before, `new` ones; each sees itself and `left` before it."""
        distance = torch.arange(known + new)[None] - (known + torch.arange(new))[:, None]  # (T, P + T)
        hidden = (distance > 0) | (distance < -left)
        return cls(distance.clamp(-left, 0) + left, torch.zeros(distance.shape).masked_fill(hidden, float("-inf")))


def nothing(layer: Any, batch: int) -> Past:
    """What is known before the first frame."""
    attention, convolution = layer.self_attn, layer.conv_module.depthwise_conv
    empty = torch.zeros(batch, attention.num_heads, 0, attention.head_size)
    return Past(empty, empty, torch.zeros(batch, convolution.in_channels, convolution.kernel_size[0] - 1))


def extend(layer: Any, x: torch.Tensor, past: Past, band: Band) -> tuple[torch.Tensor, Past]:
    """T frames more, (B, T, width) -> what the block's `forward` of all at once says of them, and the new past."""
    x = x + 0.5 * _feed(layer.ffn1, layer.ffn1_layer_norm(x))
    heard, keys, values = _attend(layer.self_attn, layer.self_attn_layer_norm(x), past, band)
    x = x + heard
    turned, held = _convolve(layer.conv_module, x, past.turned)
    x = x + turned
    x = layer.final_layer_norm(x + 0.5 * _feed(layer.ffn2, layer.ffn2_layer_norm(x)))
    return x, Past(keys, values, held)


def _feed(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net.output_dense(net.intermediate_act_fn(net.intermediate_dense(x)))


def _attend(attention: Any, x: torch.Tensor, past: Past, band: Band) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attention with Shaw's relative keys (arXiv 1803.02155) over what is kept and what is new."""
    batch, new, _ = x.shape
    left = attention.left_max_position_embeddings

    def heads(net: Any) -> torch.Tensor:
        return net(x).view(batch, new, attention.num_heads, attention.head_size).transpose(1, 2)

    query = heads(attention.linear_q) * attention.scaling  # (B, heads, T, head)
    keys = torch.cat([past.keys, heads(attention.linear_k)], 2)  # (B, heads, P + T, head)
    values = torch.cat([past.values, heads(attention.linear_v)], 2)
    near = query @ attention.distance_embedding.weight[: left + 1].T  # (B, heads, T, left + 1)
    bias = near.gather(3, band.place.expand(*near.shape[:2], -1, -1))
    weights = (query @ keys.transpose(2, 3) + bias + band.mask).softmax(-1)
    out = attention.linear_out((weights @ values).transpose(1, 2).flatten(2))
    return out, keys[:, :, -left:], values[:, :, -left:]


def _convolve(module: Any, x: torch.Tensor, held: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The causal convolution module and the inputs that the next frames need, (B, width, kernel - 1)."""
    gated = glu(linear(module.layer_norm(x), module.pointwise_conv1.weight[..., 0]), -1).transpose(1, 2)
    gated = torch.cat([held, gated], 2)  # (B, width, kernel - 1 + T)
    kernel = module.depthwise_conv.weight[:, 0]  # (width, kernel)
    # A few products and a sum: for one frame, torch's grouped convolution takes as long as the rest of the block.
    deep = (gated.unfold(2, kernel.shape[1], 1) * kernel[:, None]).sum(-1)  # (B, width, T)
    out = module.depthwise_layer_norm(deep.transpose(1, 2))
    out = linear(module.activation(out), module.pointwise_conv2.weight[..., 0])
    return out, gated[:, :, gated.shape[2] - held.shape[2] :]
