"""The residual, noisy minus result: it should be the noise, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_udvd.quality._accuracy import NOISE_ERROR

if TYPE_CHECKING:
    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._pair import Pixels

__all__ = ["Maps", "Residual", "ResidualSums"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

BINS = 12
"""Bins of brightness, of equally many pixels."""

LAGS = 6
"""Distances in space that are compared, px."""

STRUCTURE = 3.0
"""What is larger than this is background and no structure, sigma in px."""

SURROUNDINGS = 1.5
"""Sigma of the surroundings by which a pixel counts as dark or bright, px. By its own
value it would count as darker where noise that is left in it makes it so."""

LEAST_IN_BIN = 100
"""Pixels of a bin that is told."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Pictures of what stands still in the residual, ``(Y, X)``; NaN: not measured.

    Attributes
    ----------
    mean
        Mean of the residual over the frames that were looked at, in standard errors:
        within ±3 where only noise was taken away.
    variance
        Its mean square, over the variance of the noise: near 1.
    noisy, result
        One frame in the middle.
    rows, columns
        Where they lie in the frame.
    """

    mean: Floats
    variance: Floats
    noisy: Floats
    result: Floats
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Residual:
    """Numbers of the residual.

    Attributes
    ----------
    frames
        How many they were measured on.
    level
        Mean brightness of the result in each bin, grey levels.
    mean
        Mean of the residual, in standard deviations of the noise, by bin.
    variance
        Variance of the residual over that of the noise model, by bin. Below 1 where
        some of the noise is still in the result; above where signal was taken away.
    whole
        That of all pixels.
    along_x, along_y
        Autocorrelation at distances of 1, 2, ... px.
    along_t
        The same at 1, 2, ... frames.
    structure
        Share of the contrast of fine structures that is in the residual (slope of the
        residual on the structures of the result, less what noise left in the result
        does to it).
    structure_error
        Its standard error.
    correlation
        The same as a correlation.
    """

    frames: int
    level: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    whole: float
    along_x: tuple[float, ...]
    along_y: tuple[float, ...]
    along_t: tuple[float, ...]
    structure: float
    structure_error: float
    correlation: float


class ResidualSums:
    """Sums over the parts of a movie.

    Parameters
    ----------
    noise
        Of the channel.
    levels
        A sample of the grey levels of the result, which the bins are made from.
    run
        Frames of a part, at most.
    """

    def __init__(self, noise: NoiseModel, levels: Floats, run: int) -> None:
        self._noise = noise
        edges = np.quantile(levels, np.linspace(0, 1, BINS + 1)[1:-1])
        self._edges = np.unique(edges)
        self._by_bin = np.zeros((5, len(self._edges) + 1))
        self._space = np.zeros((2, LAGS))
        self._time = np.zeros((2, max(run - 1, 0)))
        self._pairs = np.zeros((2, LAGS))
        self._structure = np.zeros(5)
        self._power = np.zeros(2)
        self._maps: Doubles | None = None
        self._frames = 0

    def add(self, pixels: Pixels) -> None:
        """Take a part."""
        seen = pixels.measured
        r = np.where(seen, pixels.noisy - pixels.result, 0.0).astype(np.float32)
        v = self._noise.variance(pixels.result).astype(np.float32)
        self._frames += len(r)
        u = np.asarray(r / np.sqrt(v), np.float32)
        around = gaussian_filter(pixels.result, (0, SURROUNDINGS, SURROUNDINGS))
        where = np.digitize(around, self._edges)[seen]
        values = (np.ones_like(r), r, r * r, v, pixels.result)
        for k, value in enumerate(values):
            self._by_bin[k] += np.bincount(
                where, value[seen], minlength=self._by_bin.shape[1]
            )
        self._power += (float((u * u).sum(dtype=float)), float(seen.sum()))
        for lag in range(1, LAGS + 1):
            for axis in (1, 2):
                a, b, both = _apart(u, seen, lag, axis)
                self._space[axis - 1, lag - 1] += float((a * b).sum(dtype=float))
                self._pairs[axis - 1, lag - 1] += both
        for lag in range(1, min(len(r), self._time.shape[1] + 1)):
            a, b, both = _apart(u, seen, lag, 0)
            self._time[0, lag - 1] += float((a * b).sum(dtype=float))
            self._time[1, lag - 1] += both
        blurred = gaussian_filter(pixels.result, (0, STRUCTURE, STRUCTURE))
        s = np.where(seen, pixels.result - blurred, 0.0)
        self._structure += [
            float(x.sum(dtype=float))
            for x in (r * s, s * s, r * r, v * s * s, v * seen)
        ]
        sums = np.stack([x.sum(axis=0, dtype=float) for x in (r, r * r, v * seen)])
        self._maps = sums if self._maps is None else self._maps + sums

    def result(self) -> Residual:
        """Numbers of all parts so far."""
        n, r, rr, v, level = self._by_bin
        kept = n >= min(LEAST_IN_BIN, n.max())
        n, r, rr, v, level = (x[kept] for x in (n, r, rr, v, level))
        mean = r / n
        power = max(self._power[0] / max(self._power[1], 1.0), 1e-30)
        rs, ss, total, weighted, variance = self._structure
        whole = float(rr.sum() / v.sum())
        # noise that is left in the result is in the residual too, but no structure: as
        # much as the residual lacks of the noise
        rs -= max(1 - whole, 0.0) * variance
        error = np.hypot(np.sqrt(weighted), NOISE_ERROR * variance)
        return Residual(
            frames=self._frames,
            level=_plain(level / n),
            mean=_plain(mean / np.sqrt(v / n)),
            variance=_plain((rr / n - mean**2) / (v / n)),
            whole=whole,
            along_x=_plain(_ratio(self._space[1], self._pairs[1]) / power),
            along_y=_plain(_ratio(self._space[0], self._pairs[0]) / power),
            along_t=_plain(_ratio(self._time[0], self._time[1]) / power),
            structure=float(rs / ss) if ss > 0 else 0.0,
            structure_error=float(error / ss) if ss > 0 else float("inf"),
            correlation=float(rs / np.sqrt(ss * total)) if ss * total > 0 else 0.0,
        )

    def maps(self, middle: Pixels, rows: slice, columns: slice) -> Maps:
        """Pictures of all parts so far, and of a frame in the middle."""
        assert self._maps is not None
        r, rr, v = self._maps
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = v > 0
            mean = np.where(seen, r / np.sqrt(v), np.nan).astype(np.float32)
            variance = np.where(seen, rr / v, np.nan).astype(np.float32)
        k = len(middle.noisy) // 2
        return Maps(mean, variance, middle.noisy[k], middle.result[k], rows, columns)


def _apart(
    u: Floats, seen: npt.NDArray[np.bool_], lag: int, axis: int
) -> tuple[Floats, Floats, float]:
    """Pixels and those `lag` further along an axis, and how many of both are known."""
    n = u.shape[axis]
    if lag >= n:
        return u[:0], u[:0], 0.0
    first, second = ([slice(None)] * u.ndim for _ in range(2))
    first[axis], second[axis] = slice(n - lag), slice(lag, n)
    one, two = tuple(first), tuple(second)
    return u[one], u[two], float((seen[one] & seen[two]).sum())


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    return np.asarray(above[below > 0] / below[below > 0])


def _plain(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
