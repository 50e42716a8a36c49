"""A camera that counts photons."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.errors import InputError

Floats = npt.NDArray[np.float32]


def add_noise(
    clean: npt.ArrayLike,
    *,
    photons: float = 30.0,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    correlation: npt.ArrayLike | None = None,
    seed: int = 0,
    dtype: npt.DTypeLike = "uint16",
) -> tuple[npt.NDArray[Any], Floats]:
    """Record a clean movie with a camera that counts photons.

    Parameters
    ----------
    clean
        Non-negative intensities ``(T, Y, X)`` in any unit.
    photons
        Photons of the 99.9th percentile of the movie.
    gain
        Grey levels per photon, positive.
    offset, read_noise
        In grey levels.
    correlation
        Kernel ``(rows, columns)`` that the noise, and not the signal, is convolved
        with in every frame; scaled so that the variance of the noise stays.
    seed
        The same seed gives the same noise.
    dtype
        Integers are rounded and clipped to their range, as a converter does.

    Returns
    -------
    noisy, truth
        The movie as recorded, and its expectation in the same grey levels
        (``float32``), which rounding shifts by nothing and clipping is ignored in.

    Raises
    ------
    InputError
        If the movie is not ``(T, Y, X)``, negative, or all zero, or a camera
        parameter is out of range.
    """
    clean = np.asarray(clean, dtype=np.float32)
    if clean.ndim != 3:
        raise InputError(
            f"a clean movie has shape (T, Y, X); this one has shape {clean.shape}"
        )
    if not (photons > 0 and gain > 0 and read_noise >= 0 and np.isfinite(offset)):
        raise InputError(
            f"photons {photons:g} and gain {gain:g} must be positive, read noise "
            f"{read_noise:g} must not be negative and offset {offset:g} must be finite"
        )
    low, bright = float(clean.min()), float(np.percentile(clean, 99.9))
    if not (low >= 0 and bright > 0):
        raise InputError(
            f"a clean movie must not be negative (its minimum is {low:g}) nor empty "
            f"(its 99.9th percentile is {bright:g})"
        )
    kernel = None if correlation is None else _unit_energy(correlation)
    # Not the stream that draws the scene: the noise must not repeat its randomness.
    rng = np.random.default_rng([seed, 1])
    pixel_type = np.dtype(dtype)
    noisy = np.empty(clean.shape, pixel_type)
    truth = np.empty(clean.shape, np.float32)
    for t, frame in enumerate(clean):
        expected = frame.astype(np.float64) * (photons / bright)
        noise = gain * (rng.poisson(expected) - expected)
        noise += rng.normal(0.0, read_noise, frame.shape)
        if kernel is not None:
            noise = ndimage.convolve(noise, kernel, mode="reflect")
        truth[t] = gain * expected + offset
        noisy[t] = _digitise(truth[t] + noise, pixel_type)
    return noisy, truth


def _unit_energy(kernel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    kernel = np.asarray(kernel, dtype=np.float64)
    energy = float(np.sqrt((kernel**2).sum()))
    if kernel.ndim != 2 or not (np.isfinite(energy) and energy > 0):
        raise InputError(
            f"the correlation kernel has shape {kernel.shape} and root sum of squares "
            f"{energy:g}; it must be 2-D (rows, columns) and not zero"
        )
    return kernel / energy


def _digitise(
    frame: npt.NDArray[np.floating[Any]], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        frame = np.clip(np.rint(frame), limits.min, limits.max)
    return np.asarray(frame.astype(dtype))
