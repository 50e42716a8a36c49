"""Numbers that sum up filters: how much, from where, how wide, how far shifted."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Spread", "averaged_pixels", "shares_of", "spread_of", "width_of"]

Weights = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

HALF = 0.5
"""Fraction of a frame's largest weight that a weight needs to count for its centroid,
as published (Sheth et al. 2021, section 5)."""


class Spread(NamedTuple):
    """Where the weights of each frame lie; NaN in frames without positive weights.

    Attributes
    ----------
    centroid
        Of the weights above half of the frame's largest, ``(..., 2)``: rows and
        columns from the first pixel.
    longest
        Standard deviation of these weights along the direction in which they reach
        farthest, px, ``(...,)``. Along an edge the filter is long.
    """

    centroid: Numbers
    longest: Numbers


def spread_of(weights: Weights) -> Spread:
    """Find the centroid and the extent of the weights of each frame.

    Parameters
    ----------
    weights
        ``(..., h, w)``, one frame each.
    """
    peak = weights.max(axis=(-2, -1), keepdims=True)
    strong = np.where((weights > HALF * peak) & (peak > 0), weights, 0)
    strong = strong.astype(np.float64)
    height, width = weights.shape[-2:]
    y, x = np.arange(height, dtype=float), np.arange(width, dtype=float)
    in_rows, in_columns = strong.sum(axis=-1), strong.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        total = in_rows.sum(axis=-1)
        row = in_rows @ y / total
        column = in_columns @ x / total
        # a pixel is an area, not a point: 1/12 is the variance of a square
        rows = in_rows @ y**2 / total - row**2 + 1 / 12
        columns = in_columns @ x**2 / total - column**2 + 1 / 12
        both = (strong @ x * y).sum(axis=-1) / total - row * column
        middle, half = (rows + columns) / 2, (rows - columns) / 2
        longest = np.sqrt(middle + np.hypot(half, both))
    return Spread(np.stack([row, column], axis=-1), longest)


def averaged_pixels(weights: Weights, axis: tuple[int, ...]) -> Numbers:
    """Count the pixels of equal weight that would take out as much noise.

    ``1 / sum of squares``: the variance of white noise becomes that much smaller.
    """
    squares = np.square(weights, dtype=np.float64).sum(axis=axis)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / squares)


def shares_of(weights: Weights, frames: int) -> Numbers:
    """Share of each frame in the sum of absolute weights.

    Parameters
    ----------
    weights
        Any shape.
    frames
        Axis of the frames, counted from the end; the last two are rows and columns.

    Returns
    -------
    ndarray
        Without rows and columns, the axis of frames last; adds up to one.
    """
    each = np.abs(weights, dtype=np.float64).sum(axis=(-2, -1))
    each = np.moveaxis(each, frames + 2, -1)
    with np.errstate(invalid="ignore"):
        return np.asarray(each / each.sum(axis=-1, keepdims=True))


def width_of(weights: Weights) -> Numbers:
    """Root mean square distance of the weights from the centroid of their frame, px.

    Every weight counts with its square, as in :func:`averaged_pixels`, so that faint
    weights far away do not.

    Parameters
    ----------
    weights
        ``(..., F, h, w)``.

    Returns
    -------
    ndarray
        ``(...,)``.
    """
    energy = np.square(weights, dtype=np.float64)
    height, width = weights.shape[-2:]
    y, x = np.arange(height, dtype=float), np.arange(width, dtype=float)
    centre = spread_of(weights).centroid
    in_rows, in_columns = energy.sum(axis=-1), energy.sum(axis=-2)
    total = in_rows.sum(axis=-1)
    squares = np.zeros(total.shape)
    for axis, sums, place in ((0, in_rows, y), (1, in_columns, x)):
        at = centre[..., axis]
        squares += sums @ place**2 - 2 * at * (sums @ place) + at**2 * total
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        # a frame without positive weights has no centroid, and counts for nothing
        return np.asarray(
            np.sqrt(
                np.nansum(np.maximum(squares, 0), axis=-1)
                / np.where(np.isnan(squares), 0, total).sum(axis=-1)
            )
        )
