"""Whether pixels were computed from others: resized, demosaiced, compressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.noise._blocks import temporal_difference
from napari_udvd.noise._correlation import LEAK

if TYPE_CHECKING:
    from napari_udvd.noise._windows import Sample

__all__ = ["Pattern", "find_patterns"]

Floats = npt.NDArray[np.float32]

AMPLITUDE = LEAK / 2
"""Change of the correlation that matters: what is less is below LEAK itself."""
OUTSTANDING = 6.0
"""How far a peak stands out of the median of the spectrum. The amplitudes of white
noise are Rayleigh distributed: one in 10**10 is six times their median."""
LONGEST = 12.5
"""Longest period in pixels. Structure that was not cancelled changes slowly."""
LOCAL = 17
"""Side of the window over which the noise is brought to one strength."""
CLIP = 3.0
"""Standard deviations at which a difference is cut: few pixels of something that
moved must not outweigh the noise of all others."""
COMPRESSED_BLOCK = 8
"""Side of the blocks of JPEG and of most video."""


@dataclass(frozen=True)
class Pattern:
    """Periodic change, along one axis, of the correlation between neighbours.

    Attributes
    ----------
    axis
        ``"columns"`` or ``"rows"``, the neighbours that are compared.
    amplitude
        By how much the correlation rises and falls around its mean, with the next
        neighbour or the one after that.
    period
        In pixels.
    compressed
        Whether it is the pattern of blocks of 8 pixels.
    """

    axis: str
    amplitude: float
    period: float
    compressed: bool


def find_patterns(sample: Sample) -> list[Pattern]:
    """Look for noise whose correlation depends on the place in a pixel grid.

    A camera makes the noise of all pairs of neighbours alike. Interpolation makes it
    depend on where a pixel lies between those that it was computed from, compression
    on where it lies in a block; both repeat. That interpolated pixels show as a peak
    in a spectrum was found by Popescu and Farid (2005), "Exposing digital forgeries
    by detecting traces of resampling"; here it is the spectrum of the correlation of
    temporal differences, in which neither the strength of the noise nor a periodic
    specimen appears.
    """
    windows = [
        (temporal_difference(window), *corner)
        for window, corner in zip(sample.windows, sample.corners, strict=True)
        if len(window) == 3
    ]
    if not windows:
        return []
    found = (
        _find("columns", [(difference, x) for difference, _, x in windows]),
        _find("rows", [(difference.T, y) for difference, y, _ in windows]),
    )
    return [pattern for pattern in found if pattern is not None]


def _find(axis: str, windows: list[tuple[Floats, int]]) -> Pattern | None:
    """Find the pattern along the last axis of windows that begin at given columns."""
    noise = [(_noise_alone(difference), start) for difference, start in windows]
    # Means of two neighbours, put between them, are alike for all neighbours; the
    # pixels two apart are not.
    found = [_find_at(axis, noise, lag) for lag in (1, 2)]
    return max(
        (pattern for pattern in found if pattern is not None),
        key=lambda pattern: pattern.amplitude,
        default=None,
    )


def _find_at(axis: str, windows: list[tuple[Floats, int]], lag: int) -> Pattern | None:
    size = max(start + noise.shape[1] for noise, start in windows) - lag
    product, energy = np.zeros(size), np.zeros(size)
    for noise, start in windows:
        here, there = noise[:, :-lag], noise[:, lag:]
        columns = slice(start, start + here.shape[1])
        product[columns] += (here * there).sum(axis=0)
        energy[columns] += 0.5 * (here**2 + there**2).sum(axis=0)
    total = energy.sum()
    if total == 0:
        return None
    change = product - product.sum() / total * energy
    # Zeros after the end: a period need not fit the frame.
    frequency = np.fft.rfftfreq(2 * size)
    spectrum = 2.0 * np.abs(np.fft.rfft(change, 2 * size)) / total
    spectrum, frequency = (
        values[frequency >= 1.0 / LONGEST] for values in (spectrum, frequency)
    )
    peak = int(spectrum.argmax())
    limit = max(AMPLITUDE, OUTSTANDING * float(np.median(spectrum)))
    if spectrum[peak] < limit:
        return None
    # Periods of 2 and 4 pixels fit blocks of 8 as well, but have other causes too.
    of_blocks = max(
        float(np.interp(k / COMPRESSED_BLOCK, frequency, spectrum)) for k in (1, 3)
    )
    harmonic = COMPRESSED_BLOCK * frequency[peak]
    return Pattern(
        axis=axis,
        amplitude=float(spectrum[peak]),
        period=float(1.0 / frequency[peak]),
        compressed=abs(harmonic - round(harmonic)) <= COMPRESSED_BLOCK / size
        and of_blocks >= limit / 2,
    )


def _noise_alone(difference: Floats) -> Floats:
    """Take off what is smooth down a column, and bring all places to one strength."""
    detail = difference[:-2] - 2.0 * difference[1:-1] + difference[2:]
    energy = ndimage.uniform_filter(detail**2, LOCAL)
    least = max(1e-6 * float(energy.mean()), float(np.finfo(np.float32).tiny))
    return np.asarray(np.clip(detail / np.sqrt(np.maximum(energy, least)), -CLIP, CLIP))
