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
"""Of the brightest pixel, and of all light: nothing is divided by less."""


LEAST_SEEN = 0.01
"""Share of a point's light that must fall on what was measured for this to tell of it,
of that of the point that is seen best."""


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


def richardson_lucy(
    frames: Tensor, blur: Blur, measured: Tensor | None = None
) -> Iterator[Iterate]:
    """Sharpen frames, each by itself, for as long as one likes.

    Parameters
    ----------
    frames
        ``(N, rows, columns)``, of light alone: any offset taken off. What is below
        zero counts as zero.
    blur
        Of frames of that shape.
    measured
        bool, as the frames: where there is anything to compare with. What lies
        elsewhere follows from what shines over from there. Everywhere if None.

    Yields
    ------
    Iterate
        The frames as they are, first; after each iteration the scene.
    """
    light = frames.clamp_min(0.0)
    seen = blur.seen
    if measured is not None:
        light = torch.where(measured, light, 0.0)
        counted = measured.sum(dim=(-2, -1), keepdim=True).clamp_min(1)
        level = light.sum(dim=(-2, -1), keepdim=True) / counted
        light = torch.where(measured, light, level)
        seen = blur.adjoint(measured.to(light.dtype))
    # of what hardly shines into the frame, the frame says nothing: it stays as it is
    is_seen = seen > LEAST_SEEN * blur.seen.max()
    share = torch.where(is_seen, 1 / seen.clamp_min(LEAST), 0.0)
    rest = (~is_seen).to(light.dtype)
    tiny = LEAST * float(light.max()) or LEAST
    scene = blur.canvas(light)
    while True:
        predicted = blur(scene)
        yield Iterate(scene, predicted)
        ratio = light / predicted.clamp_min(tiny)
        if measured is not None:
            ratio = torch.where(measured, ratio, 0.0)
        # large arrays are written over: on a CPU their first touch costs as much as
        # a step of the arithmetic
        update = blur.adjoint(ratio).mul_(share).add_(rest)
        scene = update.mul_(scene).clamp_min_(0.0)
