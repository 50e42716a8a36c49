"""How far a result is from the truth, which nobody knows: three estimates.

- from the posterior: the mean of the variance that the model says its result has;
- from a recorrupted pair, see :mod:`napari_udvd.quality._copies`: of two copies of the
  movie with independent noise, each judges what the model made of the other;
- from the residual, where there is no model: the mean square of the residual less the
  variance of the noise. A result that holds some of the noise of the pixel itself, and
  most do, looks better by that than it is: this is a bound, and no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._copies import Restored
    from napari_udvd.quality._pair import Pixels

__all__ = ["Accuracy", "CopySums", "Estimate", "accuracy_of"]

Floats = npt.NDArray[np.float32]
Interval = tuple[float, float, float]
"""Value, least and most."""

STD_ERROR = 1.2
"""Decibels that the variance of a model may be off by: on movies whose truth is known,
60 to 80 % of its errors are within one standard deviation, in place of 68."""

CERTAIN = 0.03
"""Share of the noise from which on the movie tests the standard deviation in training;
for each factor of ten below, nothing does, and it may be off by as much again."""

NOISE_ERROR = 0.01
"""Share that the variance of the noise, averaged over a movie, is off by (two in
three)."""

SCALING_ERROR = 0.25
"""Decibels that the step from twice the noise to the movie's own may be off by."""

SURE = 1.96
"""Standard errors on each side of an interval."""

BLOCK = 32
"""Rows and columns that errors are taken to be independent beyond, px."""

PEAK = 0.1, 99.9
"""Percentiles of the result that the peak of the PSNR lies between."""

LEAST = 1e-6
"""Share of the noise below which no squared error is told."""


class Estimate(NamedTuple):
    """Mean squared error of a result, over the mean variance of the noise.

    Attributes
    ----------
    share
        The estimate; NaN where it is not above 0.
    low, high
        Interval in which it is likely: `SURE` standard errors on each side, which are
        judgement themselves.
    """

    share: float
    low: float
    high: float

    def gain(self) -> Interval:
        """Decibels above the noisy movie."""
        return _decibels(self.share), _decibels(self.high), _decibels(self.low)

    @property
    def error(self) -> float:
        """Standard error, dB; infinite where the interval reaches 0."""
        if not self.share > 0 or self.low <= LEAST:
            return float("inf")
        return float(10 * np.log10(self.high / self.low)) / (2 * SURE)


@dataclass(frozen=True)
class Accuracy:
    """Predicted accuracy of a result.

    Attributes
    ----------
    peak
        Grey levels that the PSNR is told for: the 99.9th less the 0.1th percentile of
        the result.
    noise
        Mean variance of the noise, squared grey levels.
    noisy
        PSNR of the noisy movie, dB.
    average
        PSNR of the plain average of three frames, dB; NaN for movies of fewer.
    posterior, recorrupted
        PSNR by each way with its interval, ``(value, least, most)`` in dB; None where
        the way is not open. A value of NaN: the movie does not tell, but for the least.
    predicted
        Both together; None where neither is open.
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
    recorrupted: Interval | None
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


def _estimate_of(share: float, error: float) -> Estimate:
    """Make an estimate of a share and its standard error."""
    low, high = share - SURE * error, share + SURE * error
    return Estimate(
        share if share > LEAST else float("nan"), max(low, LEAST), max(high, LEAST)
    )


def _from_posterior(share: float) -> Estimate:
    """Make an estimate of what a model says; its error is known from benchmarks."""
    share = max(share, LEAST)
    untested = max(float(np.log10(CERTAIN / share)), 0.0)
    factor = 10 ** (SURE * STD_ERROR * (1 + untested) / 10)
    return Estimate(share, share / factor, share * factor)


def _combined(ways: Sequence[Estimate]) -> Estimate | None:
    """Weigh estimates by what is known of their errors, in decibels."""
    open_ways = [way for way in ways if np.isfinite(way.error)]
    if not open_ways:
        return None
    weights = np.array([1 / way.error**2 for way in open_ways])
    logs = np.log10([way.share for way in open_ways])
    mean = float((weights * logs).sum() / weights.sum())
    # ways that differ know less than they say
    spread = float((weights * (logs - mean) ** 2).sum() / weights.sum()) ** 0.5
    error = float(np.hypot(weights.sum() ** -0.5 / 10, spread / np.sqrt(2)))
    return Estimate(10**mean, 10 ** (mean - SURE * error), 10 ** (mean + SURE * error))


def accuracy_of(
    pixels: Sequence[Pixels], noise: NoiseModel, whole: float, copies: CopySums
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
    copies
        Of what went through the model; empty if there is none.

    Returns
    -------
    accuracy, left
        The second is the mean squared error, squared grey levels; None if it cannot
        be known.
    """
    result = np.concatenate([p.result[p.measured] for p in pixels])
    low, high = np.percentile(result[:: max(result.size // 10**6, 1)], PEAK)
    peak = float(high - low)
    variance = float(noise.variance(result).mean())
    noisy = float(10 * np.log10(peak**2 / variance))

    def psnr(way: Estimate | None) -> Interval | None:
        if way is None:
            return None
        value, least, most = way.gain()
        return noisy + value, noisy + least, noisy + most

    said = copies.posterior if copies.pixels else float("nan")
    stds = [p.std[p.measured] for p in pixels if p.std is not None]
    if stds:
        said = float(np.mean(np.concatenate(stds).astype(float) ** 2)) / variance
    one = _from_posterior(said) if np.isfinite(said) else None
    other = copies.recorrupted() if copies.pixels else None
    both = _combined([way for way in (one, other) if way is not None])
    bound = _estimate_of(whole - 1, NOISE_ERROR)
    accuracy = Accuracy(
        peak=peak,
        noise=variance,
        noisy=noisy,
        average=noisy + _decibels(_average(pixels, noise)),
        posterior=psnr(one),
        recorrupted=psnr(other),
        predicted=psnr(both),
        at_most=noisy + bound.gain()[2] if bound.share > 0 else float("nan"),
        disagree=(
            one is not None
            and other is not None
            and bool(np.isfinite(other.share))
            and (one.low > other.high or one.high < other.low)
        ),
        pixels=copies.pixels,
    )
    return accuracy, None if both is None else both.share * variance


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


class CopySums:
    """Sums over the parts that went through the model, see the module.

    Parameters
    ----------
    noise
        Of the channel.
    """

    def __init__(self, noise: NoiseModel) -> None:
        self._noise = noise
        self._blocks: list[npt.NDArray[np.float64]] = []
        self._variance = self._own = self._twice = 0.0
        self.pixels = 0

    def add(
        self,
        noisy: Floats,
        measured: npt.NDArray[np.bool_],
        level: Floats,
        added: Floats,
        copies: tuple[Restored, Restored],
        own: Restored | None,
    ) -> None:
        """Take a part.

        The squared distance of each result from the copy that it has not seen is its
        error and twice the noise. As the noise that was added is known, it is taken
        away itself and not its expectation, which leaves much less to chance:
        ``((y - f+)² + (y - f-)²) / 2 + e (f+ - f-) - v``.

        Parameters
        ----------
        noisy, measured, level
            Of the part, ``(T, Y, X)``; the level tells the variance of the noise.
        added
            ``e``.
        copies
            Results of both copies.
        own
            Result of the movie itself, with its standard deviation.
        """
        v = self._noise.variance(level)
        plus, minus = (copy.mean.astype(np.float64) for copy in copies)
        distance = ((noisy - plus) ** 2 + (noisy - minus) ** 2) / 2
        error = np.where(measured, distance + added * (plus - minus) - v, 0.0)
        self._blocks.append(np.stack([_blocks(error), _blocks(v * measured)]))
        self._variance += float((v * measured).sum())
        self.pixels += int(measured.sum())
        stds = [copy.std for copy in copies]
        if own is not None and own.std is not None:
            self._own += float((own.std.astype(float) ** 2)[measured].sum())
            self._twice += float(
                np.mean(
                    [
                        (s.astype(float) ** 2)[measured].sum()
                        for s in stds
                        if s is not None
                    ]
                )
            )

    @property
    def posterior(self) -> float:
        """Share of the noise that the model says is left; NaN where it says nothing."""
        return self._own / self._variance if self._own > 0 else float("nan")

    def recorrupted(self) -> Estimate:
        """Estimate of the result of the movie, from those of its copies.

        Their error, at twice the noise, is brought to the movie's own by what the model
        says of both: it need not be right in size for that, only in proportion.
        """
        errors, variances = np.concatenate(self._blocks, axis=1)
        variance = variances.sum()
        twice = float(errors.sum() / variance)
        deviation = errors - twice * variances
        chance = float(np.sqrt((deviation**2).sum())) / variance
        error = float(np.hypot(chance, NOISE_ERROR))
        # errors of a smooth estimate grow like the root of the variance or faster
        step = self._own / self._twice if self._twice > 0 else 2**-0.75
        step = float(np.clip(step, 0.4, 1.0))
        scaled = _estimate_of(twice * step, error * step)
        spread = 10 ** (SURE * SCALING_ERROR / 10)
        return Estimate(
            scaled.share, max(scaled.low / spread, LEAST), scaled.high * spread
        )


def _blocks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum over squares of each frame."""
    found = values
    for axis in (1, 2):
        starts = np.arange(0, values.shape[axis], BLOCK)
        found = np.add.reduceat(found, starts, axis=axis)
    return np.asarray(found.ravel())


def _decibels(share: float) -> float:
    return float(-10 * np.log10(share)) if share > 0 else float("nan")
