"""Whether the standard deviation of a result is the size of its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_udvd.noise import NoiseModel

__all__ = ["NORMAL", "Coverage", "CoverageSums"]

Floats = npt.NDArray[np.float32]

NORMAL = 0.6827
"""Share of normal errors within one standard deviation."""

BINS = 10


@dataclass(frozen=True)
class Coverage:
    """Share of noisy pixels within one standard deviation of what was predicted.

    Attributes
    ----------
    of
        ``"blind"``: of the prediction that has not seen the pixel, whose distance has
        the variance of noise and prediction together; ``"result"``: of the result,
        whose distance has that of the noise less that of the result.
    whole
        Of all pixels; 0.683 where everything is right and noise is normal. Of few
        photons it is more.
    spread
        Root mean square of the distances over what was predicted: 1 where that is
        right, whatever the noise looks like.
    level, share
        By brightness: grey level, and share.
    power
        Mean variance of the prediction over that of the noise. Where it is small, the
        noise decides the coverage, and little is learned of the standard deviation.
    pixels
        How many there are.
    """

    of: str
    whole: float
    spread: float
    level: tuple[float, ...]
    share: tuple[float, ...]
    power: float
    pixels: int


class CoverageSums:
    """Collects pixels.

    Parameters
    ----------
    noise
        Of the channel.
    of
        See :class:`Coverage`.
    """

    def __init__(self, noise: NoiseModel, of: str) -> None:
        self._noise, self._of = noise, of
        self._parts: list[tuple[Floats, npt.NDArray[np.bool_]]] = []
        self._power = np.zeros(2)
        self._squares = 0.0

    def add(
        self, noisy: Floats, mean: Floats, std: Floats, measured: npt.NDArray[np.bool_]
    ) -> None:
        """Take pixels ``(T, Y, X)``."""
        v = self._noise.variance(mean)
        own = std.astype(np.float64) ** 2
        self._power += float(own[measured].sum()), float(v[measured].sum())
        total = v + own if self._of == "blind" else np.maximum(v - own, 1e-3 * v)
        squares = (noisy - mean) ** 2 / total
        self._squares += float(squares[measured].sum())
        is_within = squares <= 1
        self._parts.append((mean[measured], is_within[measured]))

    def result(self) -> Coverage:
        """Count."""
        level = np.concatenate([part[0] for part in self._parts])
        within = np.concatenate([part[1] for part in self._parts])
        order = np.argsort(level, kind="stable")
        parts = [part for part in np.array_split(order, BINS) if len(part)]
        return Coverage(
            of=self._of,
            whole=float(within.mean()),
            spread=(self._squares / len(level)) ** 0.5,
            level=tuple(float(level[part].mean()) for part in parts),
            share=tuple(float(within[part].mean()) for part in parts),
            power=float(self._power[0] / self._power[1]),
            pixels=len(level),
        )
