"""Deformable convolution: an ordinary one if nothing moves, and a loop otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models.deepfovea.deformable import (
    DeformableConv2d,
    deformable_convolution,
)
from noise_images import noise

if TYPE_CHECKING:
    from torch import Tensor


def arguments(
    kernel: tuple[int, int], size: tuple[int, int] = (5, 6)
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Image, offsets of a few pixels, strengths, weight and bias."""
    taps = kernel[0] * kernel[1]
    return (
        noise(2, 3, *size).double(),
        2 * noise(2, 2 * taps, *size, seed=1).double(),
        noise(2, taps, *size, seed=2).double().sigmoid(),
        noise(4, 3, *kernel, seed=3).double(),
        noise(4, seed=4).double(),
    )


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 5), (5, 3)])
def test_it_is_an_ordinary_convolution_if_nothing_moves(
    kernel: tuple[int, int],
) -> None:
    x, offsets, strengths, weight, bias = arguments(kernel)
    still = deformable_convolution(
        x, torch.zeros_like(offsets), torch.ones_like(strengths), weight, bias
    )
    ordinary = F.conv2d(x, weight, bias, padding=(kernel[0] // 2, kernel[1] // 2))
    torch.testing.assert_close(still, ordinary, rtol=0, atol=1e-13)


def test_whole_pixels_are_a_shift() -> None:
    x, offsets, strengths, weight, bias = arguments((3, 3))
    down = torch.zeros_like(offsets)
    down[:, 0::2] = 1
    moved = deformable_convolution(x, down, torch.ones_like(strengths), weight, bias)
    ordinary = F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(moved[:, :, :-1], ordinary[:, :, 1:])


def test_it_is_what_a_loop_computes() -> None:
    kernel = (3, 3)
    x, offsets, strengths, weight, bias = arguments(kernel, (4, 5))
    found = deformable_convolution(x, offsets, strengths, weight, bias)
    n, channels, height, width = x.shape

    def pixel(item: int, channel: int, row: int, column: int) -> float:
        if 0 <= row < height and 0 <= column < width:
            return float(x[item, channel, row, column])
        return 0.0

    outside = 0
    for item in range(n):
        for row in range(height):
            for column in range(width):
                expected = bias.clone()
                for tap in range(9):
                    y = row + tap // 3 - 1 + float(offsets[item, 2 * tap, row, column])
                    z = column + tap % 3 - 1
                    z = z + float(offsets[item, 2 * tap + 1, row, column])
                    outside += not (-1 < y < height and -1 < z < width)
                    top, left = math.floor(y), math.floor(z)
                    for channel in range(channels):
                        value = sum(
                            pixel(item, channel, top + a, left + b)
                            * (1 - abs(y - top - a))
                            * (1 - abs(z - left - b))
                            for a in (0, 1)
                            for b in (0, 1)
                        )
                        value *= float(strengths[item, tap, row, column])
                        expected += weight[:, channel, tap // 3, tap % 3] * value
                torch.testing.assert_close(found[item, :, row, column], expected)
    assert outside > 100  # the border was crossed often enough


def test_gradients() -> None:
    inputs = [a.requires_grad_() for a in arguments((3, 3), (3, 4))]
    assert torch.autograd.gradcheck(deformable_convolution, inputs)


def test_taps_far_outside_see_nothing() -> None:
    x, offsets, strengths, weight, bias = arguments((3, 3))
    for far in (7.0, -1e12, math.inf):
        out = deformable_convolution(
            x, torch.full_like(offsets, far), strengths, weight, bias
        )
        torch.testing.assert_close(out, bias.view(1, -1, 1, 1).expand_as(out))


def test_the_layer_begins_as_half_an_ordinary_one() -> None:
    torch.manual_seed(0)
    layer = DeformableConv2d(3, 4)
    x = noise(1, 3, 6, 7)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, padding=1) / 2)
    layer(x).square().sum().backward()
    # and is free to move: both kinds of its own numbers have a gradient
    gradient = layer.look.weight.grad
    assert gradient is not None
    assert all(part.abs().max() > 0 for part in gradient.split([18, 9]))
