"""How close an estimate is to a known truth, and what classical filters reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

__all__ = ["best_gaussian", "psnr"]

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
