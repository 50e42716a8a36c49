"""What STBN is told of the noise at every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.camera import CameraNoise

__all__ = ["noise_map"]

BRIGHTNESS_REACH = 2
"""Lattice points on either side that the brightness for the noise map is averaged."""


def noise_map(frames: Tensor, noise: CameraNoise, stride: tuple[int, int]) -> Tensor:
    """Return the standard deviation of the noise at every pixel of frames.

    Where noise grows with brightness, brightness is the average of the frame itself
    over lattice points around the pixel. The lattice keeps it blind: the map enters
    together with the frame, in front of the mask, and a pixel of it holds nothing but
    pixels that are multiples of the stride away. An ordinary blur would hold neighbours
    that lead back into the hole; neighbouring frames would carry their sight of this
    frame here along the recurrence.

    Parameters
    ----------
    frames
        ``(..., C, H, W)``.
    noise
        In their units.
    stride
        Rows and columns between points of the lattice.

    Returns
    -------
    Tensor
        ``(..., C, H, W)``.
    """
    images = frames.reshape(-1, 1, *frames.shape[-2:])
    side = 2 * BRIGHTNESS_REACH + 1
    kernel = images.new_ones(1, 1, side, side)
    padding = [BRIGHTNESS_REACH * step for step in stride]
    total, count = (
        F.conv2d(x, kernel, padding=padding, dilation=stride)
        for x in (images, torch.ones_like(images[:1]))
    )
    brightness = (total / count).view_as(frames)
    return noise.variance(brightness).sqrt().expand_as(frames)
