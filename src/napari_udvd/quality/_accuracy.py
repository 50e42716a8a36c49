"""How far a result is from the truth, which nobody knows: three estimates.

- measured: from the residual, and how the model answers to a little noise, see
  :mod:`napari_udvd.quality._risk`;
- from the posterior: the mean of the variance that the model says its result has, which
  is its opinion of itself;
- from the residual, where there is no model: the mean square of the residual less the
  variance of the noise. A result that holds some of the noise of the pixel itself, and
  most do, looks better by that than it is: this is a bound, and no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.quality._copies import Restored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._pair import Pixels
    from napari_udvd.quality._risk import Risk

__all__ = ["Accuracy", "Opinion", "accuracy_of"]

Floats = npt.NDArray[np.float32]
Interval = tuple[float, float, float]
"""Value, least and most."""

STD_ERROR = 2.5
"""Decibels that the variance of a model is off by, on movies whose truth is known."""

RISK_ERROR = 0.3
"""Decibels that the measured error may be off by, however much the movie tells: some
parts of it are measured, and what other parts say is not the same."""

PEAK_ERROR = 0.5
"""Decibels that the range of the truth may be off by."""

NOISE_ERROR = 0.01
"""Share that the variance of the noise, averaged over a movie, is off by (two in
three)."""

SURE = 1.96
"""Standard errors on each side of an interval."""

PEAK = 0.1, 99.9
"""Percentiles that the peak of the PSNR lies between."""

WIDER = 0.25
"""Share of what independent errors would add to the range of a result, in decibels, by
which the range of the truth is larger: an estimate varies less than what it is of."""

LEAST = 1e-6
"""Share of the noise below which no squared error is told."""

SEED = 71


@dataclass(frozen=True)
class Accuracy:
    """Predicted accuracy of a result.

    Attributes
    ----------
    peak
        Grey levels that the PSNR is told for: the range from the 0.1th to the 99.9th
        percentile that the truth is likely to have.
    noise
        Mean variance of the noise, squared grey levels.
    noisy
        PSNR of the noisy movie, dB.
    average
        PSNR of the plain average of three frames, dB; NaN for movies of fewer.
    posterior, measured
        PSNR by each way with its interval, ``(value, least, most)`` in dB; None where
        the way is not open.
    predicted
        As measured; by the posterior where nothing is measured, and None where neither
        is open.
    at_most
        Upper bound from the residual, dB.
    disagree
        The ways differ by more than their intervals allow.
    pixels
        How many pixels went through the model.
    """

    peak: float
    noise: float
    noisy: float
    average: float
    posterior: Interval | None
    measured: Interval | None
    predicted: Interval | None
    at_most: float
    disagree: bool
    pixels: int

    @property
    def gain(self) -> float:
        """Decibels above the noisy movie; at most, where there is no model."""
        best = self.at_most if self.predicted is None else self.predicted[0]
        return best - self.noisy

    @property
    def gain_over_average(self) -> float:
        """Decibels above the plain average of three frames; likewise."""
        best = self.at_most if self.predicted is None else self.predicted[0]
        return best - self.average


class Opinion:
    """What a model says of its result, from parts of it."""

    def __init__(self) -> None:
        self._means: list[Floats] = []
        self._stds: list[Floats] = []
        self.pixels = 0

    def add(self, restored: Restored, measured: npt.NDArray[np.bool_]) -> None:
        """Take a part ``(T, Y, X)``."""
        self.pixels += int(measured.sum())
        if restored.std is not None:
            self._means.append(restored.mean[measured])
            self._stds.append(restored.std[measured])

    @property
    def variance(self) -> float:
        """Mean variance, squared grey levels; NaN where the model says nothing."""
        if not self._stds:
            return float("nan")
        return float(np.mean(np.concatenate(self._stds).astype(np.float64) ** 2))

    def widening(self) -> float:
        """Range with independent errors of this size over that of the result."""
        if not self._stds:
            return 1.0
        means, stds = np.concatenate(self._means), np.concatenate(self._stds)
        drawn = np.random.default_rng(SEED).standard_normal(len(means))
        return _range(means + stds * drawn) / max(_range(means), LEAST)


def accuracy_of(
    pixels: Sequence[Pixels],
    noise: NoiseModel,
    whole: float,
    opinion: Opinion,
    risk: Risk | None,
) -> tuple[Accuracy, float | None]:
    """Put together what is known of the error of a result.

    Parameters
    ----------
    pixels
        Parts of the movie.
    noise
        Of the channel.
    whole
        Variance of the residual over that of the noise.
    opinion
        Of the model; empty if there is none.
    risk
        As it was measured; None if there is no model.

    Returns
    -------
    accuracy, left
        The second is the mean squared error, squared grey levels; None if it cannot
        be known.
    """
    result = np.concatenate([p.result[p.measured] for p in pixels])
    variance = float(noise.variance(result).mean())
    said = opinion
    if any(p.std is not None for p in pixels):
        said = Opinion()
        for p in pixels:
            assert p.std is not None
            said.add(Restored(p.result, p.std), p.measured)
    peak = _range(result[:: max(result.size // 10**6, 1)]) * said.widening() ** WIDER
    noisy = float(10 * np.log10(peak**2 / variance))

    def psnr(share: float, error: float) -> Interval:
        value = noisy + _decibels(max(share, LEAST))
        off = SURE * float(np.hypot(error, PEAK_ERROR))
        return value, value - off, value + off

    posterior = measured = None
    if np.isfinite(said.variance):
        posterior = psnr(said.variance / variance, STD_ERROR)
    if risk is not None:
        spread = float(np.sqrt(np.log1p((risk.error / risk.share) ** 2)))
        error = float(np.hypot(10 / np.log(10) * spread, RISK_ERROR))
        measured = psnr(risk.share, error)
    predicted = measured if measured is not None else posterior
    accuracy = Accuracy(
        peak=peak,
        noise=variance,
        noisy=noisy,
        average=noisy + _decibels(_average(pixels, noise)),
        posterior=posterior,
        measured=measured,
        predicted=predicted,
        at_most=_bound(noisy, whole),
        disagree=(
            posterior is not None
            and measured is not None
            and (posterior[1] > measured[2] or posterior[2] < measured[1])
        ),
        pixels=opinion.pixels,
    )
    if predicted is None:
        return accuracy, None
    return accuracy, variance * 10 ** ((noisy - predicted[0]) / 10)


def _bound(noisy: float, whole: float) -> float:
    """PSNR that a result can have at most; NaN where the residual has too little."""
    if whole - 1 <= LEAST:
        return float("nan")
    return noisy + _decibels(max(whole - 1 - SURE * NOISE_ERROR, LEAST))


def _range(values: npt.NDArray[np.floating]) -> float:
    low, high = np.percentile(values, PEAK)
    return float(high - low)


def _average(pixels: Sequence[Pixels], noise: NoiseModel) -> float:
    """Squared error of the plain average of three frames, over the noise.

    A frame is as far from the average of the one before and the one after as both
    err: what is beyond its noise is the error of theirs.
    """
    away = variance = 0.0
    for p in pixels:
        around = (p.noisy[:-2] + p.noisy[2:]) / 2
        seen = p.measured[:-2] & p.measured[1:-1] & p.measured[2:]
        away += float(((p.noisy[1:-1] - around)[seen] ** 2).sum(dtype=float))
        variance += float(noise.variance(p.result[1:-1])[seen].sum())
    if variance == 0:
        return float("nan")
    return 1 / 9 + 4 / 9 * max(away / variance - 1, 0.0)


def _decibels(share: float) -> float:
    return float(-10 * np.log10(share)) if share > 0 else float("nan")
