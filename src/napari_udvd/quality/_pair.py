"""A noisy movie and what is said to be its denoised version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.noise import check_finite, check_time
from napari_udvd.planes import Series, measured_series, read_measured
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from napari_udvd.quality._sampling import Part
    from napari_udvd.stack import Plane, Stack

__all__ = ["Pair", "Pixels", "check_related"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SURE = 5.0
"""Standard errors that a correlation must be away from zero by."""

ALIKE = 0.5
"""Correlation with the noisy movie from which a result of another contrast is in other
grey levels."""

FAR = 3.0
"""Standard deviations of the noisy movie that mean levels may differ by."""

UNRELATED = 1.05
"""Distance of the result from the noisy movie over that of its mean grey level, above
which it is not made from this movie."""


class Pixels(NamedTuple):
    """Pixels of one plane, ``(T, Y, X)`` each, in grey levels.

    Attributes
    ----------
    noisy, result
        The two movies.
    measured
        Which pixels of the noisy one were measured.
    std
        Standard deviation of the result; None where there is none.
    """

    noisy: Floats
    result: Floats
    measured: Mask
    std: Floats | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """Movies of one size, plane by plane.

    Attributes
    ----------
    noisy
        As it was recorded; what was not measured in it is known.
    result
        The denoised version.
    std
        Standard deviation of the result; None if there is none.
    """

    noisy: Stack
    result: Stack
    std: Stack | None = None

    @classmethod
    def of(cls, noisy: Stack, result: Stack, std: Stack | None = None) -> Pair:
        """Check that they belong together, as far as sizes tell.

        Raises
        ------
        InputError
            If sizes differ, there is no time, or pixels of the noisy movie are
            infinite.
        """
        check_time(noisy)
        for other, what in ((result, "result"), (std, "standard deviation")):
            if other is not None:
                _check_alike(noisy, other, what)
        check_finite(noisy)
        return cls(inspect(noisy), result, std)

    @property
    def planes(self) -> list[Plane]:
        """Planes in which something was measured."""
        return [plane for s in measured_series(self.noisy) for plane in s.planes()]

    def read(self, plane: Plane, part: Part) -> Pixels:
        """Read a part of one plane."""
        rows, columns = part.rows, part.columns
        frames = range(part.start, part.stop)
        series = Series((plane.c,), plane.z)
        noisy, known = read_measured(self.noisy, series, frames, rows, columns)
        span = slice(part.start, part.stop)
        result = self.result.read(span, plane, rows, columns).astype(np.float32)
        measured = np.ones(result.shape, bool) if known is None else known[:, 0]
        broken = ~np.isfinite(result)
        if broken.any():
            empty = broken.all(axis=(1, 2))
            if empty.any():
                raise InputError(
                    f"frame {part.start + int(np.argmax(empty))} of the result holds "
                    "no numbers; wait until it is denoised"
                )
            measured = measured & ~broken
            result = np.where(broken, noisy[:, 0], result)
        std = None
        if self.std is not None:
            std = self.std.read(span, plane, rows, columns).astype(np.float32)
        return Pixels(noisy[:, 0], result, measured, std)


def _check_alike(noisy: Stack, other: Stack, what: str) -> None:
    sizes = [{axis: stack.size(axis) for axis in "TCZYX"} for stack in (noisy, other)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the noisy movie has {noisy.describe()} and the {what} "
            f"{other.describe()}: they must be of one size, frame by frame and pixel "
            "by pixel; crop the movie as the result was, or name the axes"
        )


def check_related(pixels: list[Pixels], where: str) -> None:
    """Check that a result was made from this noisy movie.

    Raises
    ------
    InputError
        If it is in other grey levels, is not correlated with the noisy movie, or is
        farther from it than its mean grey level.
    """
    noisy = np.concatenate([p.noisy[p.measured] for p in pixels]).astype(np.float64)
    result = np.concatenate([p.result[p.measured] for p in pixels]).astype(np.float64)
    if not noisy.size:
        raise InputError(f"nothing was measured{where}; there is nothing to compare")
    spread, size = float(noisy.var()), float(result.var())
    level = float(noisy.mean())
    covariance = float(((noisy - level) * (result - result.mean())).mean())
    if size == 0:
        raise InputError(
            f"every pixel of the result{where} is {result[0]:g}: it shows nothing"
        )
    correlation = covariance / np.sqrt(max(spread * size, 1e-300))
    if correlation * np.sqrt(noisy.size) < SURE:
        raise InputError(
            f"the result{where} has nothing in common with the noisy movie (their "
            f"correlation is {correlation:.3f}): it is not its denoised version; name "
            "the movie that it was made from"
        )
    slope = covariance / size
    shift = float(result.mean()) - level
    # in what is mostly noise the result has little contrast, and rightly so
    is_scaled = correlation > ALIKE and not 0.2 < slope < 5
    if is_scaled or abs(shift) > FAR * np.sqrt(spread):
        raise InputError(
            f"the result{where} is in other grey levels than the noisy movie: its mean "
            f"is {result.mean():.4g} where the movie has {level:.4g}, and its contrast "
            f"{1 / slope:.3g} times as large; bring it back to the grey levels of the "
            "movie, else nothing of it can be compared with the noise"
        )
    away = float(((noisy - result) ** 2).mean())
    if away > UNRELATED * spread:
        raise InputError(
            f"the result{where} is not the denoised version of this movie: its mean "
            f"squared distance from it is {away / spread:.2f} times that of an empty "
            "frame of the same brightness; name the movie that it was made from, and "
            "the noisy one as the noisy one"
        )
