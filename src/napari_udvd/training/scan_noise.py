"""The noise of a sparse scan, from what the shipped weights leave over.

Where pixels are visited rarely, the differences of visits hold what has changed
meanwhile, and a noise model that was fitted to them is too large. The network knows
better what a pixel was: what it leaves over is the noise plus its own error, and that
is found without knowing the noise, see `training.halves`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.errors import InputError
from napari_udvd.models import build_network
from napari_udvd.noise import NoiseModel, fit_line
from napari_udvd.planes import Series, middle_plane
from napari_udvd.runtime.device import choose_precision
from napari_udvd.training.halves import error_of, halves
from napari_udvd.training.sampling import Movie
from napari_udvd.training.warm_start import warm_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.stack import Stack
    from napari_udvd.training.halves import Halves
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["fitted_noise", "measure_scan_noise"]

Doubles = npt.NDArray[np.float64]

GROUP = 64
"""Pixels whose mean square is one number."""
STRUCK = 5.0
"""Such a number, in units of the median, that no noise has: a cosmic ray."""
LEAST_GROUPS = 10
"""Groups of a bin of brightness."""
BINS = 12
"""Bins of brightness at most; the brightest are finer and finer."""
DARKER = (0.0, 0.125, 0.25)
"""Share of the pixels that is darker than each of the dark bins."""
SHARE = 0.04
"""Of the time of a training, that it may take; where steps are counted, any."""
LEAST_DARK = 0.25
"""Least variance without light, as a share of that of the darkest pixels."""
TOLD = 0.1
"""Relative change of the noise variance that a user is told of."""


def measure_scan_noise(
    plan: Plan,
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    device: torch.device,
) -> Plan:
    """Replace the noise models of a plan by what a network leaves over.

    Noise that the user gave stays, and so does that of channels in which too little was
    measured, or of networks without shipped weights or likelihood.
    """
    if settings.noise is not None:
        return plan
    seconds = np.inf if settings.steps is not None else 60 * SHARE * settings.minutes
    calibrations, sentences = [], []
    for c, calibration in enumerate(plan.calibrations):
        found = _halves_of(plan, stacks, c, calibration, device, seconds)
        noise = fitted_noise(found, calibration.noise)
        calibrations.append(replace(calibration, noise=noise))
        sentence = _told(calibration, noise)
        if sentence:
            which = f"channel {c}: " if len(plan.calibrations) > 1 else ""
            sentences.append(which + sentence)
    return replace(
        plan,
        calibrations=tuple(calibrations),
        corrections=(*plan.corrections, *sentences),
    )


def _halves_of(
    plan: Plan,
    stacks: Sequence[Stack],
    channel: int,
    calibration: Calibration,
    device: torch.device,
    seconds: float,
) -> list[Halves]:
    """Let the shipped weights predict some frames; empty where there are none."""
    planes = [(stack, middle_plane(stack, channel)) for stack in stacks]
    movies = [
        Movie(stack, Series((channel,), plane.z), frozenset())
        for stack, plane in planes
        if plane is not None
    ]
    with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
        net = build_network(plan.name, {**plan.network, "channels": 1})
    if not movies or not net.likelihood or not warm_start(net).done:
        return []
    return halves(
        net.to(device).eval(),
        movies,
        [calibration] * (channel + 1),
        channel,
        device=device,
        precision=choose_precision(device),
        seconds=seconds,
    )


def fitted_noise(found: Sequence[Halves], known: NoiseModel) -> NoiseModel:
    """Fit a line to the noise at every brightness.

    Parameters
    ----------
    found
        Windows of one channel.
    known
        Noise as it is known so far: tells the level without light, and how rare photons
        are; it is what is returned where too little was measured.
    """
    bins = list(_bins(found, known)) if found else []
    if len(bins) < 2:
        return known
    levels, variances, errors = np.array(bins).T
    if variances.min() <= 0:
        return known
    gain, constant, *_ = fit_line(levels, variances, errors)
    least = LEAST_DARK * float(variances[0])
    dark = max(gain * known.offset + constant, least)
    try:
        return NoiseModel(float(gain), known.offset, float(np.sqrt(dark)))
    except InputError:
        return known


def _bins(
    found: Sequence[Halves], known: NoiseModel
) -> Iterator[tuple[float, float, float]]:
    """Level, variance and its relative error in bins of brightness, dark to bright."""
    level = np.sort(np.concatenate([one.mean[one.measured] for one in found]))
    n, least = len(level), LEAST_GROUPS * GROUP
    shares = np.concatenate([DARKER, 1.0 - 0.5 ** np.arange(1, BINS)])
    # the last bin takes what would be too few for one more
    starts = [k for k in np.round(n * shares).astype(int).tolist() if n - k >= least]
    edges = [-np.inf, *(level[k] for k in starts[1:]), np.inf]
    for low, high in pairwise(edges):
        part = [
            one._replace(measured=one.measured & (low <= one.mean) & (one.mean < high))
            for one in found
        ]
        # what moves is bright, and the error of a prediction is larger there
        error = error_of(part)
        if error is None:
            continue
        noise = np.concatenate(
            [(one.left - one.variance - error.bias)[one.measured] for one in part]
        )
        # predictions are blind: what was measured there tells how bright it really is
        at = float(np.mean(np.concatenate([one.noisy[one.measured] for one in part])))
        light = max(at - known.offset, 0.0)
        rare = known.gain**3 * light / max(float(known.variance(at)) ** 2, 1e-300)
        size = min(int(max(GROUP, 16 * rare)), max(len(noise) // LEAST_GROUPS, 1))
        count = len(noise) // size
        # neighbours make a group: where a prediction fails it fails for all of them
        groups = noise[: count * size].reshape(count, size).mean(axis=1)
        # means, as those that are taken off; but without cosmic rays
        kept = groups[groups <= STRUCK * np.median(groups)]
        typical = float(kept.mean())
        error_of_mean = float(kept.std()) / max(typical, 1e-300) / len(kept) ** 0.5
        yield at, typical, max(error_of_mean, 1e-3)


def _told(calibration: Calibration, noise: NoiseModel) -> str:
    """Say by how much the noise has changed; empty where that is little."""
    before, level = calibration.noise, calibration.offset
    ratio = float(noise.variance(level) / before.variance(level))
    if abs(ratio - 1) < TOLD:
        return ""
    return (
        f"between visits the scene has changed: judged by what the shipped weights "
        f"leave over, the noise variance at the mean level is {ratio:.2f} times what "
        f"differences of visits say; gain {noise.gain:.3g} and read noise "
        f"{noise.read_noise:.3g} are used instead of {before.gain:.3g} and "
        f"{before.read_noise:.3g}"
    )
