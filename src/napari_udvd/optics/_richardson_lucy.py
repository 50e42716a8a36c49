"""Richardson-Lucy: iterations towards the scene that a blurred movie shows best.

W. H. Richardson (1972), L. B. Lucy (1974): the maximum of a Poisson likelihood, which
keeps light positive and its sum. The first iterations bring out what is strong, later
ones fit the noise: where to stop is for others to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_udvd.optics._blur import Blur

__all__ = ["Iterate", "richardson_lucy"]

LEAST = 1e-6
"""Of the brightest pixel, that a prediction counts as at least: nothing is divided by
zero."""


class Iterate(NamedTuple):
    """A guess.

    Attributes
    ----------
    scene
        On the canvas, see :class:`~napari_udvd.optics.Blur`.
    predicted
        What would be measured of it, ``(..., rows, columns)`` of the frames.
    """

    scene: Tensor
    predicted: Tensor


def richardson_lucy(frames: Tensor, blur: Blur) -> Iterator[Iterate]:
    """Sharpen frames, each by itself, for as long as one likes.

    Parameters
    ----------
    frames
        ``(N, rows, columns)``, of light alone: any offset taken off. What is below
        zero counts as zero.
    blur
        Of frames of that shape.

    Yields
    ------
    Iterate
        The frames as they are, first; after each iteration the scene.
    """
    light = frames.clamp_min(0.0)
    tiny = LEAST * float(light.max()) or LEAST
    scene = blur.canvas(light)
    while True:
        predicted = blur(scene)
        yield Iterate(scene, predicted)
        update = blur.adjoint(light / predicted.clamp_min(tiny)) / blur.seen
        # of what hardly shines into the frame, the frame says nothing
        scene = (scene * torch.where(blur.is_seen, update, 1.0)).clamp_min(0.0)
