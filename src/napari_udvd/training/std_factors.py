"""Is the standard deviation of a reconstruction right? Measured pixels answer.

A network that has hardly been trained does not know its error on this movie: that of
the shipped weights is twice what they expect. So the error is measured, at frames held
out, and what the network expects is multiplied by one factor for a channel: one for
pixels that were measured, which also weighs them against their prediction, and one for
those that were not. Of these tell the measured ones, each for as many as it stands for:
around a fovea few are measured, and those decide.

Three opinions are heard. Halves of the measurements tell variance and bias without
knowing the noise, but see of the bias what neighbours share. What is left over without
the noise has all of the error, and that of the noise model. And where a movie has so
much noise that both say nothing, a bias that goes with the variance is the best guess.
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
    from napari_udvd.training.halves import Doubles, Halves
    from napari_udvd.training.sampling import Movie

__all__ = ["std_factors", "with_std_factors"]

NOISE_KNOWN = 0.01
"""Relative error of a noise variance that the user told."""
NOISE_MEASURED = 0.04
"""... and of one that was measured."""
USUAL = 0.75
"""Squared bias, over the variance, of an average of pixels and frames whose width makes
the sum of both least: the bias grows with the square of the width, the variance falls
with its cube. It is known to about its own size."""
SURE = 2.0
"""Standard errors by which measurements contradict a guess."""
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
    total, expected = _judged(found, units, noise, trust)
    if total is None:
        return 1.0, 1.0
    seen = _factor(total, expected)
    hidden = [
        (one, unit, *one.hidden)
        for one, unit in zip(found, units, strict=True)
        if one.hidden is not None and one.hidden[0].any()
    ]
    if not hidden:
        others = [one.stands_for for one in found]
        error, expected = _judged(found, units, noise, trust, others)
        return seen, seen if error is None else _factor(error, expected)
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


def _judged(
    found: Sequence[Halves],
    units: Sequence[Doubles],
    noise: NoiseModel,
    trust: float,
    weights: Sequence[Doubles] | None = None,
) -> tuple[float | None, float]:
    """Mean squared error, and what was expected of it, in these units.

    Of measured pixels, weighted; the error is None where too little was measured.
    """
    if weights is None:
        weights = [one.measured.astype(float) for one in found]
    error = error_of(found, units, weights)
    if error is None:
        return None, 0.0
    weight = np.concatenate(
        [own[one.measured] for own, one in zip(weights, found, strict=True)]
    )
    weight = weight / weight.sum()
    excess, variance, expected = (
        np.concatenate(
            [
                (image / unit**2)[one.measured]
                for image, unit, one in zip(images, units, found, strict=True)
            ]
        )
        for images in (
            # the noise of the pixel as it is: where a prediction is too bright, which
            # blurs what is dark above all, that at its brightness would be too much
            [one.left - _variance(noise, one.noisy) for one in found],
            [noise.variance(one.mean) for one in found],
            [one.std**2 for one in found],
        )
    )
    left = float(weight @ excess)
    chance = float((weight**2 @ (excess - left) ** 2) ** 0.5)
    said, doubt = _agreed(
        (error.total, error.uncertainty),
        (left, float(np.hypot(chance, trust * float(weight @ variance)))),
    )
    guess, own = (1 + USUAL) * error.variance, USUAL * error.variance
    # where the measurements contradict a guess, it is the guess that is wrong
    own = max(own, abs(said - guess) - SURE * doubt)
    said, _ = _agreed((said, doubt), (guess, own))
    return max(said, error.variance), float(weight @ expected)


def _agreed(*opinions: tuple[float, float]) -> tuple[float, float]:
    """Weigh numbers by what is known of the error of each; the mean and its error."""
    tiny = np.finfo(float).tiny ** 0.25
    weights = [1 / max(doubt, tiny) ** 2 for _, doubt in opinions]
    total = sum(
        weight * said for weight, (said, _) in zip(weights, opinions, strict=True)
    )
    return total / sum(weights), sum(weights) ** -0.5


def _variance(noise: NoiseModel, pixels: Doubles) -> Doubles:
    """Noise variance of pixels, right on average: noisy ones may be below the dark."""
    return np.asarray(noise.gain * (pixels - noise.offset) + noise.read_noise**2)


def _factor(error: float, expected: float) -> float:
    """Return the factor between standard deviations, from variances."""
    if expected <= 0 or error <= 0:
        return 1.0
    return float(np.clip((error / expected) ** 0.5, 1 / LARGEST, LARGEST))
