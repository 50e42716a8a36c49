"""Classical denoisers, to compare with.

The strengths of the filters are chosen with the truth, as no user could: an oracle.
BM4D and ND-SAFIR are told the noise exactly.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, median_filter
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import poisson
from skimage.restoration import denoise_tv_chambolle

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "best_gaussian",
    "best_median",
    "best_total_variation",
    "bm4d",
    "ndsafir",
    "stabilise",
    "unbiased_inverse",
]

Frames = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

WINDOWS = 3, 5, 7
"""Frames that a temporal median takes."""

P_VALUES = 1e-5, 1e-2
"""Of ND-SAFIR's test whether patches are alike."""

ITERATIONS = 4
"""Of ND-SAFIR, as its own program has it."""


def best_median(truth: Frames, noisy: Frames) -> Frames:
    """Median over time, its window chosen with the truth."""
    return _closest(
        truth, (np.asarray(median_filter(noisy, (n, 1, 1))) for n in WINDOWS)
    )


def best_gaussian(truth: Frames, noisy: Frames) -> Frames:
    """Gaussian filter, its widths in time and in space chosen with the truth."""

    def denoise(widths: Floats) -> Frames:
        t, s = np.exp(widths)
        return np.asarray(gaussian_filter(noisy, (t, s, s)))

    def error(widths: Floats) -> float:
        return _error(truth, denoise(widths))

    # a coarse grid first: the error may have more than one minimum
    grid = [np.log(w) for w in product((0.2, 0.6, 1.2, 3.0), (0.5, 1.0, 2.0, 4.0))]
    start = min(grid, key=error)
    best = minimize(
        error,
        start,
        method="Nelder-Mead",
        bounds=[np.log((0.1, 20.0))] * 2,
        options={"initial_simplex": start + 0.4 * np.eye(3, 2), "xatol": 0.03},
    )
    return denoise(best.x)


def best_total_variation(truth: Frames, noisy: Frames) -> Frames:
    """Total variation in space and time (Chambolle 2004), its weight by the truth."""
    spread = float(np.std(noisy - truth))

    def denoise(log_weight: float) -> Frames:
        weight = float(np.exp(log_weight))
        found = denoise_tv_chambolle(noisy, weight=weight)
        return np.asarray(found, np.float32)

    best = minimize_scalar(
        lambda log_weight: _error(truth, denoise(log_weight)),
        bounds=np.log((0.03 * spread, 30 * spread)),
        method="bounded",
        options={"xatol": 0.05},
    )
    return denoise(best.x)


def bm4d(
    noisy: Frames, gain: float, offset: float, read_noise: float, threads: int = 0
) -> Frames:
    """BM4D (Maggioni et al. 2013; Mäkinen et al. 2020) of the stabilised movie.

    Parameters
    ----------
    noisy
        ``(T, Y, X)`` in grey levels; time is the third axis of its blocks.
    gain, offset, read_noise
        The camera, exactly; in grey levels (per photon).
    threads
        As many as there are cores if 0.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    from bm4d import BM4DProfile
    from bm4d import bm4d as denoise

    profile = BM4DProfile()
    profile.num_threads = threads
    read = read_noise / gain
    stable = stabilise((noisy.astype(np.float64) - offset) / gain, read)
    # the noise of a stabilised movie has a standard deviation of 1
    found = unbiased_inverse(denoise(stable, 1.0, profile=profile), read)
    return np.asarray(gain * found + offset, np.float32)


def stabilise(photons: Floats, read_noise: float) -> Floats:
    """Generalised Anscombe transform (Murtagh, Starck and Bijaoui 1995).

    Parameters
    ----------
    photons
        Noisy values in photons.
    read_noise
        In photons.
    """
    return np.asarray(2 * np.sqrt(np.maximum(photons + 3 / 8 + read_noise**2, 0)))


def unbiased_inverse(stable: Floats, read_noise: float) -> Floats:
    """Photons whose stabilised noisy values have this expectation.

    The exact unbiased inverse (Mäkitalo and Foi 2013), from a table of the
    expectations: a sum over the counts and an integral over the read noise.
    Values below what no light gives are no light.
    """
    top = (float(stable.max()) / 2) ** 2 + 1
    light = np.concatenate([[0], np.geomspace(1e-3, top, 1000)])
    counts = np.arange(int(top + 10 * np.sqrt(top) + 20))
    # many even steps: the square root ends in a kink, which few nodes would miss
    nodes = np.linspace(-6, 6, 601)
    weights = np.exp(-(nodes**2) / 2)
    read = stabilise(counts[:, None] + read_noise * nodes, read_noise)
    of_counts = read @ (weights / weights.sum())
    expected = [float(poisson.pmf(counts, level) @ of_counts) for level in light]
    return np.asarray(np.interp(stable, expected, light))


def ndsafir(
    truth: Frames,
    noisy: Frames,
    gain: float,
    offset: float,
    read_noise: float,
    threads: int = 0,
) -> Frames:
    """ND-SAFIR (Boulanger et al. 2010), made for movies of microscopes.

    It is told the noise, and its p-value is chosen with the truth, after three of its
    four iterations, as the last takes as long as all others together.

    Parameters
    ----------
    truth, noisy
        ``(T, Y, X)`` in grey levels.
    gain, offset, read_noise
        The camera, exactly; in grey levels (per photon).
    threads
        As many as there are cores if 0.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    from ndsafir import denoise_poisson_gaussian

    # in photons: with a gain other than one its mean is off, see findings
    photons = np.ascontiguousarray(noisy / gain, np.float32)
    # variance = photons + this
    constant = (read_noise / gain) ** 2 - offset / gain

    def denoise(p: float, iterations: int) -> Frames:
        found = denoise_poisson_gaussian(
            photons,
            axes="TYX",
            gains=[1.0],
            offsets=[constant],
            pvalue=p,
            max_iter=iterations,
            nthreads=threads,
        )
        return np.asarray(gain * found, np.float32)

    best = min(P_VALUES, key=lambda p: _error(truth, denoise(p, ITERATIONS - 1)))
    return denoise(best, ITERATIONS)


def _error(truth: Frames, estimate: Frames) -> float:
    return float(np.mean((truth - estimate) ** 2, dtype=np.float64))


def _closest(truth: Frames, estimates: Iterable[Frames]) -> Frames:
    return min(estimates, key=lambda estimate: _error(truth, estimate))
