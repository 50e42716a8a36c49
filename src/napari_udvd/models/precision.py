"""Convolutions in the precision of their input; the parameters stay in float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["convolve", "like", "pack"]

BLOCK = 16
"""With other numbers of channels in a group, oneDNN's weight gradient of dilated
convolutions in bfloat16 is garbage if the memory channels are last."""


def convolve(
    layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Apply a layer to ``(N, C, H, W)``, with another weight where one is given."""
    weight = (layer.weight if weight is None else weight).to(x.dtype)
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    if isinstance(layer, nn.ConvTranspose2d):
        return F.conv_transpose2d(x, weight, bias, stride=layer.stride)
    if layer.dilation != (1, 1) and x.shape[1] // layer.groups % BLOCK:
        x = x.contiguous()
    return F.conv2d(
        x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups
    )


def like(weight: Tensor, x: Tensor) -> Tensor:
    """Bring a weight to the precision of an input, its memory channels last."""
    return weight.to(dtype=x.dtype, memory_format=torch.channels_last)


def pack(x: Tensor) -> Tensor:
    """Order the memory of images channels last."""
    return x.contiguous(memory_format=torch.channels_last)
