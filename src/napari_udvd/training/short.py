"""Trainings that are too short to be of use: said before, and made harmless after.

A network that begins with nothing predicts worse, at first, than the noisy pixel that
it may not see. It does not know that either: it has learned as little of its error as
of the movie. Frames held out know it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.training.batches import Batches
    from napari_udvd.training.budget import Budget
    from napari_udvd.training.estimate import Pace
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.validation import Doubles, Residual, Validation

__all__ = ["doubted", "too_few_steps"]

LEAST_STEPS = 30
"""Steps that a network from scratch should have: on a movie with little noise, ten
steps of STBN were harmful and thirty were of use, see the benchmarks."""

FORWARD_AND_BACK = 3
"""A step takes so many times as long as a prediction."""

HARMFUL = 10.0
"""Squared error of denoised frames, in variances of the noise, from which standard
deviations are doubted. Below, where it exceeds the noise, a user is told."""

FACTORS = 2.0 ** np.arange(17)
"""By which standard deviations are tried to be multiplied; with the last ones, hardly
anything but the noisy pixels is left."""

WORTH = 0.9
"""Share of the squared error that must be left at most."""


def too_few_steps(
    learner: Learner, batches: Batches, pace: Pace | None, budget: Budget
) -> str:
    """Tell that a training from scratch is too short, before it begins.

    Parameters
    ----------
    learner, batches
        What learns, and what it learns from.
    pace
        Of its predictions; None where nobody measured it.
    budget
        Of the training.

    Returns
    -------
    str
        A sentence; empty where there is time enough, or nobody knows, or the task has
        another way not to do harm.
    """
    if learner.task.fills or pace is None or budget.step:
        return ""
    if (left := budget.left) is None:
        return ""
    clip = math.prod(batches.longest) * batches.size
    step = FORWARD_AND_BACK * pace.further * clip
    if left >= LEAST_STEPS * step:
        return ""
    steps = left / step
    minutes = (LEAST_STEPS * step + budget.elapsed + budget.reserve) / 60
    return (
        f"there is time for about {max(steps, 1):.0f} steps, too few for "
        f"{learner.net.title}, which begins with nothing: the result may be no better "
        f"than the noisy movie; give it {math.ceil(minutes)} minutes or more, or "
        "choose the network auto, which begins with shipped weights"
    )


def doubted(
    calibrations: Sequence[Calibration], validation: Validation, net: Network
) -> tuple[Calibration, ...]:
    """Enlarge the standard deviations of a network that has learned next to nothing.

    By one factor. Denoised frames are means of prediction and noisy pixel, weighted by
    what both are said to be off. With larger standard deviations of the prediction more
    of the noisy pixel is kept, and how far the mean is off can be told at frames held
    out, since the prediction has not seen their noise.

    Parameters
    ----------
    calibrations
        One for each channel.
    validation
        Frames held out.
    net
        The network.

    Returns
    -------
    tuple of Calibration
        As they were, where the result does little harm, or no factor makes it better.
    """
    if not net.likelihood:
        return tuple(calibrations)
    left = validation.residuals(net)
    errors = np.mean([_errors(one) for one in left], axis=0)
    best = int(errors.argmin())
    if errors[0] < HARMFUL or errors[best] > WORTH * errors[0]:
        return tuple(calibrations)
    factor = float(FACTORS[best])
    return tuple(
        replace(one, std_factors=(factor, one.std_factors[1])) for one in calibrations
    )


def _errors(one: Residual) -> Doubles:
    """Squared error of a denoised frame with each factor, in variances of its noise."""
    left, expected, noise, assumed = (
        image[one.measured]
        for image in (one.left, one.expected, one.noise, one.assumed)
    )
    error = left**2 - noise
    prior = FACTORS[:, None] ** 2 * expected
    share = prior / (prior + assumed)
    off: Doubles = ((1 - share) ** 2 * error + share**2 * noise).mean(axis=1)
    return off / max(float(noise.mean()), np.finfo(float).tiny)
