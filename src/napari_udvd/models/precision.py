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
        if layer.kernel_size == layer.stride and _is_learned_on_cpu(weight):
            return _spread(x, weight, bias)
        return F.conv_transpose2d(x, weight, bias, stride=layer.stride)
    if layer.dilation != (1, 1) and x.shape[1] // layer.groups % BLOCK:
        x = x.contiguous()
    return F.conv2d(
        x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups
    )


def _is_learned_on_cpu(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.requires_grad


def _spread(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Transposed convolution whose pixels do not overlap, as a product of matrices.

    The same up to rounding. oneDNN computes the gradient of its weight at a sixth of
    the speed of a product; without a gradient its own way is the faster one.
    """
    n, channels, height, width = x.shape
    _, outputs, down, right = weight.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    taps = weight.permute(0, 2, 3, 1).reshape(channels, -1)
    if bias is None:
        spread = pixels @ taps
    else:
        spread = torch.addmm(bias.repeat(down * right), pixels, taps)
    spread = spread.view(n, height, width, down, right, outputs)
    image = spread.transpose(2, 3).reshape(n, height * down, width * right, outputs)
    return image.permute(0, 3, 1, 2)


def like(weight: Tensor, x: Tensor) -> Tensor:
    """Bring a weight to the precision of an input, its memory channels last."""
    return weight.to(dtype=x.dtype, memory_format=torch.channels_last)


def pack(x: Tensor) -> Tensor:
    """Order the memory of images channels last."""
    return x.contiguous(memory_format=torch.channels_last)
