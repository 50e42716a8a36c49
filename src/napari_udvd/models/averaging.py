"""Averages over what was measured: normalised convolution.

Where pixels are missing, the weighted sum of those that there are is divided by the
sum of their weights (Knutsson and Westin 1993). Both sums are convolutions: of the
movie with zeros where nothing was measured, and of the mask.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = [
    "TRUST",
    "Partial",
    "Taps",
    "along",
    "average",
    "box",
    "divided",
    "gaussian",
    "ratio",
    "reach",
    "smooth",
]

Taps = tuple[float, ...]
"""An odd number of weights of a convolution, the same from both ends."""

TRUST = 0.003
"""Share of its neighbourhood that must have been measured for an average to count as
much as the wider one that stands in for it."""

SCARCE = 0.03
"""Share of an average's neighbourhood that was measured, below which it is widened."""

BLOCK = 192
"""Pixels along an axis that are convolved at once, as the product with a matrix."""

SMALL_BLOCK = 48
"""The same on a processor, for which a product that is mostly zeros is work."""


@lru_cache(maxsize=128)
def gaussian(width: float) -> Taps:
    """Return a Gaussian of this standard deviation, to three of them, sum one."""
    side = reach(width)
    taps = [math.exp(-((k / width) ** 2) / 2) for k in range(-side, side + 1)]
    return tuple(tap / sum(taps) for tap in taps)


def reach(width: float) -> int:
    """Pixels on either side that a Gaussian of this standard deviation sees."""
    return math.ceil(3 * width)


def box(side: int) -> Taps:
    """Return equal weights, an odd number of them, sum one."""
    return (1 / side,) * side


def smooth(x: Tensor, rows: Taps, columns: Taps | None = None) -> Tensor:
    """Convolve ``(..., H, W)`` along both axes, zeros beyond the edges.

    The same weights along both, unless others are given for the columns.
    """
    return along(along(x, rows, -2), columns or rows, -1)


def along(x: Tensor, taps: Taps, axis: int) -> Tensor:
    """Convolve along one of the last two axes, zeros beyond the edges.

    A product with a banded matrix: many times faster than a convolution of few
    channels, on processors above all.
    """
    side, length = len(taps) // 2, x.shape[axis]
    block = max(SMALL_BLOCK, 4 * side) if x.device.type == "cpu" else BLOCK
    parts = []
    for start in range(0, length, block):
        stop = min(start + block, length)
        first, last = max(start - side, 0), min(stop + side, length)
        band = _band(stop - start, last - first, start - first, taps, x.device)
        seen = x.narrow(axis, first, last - first)
        band = band.to(x.dtype)
        parts.append(band @ seen if axis == -2 else seen @ band.mT)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)


def divided(total: Tensor, known: Tensor, wider: Tensor | float) -> Tensor:
    """Divide a sum by its weights; where hardly any were known, the wider average.

    Parameters
    ----------
    total
        Convolution of what was measured, zeros elsewhere.
    known
        The same convolution of the mask; the kernel's sum is one.
    wider
        Average of a wider neighbourhood, in units of which `TRUST` is added.
    """
    return (total + TRUST * wider) / (known + TRUST)


def ratio(total: Tensor, known: Tensor, otherwise: Tensor) -> Tensor:
    """Divide exactly, wherever anything was measured at all."""
    tiny = torch.finfo(known.dtype).tiny
    return torch.where(known > 0, total / known.clamp_min(tiny), otherwise)


class Partial(NamedTuple):
    """Sums over frames that are yet to be taken over pixels.

    Attributes
    ----------
    both
        Values ``(N, C, H, W)``, and as many channels of their mask.
    taps
        Weights along rows and columns.
    """

    both: Tensor
    taps: Taps

    def sums(self) -> tuple[Tensor, Tensor]:
        """Values and mask, ``(N, C, H, W)`` each."""
        total, share = smooth(self.both, self.taps).chunk(2, dim=1)
        return total, share


def average(sums: tuple[Tensor, Tensor], wider: Sequence[Partial]) -> Tensor:
    """Divide sums of what was measured by those of the mask; wider ones in gaps.

    What is wider is computed where it is asked for alone, and has no weight elsewhere,
    so that a tile is the same as its place in the frame.
    """
    total, share = sums
    if not wider:
        level = ratio(
            total.sum(dim=(-2, -1), keepdim=True),
            share.sum(dim=(-2, -1), keepdim=True),
            total.new_zeros(()),
        )
        return ratio(total, share, level)
    lacking = (1 - share / SCARCE).clamp_min(0)
    if not bool(lacking.any()):
        return total / share
    trust = TRUST * lacking
    return (total + trust * average(wider[0].sums(), wider[1:])) / (share + trust)


@lru_cache(maxsize=512)
def _band(
    outputs: int, inputs: int, first: int, taps: Taps, device: torch.device
) -> Tensor:
    """Matrix ``(outputs, inputs)``; the first output lies at the input `first`."""
    side = len(taps) // 2
    with torch.inference_mode(False):  # it serves gradients, too
        far = torch.arange(inputs)[None] - torch.arange(outputs)[:, None] - first
        weights = torch.tensor(taps, dtype=torch.float64)
        found = weights[(far + side).clamp(0, 2 * side)]
        return torch.where(far.abs() <= side, found, 0.0).float().to(device)
