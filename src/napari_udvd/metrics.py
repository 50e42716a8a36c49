"""How close an estimate is to a known truth, and what classical filters reach."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

__all__ = ["FourierRings", "best_gaussian", "fourier_rings", "psnr"]

ONE_SEVENTH = 1 / 7
"""Correlation of two halves at which an image of all data is resolved (Rosenthal and
Henderson 2003), as it is used in light microscopy (Nieuwenhuizen et al. 2013)."""

SIGMAS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Widths tried in space, px."""

TIME_SIGMAS = (0.0, 0.5, 0.7, 1.0, 1.5)
"""Widths tried in time, frames."""


def psnr(
    truth: npt.NDArray[Any], estimate: npt.NDArray[Any], *, peak: float | None = None
) -> float:
    """Peak signal-to-noise ratio in dB: ``10 log10(peak^2 / mean squared error)``.

    Parameters
    ----------
    truth, estimate
        Pixels of one shape, in the same units.
    peak
        What the error is compared with, in these units; the range of the truth if
        None. Numbers can be compared only where it is the same: one bright pixel makes
        a large range.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != estimate.shape:
        raise ValueError(f"shapes differ: {truth.shape} and {estimate.shape}")
    error = float(np.mean((truth.astype(np.float64) - estimate) ** 2))
    if peak is None:
        peak = float(np.ptp(truth))
    return float(10 * np.log10(peak**2 / max(error, 1e-30)))


def best_gaussian(
    truth: npt.NDArray[np.floating], noisy: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Gaussian filter in space and time whose widths are chosen by an oracle.

    No user can choose so well without the truth: a method must beat this to be of
    use.

    Parameters
    ----------
    truth, noisy
        ``(T, Y, X)``.
    """
    movie = noisy.astype(np.float32)
    results = (gaussian_filter(movie, (t, s, s)) for t in TIME_SIGMAS for s in SIGMAS)
    return max(results, key=lambda result: psnr(truth, result))


class FourierRings(NamedTuple):
    """Correlation of two images, by spatial frequency.

    Attributes
    ----------
    frequency
        Middle of each ring, cycles per pixel, up to 0.5.
    correlation
        From -1 to 1.
    """

    frequency: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]

    @property
    def resolution(self) -> float:
        """Period down to which both show the same, px; NaN where they never do.

        Two rings in a row below one seventh end it: one alone may be chance.
        """
        below = self.correlation < ONE_SEVENTH
        if below[0]:
            return float("nan")
        twice = below & np.append(below[1:], True)
        end = int(np.argmax(twice)) if twice.any() else len(below)
        if end == len(below):
            return float(1 / self.frequency[-1])
        high, low = self.correlation[end - 1], self.correlation[end]
        share = np.clip((high - ONE_SEVENTH) / max(high - low, 1e-12), 0.0, 1.0)
        step = self.frequency[end] - self.frequency[end - 1]
        return float(1 / (self.frequency[end - 1] + share * step))


def fourier_rings(
    one: npt.NDArray[np.floating], two: npt.NDArray[np.floating], rings: int = 32
) -> FourierRings:
    """Fourier ring correlation (FRC) of two images of independent noise.

    The sum over a ring of the product of one transform with the conjugate of the
    other, over the root of the product of both powers (Saxton and Baumeister 1982; van
    Heel and Schatz 2005). Frames are windowed (Hann), so that their edges count for
    nothing; products are summed over the frames before they are divided.

    Parameters
    ----------
    one, two
        ``(Y, X)``, or frames ``(T, Y, X)``. Their noise must be independent: of two
        results that were made from the same noisy pixels, or of a result that was
        split afterwards, the correlation says nothing.
    rings
        How many; at most a quarter of the shorter side, so that none is empty.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if one.shape != two.shape:
        raise ValueError(f"shapes differ: {one.shape} and {two.shape}")
    height, width = one.shape[-2:]
    rings = max(min(rings, min(height, width) // 4), 1)
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    # columns of a real transform stand for two, but the first and the last
    weight = np.full(radius.shape, 2.0)
    weight[:, 0] = 1.0
    if width % 2 == 0:
        weight[:, -1] = 1.0
    ring = np.minimum((radius * 2 * rings).astype(int), rings)  # corners: beyond
    ring[0, 0] = rings  # the mean is no structure
    sums = np.zeros((3, rings + 1))
    frames = (image.reshape(-1, height, width) for image in (one, two))
    for a, b in zip(*frames, strict=True):
        fa, fb = (np.fft.rfft2((f - f.mean()) * window) for f in (a, b))
        for k, power in enumerate(
            ((fa * fb.conj()).real, np.abs(fa) ** 2, np.abs(fb) ** 2)
        ):
            sums[k] += np.bincount(ring.ravel(), (power * weight).ravel(), rings + 1)
    shared, first, second = sums[:, :rings]
    correlation = shared / np.sqrt(np.maximum(first * second, 1e-300))
    return FourierRings((np.arange(rings) + 0.5) / (2 * rings), correlation)
