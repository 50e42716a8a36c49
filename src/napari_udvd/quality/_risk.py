"""Squared error of a result, from its residual and how the model answers to noise.

The residual ``r = y - f(y)`` is the noise less the error of the result, and what both
have in common is how far the result follows the noise: by Stein's lemma, frequency by
frequency, ::

    power of the error = power of r - power of the noise + 2 x (response of f to noise)

(Stein 1981; Ramani, Blu and Unser 2008, who measure the response with a little noise
that is added). Summed up, a noise model that is off by a percent is off by as much, and
more than most errors are. But the power of the noise is the same at all frequencies,
and the error of a denoised movie is where frequencies are low: where there is none, the
power of the noise is read off, and what is above it elsewhere is error.

What is not above it cannot be seen. So all is an estimate in the sense of Bayes: before
the movie is asked, the error is about as large as the response of the model says, and
the noise model about right.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.quality._copies import as_drawn

if TYPE_CHECKING:
    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._copies import Correlations
    from napari_udvd.quality._frequencies import Boxes, Power

__all__ = ["NUDGE", "Risk", "RiskSums"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NUDGE = 0.3
"""Standard deviation of the noise that is added, over that of the movie's own."""

PASSED = 3.0
"""The best estimate there is errs by its response ``h`` to noise, and any by the noise
that it passes, ``h²``, at least: networks, in the geometric mean of both, by so many
times ``h^1.5``, where that is less than ``h``."""

COMMON = 0.5
"""Share that the expected error may be off by at all frequencies together."""

EACH = (2.0, 0.7), (6.0, 0.2), (20.0, 0.06), (60.0, 0.03), (1000.0, 0.01)
"""The same in each bin by itself, and how likely so much is: a result that lost
structures is off by more."""

ANYWHERE = 0.1
"""Share of the mean error over all frequencies that any of them may be off by, too."""

NOISE_ERROR = (0.007, 0.9), (0.05, 0.07), (0.4, 0.03)
"""Share that the variance of the noise, averaged over a movie, is off by, and how
likely so much is."""

RESPONSE_ERROR = 0.11, 0.085
"""Share that the response is off by, in each bin by itself and in all together: the
model has learned from the noise of the movie, and other frames answer otherwise."""

KERNEL_ERROR = 0.1
"""Share of what correlations make of the power of the noise that they are off by."""

LEAST = 1e-6
"""Of power over that of noise."""


class Risk(NamedTuple):
    """Mean squared error over the mean variance of the noise, and its error.

    Attributes
    ----------
    share, error
        Mean and standard deviation.
    expected
        What the response of the model alone lets expect.
    """

    share: float
    error: float
    expected: float


class RiskSums:
    """Sums over parts of a movie, see the module.

    Parameters
    ----------
    noise, correlations
        Of the channel.
    boxes
        Into which parts are cut.
    """

    def __init__(
        self, noise: NoiseModel, correlations: Correlations, boxes: Boxes
    ) -> None:
        self._noise, self._boxes = noise, boxes
        self._white = boxes.of_noise(as_drawn(correlations))
        self._residual = _Sums(boxes)
        self._response, self._answer = _Sums(boxes), _Sums(boxes)

    def add_residual(self, noisy: Floats, result: Floats, measured: Mask) -> None:
        """Take a part ``(T, Y, X)`` of the movie and its result."""
        self._residual.add(
            self._boxes.power(_known(noisy - result, measured)),
            self._variance(result, measured),
        )

    def add_answer(
        self, added: Floats, change: Floats, level: Floats, measured: Mask
    ) -> None:
        """Take what the model makes of a little noise.

        Parameters
        ----------
        added
            Noise of the strength of the movie's own, ``(T, Y, X)``.
        change
            Of the result, where `NUDGE` times that is added, over `NUDGE`.
        level
            The result, which tells how strong the noise is.
        measured
            Which pixels count.
        """
        change, added = _known(change, measured), _known(added, measured)
        variance = self._variance(level, measured)
        self._response.add(self._boxes.power(added, change), variance)
        self._answer.add(self._boxes.power(change), variance)

    def _variance(self, level: Floats, measured: Mask) -> float:
        boxes = self._boxes.cut(self._noise.variance(level) * measured)
        return float(boxes.sum(dtype=np.float64))

    def result(self) -> Risk | None:
        """Put all together; None where parts hold no box."""
        if not self._residual.boxes or not self._response.boxes:
            return None
        share = self._boxes.modes / self._boxes.size
        residual, response, answer = (
            sums.mean(share) for sums in (self._residual, self._response, self._answer)
        )
        follows = np.clip(response, 0.0, 1.0)
        answer = np.clip(answer, 0.0, 1.0)
        seen = residual - self._white + 2 * response
        chance = 2 * np.maximum(residual, 0.3) ** 2 / self._residual.modes
        chance += 4 * (answer + follows**2) / self._response.modes
        each, common = RESPONSE_ERROR
        chance += (2 * each * follows) ** 2 + (KERNEL_ERROR * (self._white - 1)) ** 2
        learned = (2 * common) ** 2 * np.outer(follows, follows)
        expected = np.minimum(follows, PASSED * follows**1.5)
        expected = np.maximum(expected, LEAST)
        prior = float(share @ expected)
        spread = expected + ANYWHERE * prior
        found = [
            _posterior(
                seen, expected, spread, self._white, np.diag(chance) + learned, *width
            )
            for width in product(EACH, NOISE_ERROR)
        ]
        evidence, means, covariances = (
            np.array(each) for each in zip(*found, strict=True)
        )
        weights = np.exp(evidence - evidence.max())
        weights /= weights.sum()
        values = means @ share
        value = float(weights @ values)
        variance = weights @ ((covariances @ share) @ share + (values - value) ** 2)
        return Risk(max(value, LEAST), float(variance**0.5), prior)


def _posterior(
    seen: Doubles,
    expected: Doubles,
    spread: Doubles,
    white: Doubles,
    chance: Doubles,
    each: tuple[float, float],
    noise: tuple[float, float],
) -> tuple[float, Doubles, Doubles]:
    """Return the log evidence, and mean and covariance of the power of the error."""
    before = COMMON**2 * np.outer(expected, expected)
    before += each[0] ** 2 * np.diag(spread**2)
    covariance = before + chance + noise[0] ** 2 * np.outer(white, white)
    solved = np.linalg.solve(covariance, np.column_stack([seen - expected, before]))
    _, size = np.linalg.slogdet(covariance)
    evidence = -0.5 * float((seen - expected) @ solved[:, 0] + size)
    return (
        evidence + float(np.log(each[1] * noise[1])),
        expected + before @ solved[:, 0],
        before - before @ solved[:, 1:],
    )


class _Sums:
    """Power of bins over the mean variance of the noise."""

    def __init__(self, boxes: Boxes) -> None:
        self._sums = np.zeros(boxes.count)
        self._variance = 0.0
        self._each = boxes.modes
        self.boxes = 0

    def add(self, power: Power, variance: float) -> None:
        self._sums += power.sums
        self._variance += variance
        self.boxes += power.boxes

    @property
    def modes(self) -> Doubles:
        """How many are averaged in each bin."""
        return self._each * self.boxes

    def mean(self, share: Doubles) -> Doubles:
        """Mean power of a mode, over the mean variance of a pixel."""
        return self._sums / share / self._variance


def _known(values: Floats, measured: Mask) -> Floats:
    return np.where(measured, values, np.float32(0.0))
