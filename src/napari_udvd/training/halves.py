"""What two halves of the measurements say of a frame, each without the other.

The error of a blind prediction hides in its distance from the measured pixel, below a
noise that is ten times as large and known to some per cent only. Split-half
cross-validation tells it without knowing the noise: of the pixels that were measured,
half the network predicts a frame from one half, and once more from the other.

- Both predictions differ by what they owe to noise and to where the scan has been, four
  times the variance of what is predicted from all pixels.
- What both get wrong is seen at neighbours of different halves: the noise of a pixel is
  in its own residual, and in the prediction from its own half, never in the other
  half's. So the product of their residuals has no noise, and is the squared bias.
"""

from __future__ import annotations

import time
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter, uniform_filter

from napari_udvd.cutting import spread, window
from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import Clip
from napari_udvd.planes import missing_frames, read_measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.training.sampling import Movie

__all__ = ["ENOUGH", "Error", "Halves", "error_of", "halves"]

Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ENOUGH = 30_000
"""Measured pixels that tell a variance to one per cent."""
MOST_FRAMES = 64
EDGE = 160
"""Rows and columns that are looked at of a frame."""
FIXED = 0.3
"""Share of the sites that are never measured, from which on halves are of sites."""
HIDDEN = 0.1
"""Share of the sites that are hidden then, to be as those that are never measured."""
NEIGHBOURS = 3, 5
"""Rows and columns in which a pixel has the neighbours whose bias is like its own; the
first where that makes enough pairs: the nearer, the more alike."""
LEAST_PAIRS = 5_000
LIKE = 0.25
"""Relative error of the bias, since it is not quite that of the neighbour, nor that of
a prediction from half of the pixels."""
AROUND = 5.0
"""Standard deviation, px, of the neighbourhood in which it is counted how often pixels
are measured."""
RARELY = 0.02
"""Share of the frames; a pixel that is measured less often stands for no more than one
that is as often."""
GOLDEN = 0.618
"""Steps of this share of a range are spread evenly, however many there are."""


class Halves(NamedTuple):
    """One channel of a window of one frame, ``(h, w)`` each, in grey levels.

    Attributes
    ----------
    noisy, measured
        Pixels, and which of them are measurements.
    first
        Which belong to the first half.
    often
        How often a pixel, and those around it, are measured: a share.
    mean, std
        Blind prediction from all measurements, and the error that it expects.
    halves
        Means of the predictions from either half.
    hidden
        Sites that were hidden from a prediction, its mean, and the error that it
        expects; None where every site is measured now and then.
    """

    noisy: Doubles
    measured: Mask
    first: Mask
    often: Doubles
    mean: Doubles
    std: Doubles
    halves: tuple[Doubles, Doubles]
    hidden: tuple[Mask, Doubles, Doubles] | None = None

    @property
    def left(self) -> Doubles:
        """Squared distance of each pixel from its prediction."""
        return np.asarray((self.noisy - self.mean) ** 2)

    @property
    def stands_for(self) -> Doubles:
        """How many pixels that were not measured each measured one stands for."""
        often = np.clip(self.often, RARELY, 1.0)
        return np.where(self.measured, (1 - often) / often, 0.0)

    @property
    def variance(self) -> Doubles:
        """Estimate of the variance of each prediction, without bias."""
        return np.asarray((self.halves[0] - self.halves[1]) ** 2 / 4)


class Error(NamedTuple):
    """Mean squared error of predictions, found without knowledge of the noise.

    Attributes
    ----------
    variance, bias
        The two parts of it.
    uncertainty
        Standard error of the sum.
    """

    variance: float
    bias: float
    uncertainty: float

    @property
    def total(self) -> float:
        """Both parts."""
        return self.variance + self.bias


def halves(
    net: Network,
    movies: Sequence[Movie],
    calibrations: Sequence[Calibration],
    channel: int,
    *,
    device: torch.device,
    precision: torch.dtype,
    seconds: float = np.inf,
) -> list[Halves]:
    """Predict frames from all measurements, and from either half of them.

    Frames that were held out come first; where they hold too few measurements others
    follow, in which the network is as blind to the pixel that it predicts.

    Parameters
    ----------
    net
        Predicts, with a likelihood.
    movies, calibrations
        What is predicted.
    channel
        Which channel of the movies.
    device, precision
        Where and in which floating-point type to compute.
    seconds
        That there are; one window is looked at always.

    Returns
    -------
    list of Halves
        Up to `ENOUGH` measurements.
    """
    found: list[Halves] = []
    count, began = 0, time.monotonic()
    random = np.random.default_rng(0)
    for k, (movie, t) in enumerate(_frames(movies, channel)):
        is_late = bool(found) and time.monotonic() - began > seconds
        if count >= ENOUGH or k >= MOST_FRAMES or is_late:
            break
        one = _split(net, movie, calibrations, channel, t, k, random, device, precision)
        if one is not None:
            found.append(one)
            count += int(one.measured.sum())
    return found


def error_of(
    found: Sequence[Halves],
    units: Sequence[Doubles] | None = None,
    weights: Sequence[Doubles] | None = None,
) -> Error | None:
    """Tell the mean squared error of the predictions of measured pixels.

    Parameters
    ----------
    found
        Windows.
    units
        What errors are divided by, ``(h, w)`` for each window; 1 if None.
    weights
        How much each measured pixel counts, likewise; all the same if None.

    Returns
    -------
    Error or None
        None where no pixel of one half has a neighbour of the other.
    """
    if units is None:
        units = [np.ones_like(one.mean) for one in found]
    if weights is None:
        weights = [one.measured.astype(float) for one in found]
    product, pairs, squares = np.zeros((3, len(NEIGHBOURS)))
    power = variance = count = 0.0
    for one, unit, weight in zip(found, units, weights, strict=True):
        parts = one.measured & one.first, one.measured & ~one.first
        own = [
            np.where(part, one.noisy - mean, 0.0) / unit
            for part, mean in zip(parts, one.halves, strict=True)
        ]
        there = weight * parts[1]
        for k, edge in enumerate(NEIGHBOURS):
            beside = _around(parts[0].astype(float), edge)
            product[k] += (there * _around(own[0], edge) * own[1]).sum()
            pairs[k] += (there * beside).sum()
            squares[k] += (there**2 * beside).sum()
        of_measured = weight * one.measured
        power += float((of_measured * (own[0] ** 2 + own[1] ** 2)).sum())
        variance += float((of_measured * one.variance / unit**2).sum())
        count += float(of_measured.sum())
    # pairs that count the same would scatter as much as these
    alike = pairs**2 / np.maximum(squares, np.finfo(float).tiny)
    near = 0 if alike[0] >= LEAST_PAIRS else 1
    if alike[near] < 1 or count <= 0:
        return None
    bias = max(float(product[near] / pairs[near]), 0.0)
    chance = power / count / float(alike[near]) ** 0.5
    return Error(variance / count, bias, float(np.hypot(chance, LIKE * bias)))


def _frames(movies: Sequence[Movie], channel: int) -> Iterator[tuple[Movie, int]]:
    """Frames of all movies in turn, those held out first."""
    orders = []
    for movie in movies:
        if channel not in movie.series.channels:
            continue
        missing = missing_frames(movie.stack, movie.series)
        own = sorted(movie.held_out - missing)
        rest = [
            t
            for t in range(movie.stack.n_frames)
            if t not in movie.held_out and t not in missing
        ]
        several = [rest[k] for k in spread(len(rest), MOST_FRAMES)] if rest else []
        # to and fro, so that the first few are from all over the movie
        turned = sorted(range(len(several)), key=lambda k: k * GOLDEN % 1)
        orders.append([(movie, t) for t in [*own, *(several[k] for k in turned)]])
    for row in zip_longest(*orders):
        yield from (pair for pair in row if pair is not None)


def _split(
    net: Network,
    movie: Movie,
    calibrations: Sequence[Calibration],
    channel: int,
    t: int,
    number: int,
    random: np.random.Generator,
    device: torch.device,
    precision: torch.dtype,
) -> Halves | None:
    """Look at one window of a frame; None if nothing was measured there."""
    stack, series = movie.stack, movie.series
    context = net.geometry.context
    frames = window(t, context, stack.n_frames, missing_frames(stack, series))
    at = [
        _place(n, number * share % 1)
        for n, share in zip(stack.frame_shape, (GOLDEN, GOLDEN**2), strict=True)
    ]
    clip, known = read_measured(stack, series, frames, *at)
    if known is None:
        known = np.ones(clip.shape, bool)
    known = np.all(known, axis=1, keepdims=True)
    if not known[context].any():
        return None
    often = known.mean(axis=(0, 1))
    often = gaussian_filter(often, AROUND, mode="reflect")
    is_fixed = 1 - known.any(axis=0).mean() >= FIXED
    size = known.shape[-2:] if is_fixed else known.shape
    first = np.broadcast_to(random.random(size) < 0.5, known.shape)
    seen = [known, known & first, known & ~first]
    hidden = random.random(known.shape[-2:]) < HIDDEN
    if is_fixed:
        seen.append(known & ~hidden)
    scaler = Scaler([calibrations[c] for c in series.channels], device)
    grey = torch.from_numpy(np.ascontiguousarray(clip)).to(device)
    means, stds = [], []
    with torch.inference_mode():
        light = scaler.normalise(grey)[None]
        for mask in seen:
            there = torch.from_numpy(np.ascontiguousarray(mask)).to(device)[None]
            said = net.predict_fairly(Clip(light, scaler.noise, there), precision)
            assert said.std is not None
            k = series.channels.index(channel)
            means.append(_numbers(scaler.restore(said.mean)[0, 0, k]))
            stds.append(_numbers(scaler.restore_std(said.std)[0, 0, k]))
    return Halves(
        noisy=clip[context, series.channels.index(channel)].astype(np.float64),
        measured=known[context, 0],
        first=first[context, 0],
        often=often,
        mean=means[0],
        std=stds[0],
        halves=(means[1], means[2]),
        hidden=(hidden & known[context, 0], means[3], stds[3]) if is_fixed else None,
    )


def _place(length: int, share: float) -> slice:
    """Rows, or columns, of a window."""
    start = round(share * max(length - EDGE, 0))
    return slice(start, min(start + EDGE, length))


def _numbers(values: torch.Tensor) -> Doubles:
    # not all devices know doubles
    return np.asarray(values.float().cpu().numpy(), np.float64)


def _around(image: Doubles, edge: int) -> Doubles:
    """Sum over the neighbours of each pixel, without itself."""
    whole = uniform_filter(image, edge, mode="constant") * edge**2
    return np.asarray(whole - image)
