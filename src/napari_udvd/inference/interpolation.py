"""A dense movie at once, without any network: normalised convolution.

Every pixel becomes the average of what was measured around it, with Gaussian weights
in space and time (Knutsson and Westin 1993). How wide they should be the movie itself
tells: a measured pixel is left out and predicted from the others, and the widths that
come nearest to all of them are taken. The noise of a pixel is independent of such a
prediction, so that distances differ by the errors of the predictions alone.

What is left out must leave a gap like those to be filled. Where whole rows are scanned,
the neighbours in its row tell of a measured pixel what nothing tells of an unmeasured
one: there the whole row is left out. Likewise columns, and a pixel in all frames where
the same pixels are measured in every one.
"""

from __future__ import annotations

from itertools import product
from math import isqrt
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt

from napari_udvd.models.averaging import along, divided, gaussian, smooth

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LeftOut", "Widths", "choose_widths", "density", "interpolate", "leave_out"]

Frames: TypeAlias = "npt.NDArray[np.floating[Any]]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"

PIXELS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.5, 6.5)
"""Widths in space that are tried, px."""

FRAMES = (0.3, 0.6, 1.0, 2.0, 3.5, 6.0, 10.0, 16.0)
"""Widths in time that are tried, frames."""

FIRST = (4, 3)
"""Which of either the search begins with."""

MOST_PIXELS = 2**20
"""Pixels of a movie that widths are chosen by, and ..."""

MOST_FRAMES = 48
"""... frames that they are from, at most."""

PERSISTENT = 0.9
"""Share of measured pixels whose neighbours along an axis were measured, from which on
this was a scan along the axis."""

DENSE = 0.8
"""Share of all pixels, from which on that says nothing."""

SCARCE = 0.03
"""Share of a neighbourhood that was measured, below which it is a gap."""

LEAST = 1e-4
"""Share at which an average counts as much as the mean grey level."""

LOCAL = 5.0
"""Standard deviation, px, of the neighbourhood in which it is counted how densely a
place was visited."""


class Widths(NamedTuple):
    """Standard deviations of a Gaussian average.

    Attributes
    ----------
    pixels, frames
        In space, along rows and columns alike, and in time.
    """

    pixels: float
    frames: float


class LeftOut(NamedTuple):
    """Measured pixels and what the others say of them, ``(pixels,)`` each.

    Attributes
    ----------
    measured
        What was measured.
    predicted
        The average of all others that tell of it what they tell of unmeasured ones.
    density
        Share of the average's neighbourhood that was measured, see :func:`density`.
    """

    measured: Frames
    predicted: Frames
    density: Frames


def interpolate(frames: Frames, measured: Mask, widths: Widths) -> Frames:
    """Average what was measured around every pixel.

    Parameters
    ----------
    frames
        ``(T, Y, X)``; what was not measured may be anything.
    measured
        Of the same shape.
    widths
        Of the average, see :func:`choose_widths`.

    Returns
    -------
    ndarray
        ``(T, Y, X)`` float32. In a gap of the averages they are over twice the widths,
        or four times, and so on; NaN where nothing was measured at all.
    """
    if not measured.any():
        return np.full(frames.shape, np.nan, np.float32)
    return _averaged(*_tensors(frames, measured), widths).numpy()


def choose_widths(frames: Frames, measured: Mask) -> Widths:
    """Find the widths of an average that predict measured pixels best.

    Each of them is left out while it is predicted, with all that tells of it what
    nothing tells of the others. They count by how many they stand for: more, where few
    are measured.

    Parameters
    ----------
    frames, measured
        As for :func:`interpolate`. A part of them is looked at.

    Returns
    -------
    Widths
        Among :data:`PIXELS` and :data:`FRAMES`.

    Raises
    ------
    ValueError
        If nothing was measured.
    """
    if not measured.any():
        raise ValueError("nothing was measured that an average could be compared with")
    values, known = _tensors(*_part(frames, measured))
    lines, weights = _persistent(known), _weights(known)
    narrowest = 0
    if lines[0] and any(lines[1:]):
        # the same rows in every frame: with its row in all of them, all would be left
        # out that is as near to a pixel as what an unmeasured one has
        lines, narrowest = [False, *lines[1:]], _narrowest(known)
    tried: dict[tuple[int, int], float] = {}

    def error(place: tuple[int, int]) -> float:
        if place not in tried:
            widths = Widths(PIXELS[place[0]], FRAMES[place[1]])
            tried[place] = _error(values, known, weights, widths, lines)
        return tried[place]

    best, before = (max(FIRST[0], narrowest), FIRST[1]), None
    while best != before:
        before = best
        around = [
            (best[0] + down, best[1] + aside)
            for down, aside in product((-1, 0, 1), repeat=2)
            if narrowest <= best[0] + down < len(PIXELS)
            and 0 <= best[1] + aside < len(FRAMES)
        ]
        best = min(around, key=error)
    return Widths(PIXELS[best[0]], FRAMES[best[1]])


def density(measured: Mask, widths: Widths) -> Frames:
    """Share of the neighbourhood of each pixel that was measured, ``(T, Y, X)``."""
    known = torch.from_numpy(measured.astype(np.float32))
    return _convolved(known, widths).numpy()


def leave_out(frames: Frames, measured: Mask, widths: Widths) -> LeftOut:
    """Predict measured pixels as if each of them had not been.

    Parameters
    ----------
    frames, measured, widths
        As for :func:`interpolate`. A part of them is looked at.
    """
    values, known = _tensors(*_part(frames, measured))
    found, share = _predicted(values, known, widths, _persistent(known))
    there = known > 0
    parts = (part[there].numpy() for part in (values, found, share))
    return LeftOut(*parts)


def _averaged(values: Tensor, known: Tensor, widths: Widths) -> Tensor:
    """Average, in gaps over a wider neighbourhood."""
    total, share = (_convolved(part, widths) for part in (values, known))
    sees_all = min(widths) >= max(values.shape)
    if sees_all or not bool((share < SCARCE).any()):
        return total / share
    wider = Widths(2 * widths.pixels, 2 * widths.frames)
    return divided(total, share, _averaged(values, known, wider))


def _error(
    values: Tensor, known: Tensor, weights: Tensor, widths: Widths, lines: list[bool]
) -> float:
    """Mean squared distance of what was left out from its prediction."""
    distance = _predicted(values, known, widths, lines)[0] - values
    return float((weights * distance.square()).sum() / weights.sum())


def _predicted(
    values: Tensor, known: Tensor, widths: Widths, lines: list[bool]
) -> tuple[Tensor, Tensor]:
    """Predict each pixel with its lines left out; share that is left of the weights."""
    total, share = (
        _convolved(part, widths) - _left_out(part, widths, lines)
        for part in (values, known)
    )
    level = values.sum() / known.sum()
    # rounding leaves something of what was taken out
    share = share.clamp_min(0.0)
    return (total + LEAST * level) / (share + LEAST), share


def _convolved(x: Tensor, widths: Widths) -> Tensor:
    """Convolve ``(T, Y, X)`` with a Gaussian in space and time."""
    return _in_time(smooth(x, gaussian(widths.pixels)), widths)


def _left_out(x: Tensor, widths: Widths, lines: list[bool]) -> Tensor:
    """Share in the convolution of each pixel and of the lines it lies on."""
    for axis, is_line in zip((-2, -1), lines[1:], strict=True):
        taps = gaussian(widths.pixels)
        x = along(x, taps, axis) if is_line else x * taps[len(taps) // 2]
    taps = gaussian(widths.frames)
    return _in_time(x, widths) if lines[0] else x * taps[len(taps) // 2]


def _in_time(x: Tensor, widths: Widths) -> Tensor:
    found = along(x.flatten(1), gaussian(widths.frames), -2)
    return found.reshape(x.shape)


def _persistent(known: Tensor) -> list[bool]:
    """Whether a measured pixel goes on along time, columns and rows."""
    if known.mean() > DENSE:
        return [False] * 3
    found = []
    for axis, length in enumerate(known.shape):
        first, second = (
            known.narrow(axis, 0, length - 1),
            known.narrow(axis, 1, length - 1),
        )
        share = (first * second).sum() / first.sum().clamp_min(1)
        found.append(length > 1 and bool(share > PERSISTENT))
    # along all of them: no scan left pixels out, but areas lie beyond what was seen
    return [False] * 3 if all(found) else found


def _narrowest(known: Tensor) -> int:
    """Find the narrowest width in space that bridges the gaps of a fixed raster."""
    sites = known.numpy().any(axis=0)
    gap = float(distance_transform_edt(~sites).max())
    return min(range(len(PIXELS)), key=lambda k: abs(PIXELS[k] - gap / 2))


def _weights(known: Tensor) -> Tensor:
    """How many pixels each measured one stands for."""
    often = known.mean(dim=0)
    taps = gaussian(LOCAL)
    local = smooth(often, taps) / smooth(torch.ones_like(often), taps)
    return known / local.clamp_min(LEAST)


def _part(frames: Frames, measured: Mask) -> tuple[Frames, Mask]:
    """Cut out what is looked at: the middle, unless hardly anything was measured."""
    n_frames, *shape = frames.shape
    first = max(n_frames - MOST_FRAMES, 0) // 2
    some = slice(first, first + MOST_FRAMES)
    frames, measured = frames[some], measured[some]
    edge = isqrt(MOST_PIXELS // len(frames))
    places = [
        (slice(down, down + edge), slice(aside, aside + edge))
        for down, aside in product(*(_starts(n, edge) for n in shape))
    ]
    share = measured.mean()

    def is_visited(place: tuple[slice, slice]) -> bool:
        return bool(measured[:, *place].mean() > share / 2)

    rows, columns = next(filter(is_visited, places), places[0])
    return frames[:, rows, columns], measured[:, rows, columns]


def _starts(length: int, edge: int) -> list[int]:
    """Begin in the middle, or at either end."""
    last = max(length - edge, 0)
    return list(dict.fromkeys((last // 2, 0, last)))


def _tensors(frames: Frames, measured: Mask) -> tuple[Tensor, Tensor]:
    """Zeros where nothing was measured, and the mask."""
    values = np.where(measured, frames, 0).astype(np.float32)
    return torch.from_numpy(values), torch.from_numpy(measured.astype(np.float32))
