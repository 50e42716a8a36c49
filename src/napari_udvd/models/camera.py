"""Camera noise, and the scale on which it is the same everywhere.

A camera that counts photons and reads them out has the noise variance ``gain * (mean
- dark) + read_variance``. The generalised Anscombe transform (Starck, Murtagh and
Bijaoui 1998) gives it a standard deviation of one at every brightness, so a network
behind it sees the same noise in every movie.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CameraNoise", "destabilise", "stabilise"]

LEAST_PHOTONS = 0.05
"""Mean below which the variance of a counted photon is not told from zero."""


class CameraNoise(NamedTuple):
    """Poisson-Gaussian noise in the units of a network's input.

    Every entry broadcasts with ``(..., C, H, W)``.

    Attributes
    ----------
    gain
        Units per photon, not negative.
    dark
        What the camera reports without light.
    read_variance
        Variance of the noise without light.
    """

    gain: Tensor
    dark: Tensor
    read_variance: Tensor

    def variance(self, mean: Tensor) -> Tensor:
        """Variance of the noise where the clean image is `mean`."""
        light = torch.maximum(mean - self.dark, LEAST_PHOTONS * self.gain)
        return self.gain * light + self.read_variance

    @property
    def _floor(self) -> Tensor:
        # without any noise the scale would be infinite
        floor = 0.375 * self.gain.square() + self.read_variance
        return floor.clamp_min(torch.finfo(floor.dtype).tiny)


def stabilise(image: Tensor, noise: CameraNoise) -> Tensor:
    """Generalised Anscombe transform, zero at the dark level.

    Below the dark level, where only read noise leads, it goes on as a straight line;
    without gain it divides by the read noise.
    """
    light = image - noise.dark
    floor = noise._floor
    root = floor.sqrt()
    above = light.clamp_min(0)
    scale = (floor + noise.gain * above).sqrt() + root
    # either summand is zero; to choose between two images takes longer than to add them
    return ((light - above) / root).addcdiv_(above, scale, value=2)


def destabilise(value: Tensor, noise: CameraNoise) -> Tensor:
    """Inverse of :func:`stabilise`, point by point.

    It is the link between a network's output and the mean that the likelihood is
    about, so the bias of an inverted average does not arise.
    """
    root = noise._floor.sqrt()
    bright = value.clamp_min(0)
    # not the square first: without any noise it would overflow
    return value * root + noise.gain * bright * bright / 4 + noise.dark
