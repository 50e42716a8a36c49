"""Is the standard deviation of a reconstruction right? Measured pixels answer.

A network that has hardly been trained does not know its error on this movie: that of
the shipped weights is twice what they expect. So the error is measured, at frames held
out, and what the network expects is multiplied by one factor for a channel: one for
pixels that were measured, which also weighs them against their prediction, and one for
those that were not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.training.halves import error_of, halves

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.noise import NoiseModel
    from napari_udvd.training.halves import Halves
    from napari_udvd.training.sampling import Movie

__all__ = ["std_factors", "with_std_factors"]

NOISE_KNOWN = 0.01
"""Relative error of a noise variance that the user told."""
NOISE_MEASURED = 0.04
"""... and of one that was measured."""
LARGEST = 4.0
"""Factor, or one over it, that is believed."""


def with_std_factors(
    calibrations: Sequence[Calibration],
    net: Network,
    movies: Sequence[Movie],
    precision: torch.dtype,
    *,
    is_told: bool,
    seconds: float = np.inf,
) -> tuple[Calibration, ...]:
    """Measure by what the standard deviations of a network have to be multiplied.

    Parameters
    ----------
    calibrations
        One for each channel.
    net
        Predicts.
    movies
        What it was trained on, and the frames held out.
    precision
        Floating-point type to compute in.
    is_told
        The noise is what the user said.
    seconds
        That there are.

    Returns
    -------
    tuple of Calibration
        With factors; as they were, where the network has no likelihood.
    """
    if not net.likelihood:
        return tuple(calibrations)
    trust = NOISE_KNOWN if is_told else NOISE_MEASURED
    found = []
    for c, calibration in enumerate(calibrations):
        several = halves(
            net,
            movies,
            calibrations,
            c,
            device=next(net.parameters()).device,
            precision=precision,
            seconds=seconds / len(calibrations),
        )
        factors = std_factors(several, calibration.noise, trust)
        found.append(replace(calibration, std_factors=factors))
    return tuple(found)


def std_factors(
    found: Sequence[Halves], noise: NoiseModel, trust: float
) -> tuple[float, float]:
    """Measure the factors of one channel: of measured pixels, and of the others.

    Errors count in units of what is expected, but not where next to none is: one
    pixel shall not decide for all, whether it is one of the worst or of the best.

    Parameters
    ----------
    found
        Windows of the channel.
    noise
        Of the channel.
    trust
        Relative error of its variance.

    Returns
    -------
    tuple of float
        1 and 1 where too little was measured.
    """
    if not found:
        return 1.0, 1.0
    middle = float(np.median(np.concatenate([one.std[one.measured] for one in found])))
    units = [np.hypot(one.std, middle or 1.0) for one in found]
    error = error_of(found, units)
    if error is None:
        return 1.0, 1.0
    noises = [noise.variance(one.mean) for one in found]
    excess, variance, expected = (
        np.concatenate(
            [
                (image / unit**2)[one.measured]
                for image, unit, one in zip(images, units, found, strict=True)
            ]
        )
        for images in (
            [one.left - own for one, own in zip(found, noises, strict=True)],
            noises,
            [one.std**2 for one in found],
        )
    )
    chance = float(excess.std()) / len(excess) ** 0.5
    # two opinions, each weighted by what is known of its own error
    doubts = (
        error.uncertainty**2,
        chance**2 + (trust * float(variance.mean())) ** 2,
    )
    total = (error.total / doubts[0] + float(excess.mean()) / doubts[1]) / sum(
        1 / doubt for doubt in doubts
    )
    total = max(total, error.variance)
    seen = _factor(total, float(expected.mean()))
    hidden = [
        (one, unit, *one.hidden)
        for one, unit in zip(found, units, strict=True)
        if one.hidden is not None and one.hidden[0].any()
    ]
    if not hidden:
        return seen, seen
    # noise cancels in the difference of two predictions of the same pixels
    more, there = (
        np.concatenate(parts)
        for parts in (
            [
                (((one.noisy - mean) ** 2 - one.left) / unit**2)[where]
                for one, unit, where, mean, _ in hidden
            ],
            [(std / unit)[where] ** 2 for _, unit, where, _, std in hidden],
        )
    )
    return seen, _factor(total + max(float(more.mean()), 0.0), float(there.mean()))


def _factor(error: float, expected: float) -> float:
    """Return the factor between standard deviations, from variances."""
    if expected <= 0 or error <= 0:
        return 1.0
    return float(np.clip((error / expected) ** 0.5, 1 / LARGEST, LARGEST))
