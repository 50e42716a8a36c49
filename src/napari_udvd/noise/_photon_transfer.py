"""How strong the noise is at every grey level."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from napari_udvd.errors import InputError
from napari_udvd.noise._blocks import BLOCK, CUT, Places, bins_by_level

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fit", "Line", "NoiseModel", "fit_line", "fit_noise_model"]

Doubles = npt.NDArray[np.float64]

LEAST_DARK = 0.25
"""Read noise variance never falls below this share of what dark blocks show, where
the line would extrapolate to less."""
LEAST_READ_NOISE = 0.05
"""Read noise that is reported at least where photons are counted, in photons."""
ATTEMPTS = 3
"""Fits: the first one tells how rare photons are."""
LEAST_BLOCKS = 16
"""Blocks of a bin that are kept, however much texture they have."""
LEAST_GROUPS = 8
"""Groups whose median is taken."""
SLOPE = 2.0
"""Standard errors from which on a slope is one."""
MOST_CUT = 0.8
"""Share of pixels that were cut off above which the others say little."""
CUT_ERROR = 0.05
"""Relative error of a variance that was cut."""
STRUCK = 8.0
"""Variance of a block, in units of the median, that no noise has: a cosmic ray."""
PER_BLOCK = 2.0
"""Excess kurtosis for which groups have one block more: pulses of a detector have tails
that a median of single blocks would leave out."""
MOST_TAILS = 8.0
"""Excess kurtosis that is believed to be the noise's; more is cosmic rays."""
FEW_TAILS = 4.0
"""Excess kurtosis below which a block that stands out is none of the noise."""
FINE_DOF = 17.0
"""Degrees of freedom of the fine variance of 64 pixels: the detail operator correlates
neighbours, whose squared correlations sum to 3.8."""
LEAST_FINE_SHARE = 0.1
"""Below, the noise is so smooth that its finest detail says little about it."""
UNEVEN = 2.0
"""Factor between expected variances in a bin that is allowed for."""
MOVED = 2.0
"""Standard errors by which the total exceeds the fine variance where things moved."""
UNSURE = 2.0
"""Standard errors on each side of a gain, between which it is."""


@dataclass(frozen=True)
class NoiseModel:
    """Poisson-Gaussian noise of a camera, in grey levels of the movie.

    ``variance(signal) = gain * max(signal - offset, 0) + read_noise**2``, after Foi et
    al. (2008), "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data".

    Attributes
    ----------
    gain
        Grey levels per detected photon (or electron); 0 where noise does not grow
        with the signal.
    offset
        Grey level without light.
    read_noise
        Standard deviation of the noise without light.

    Raises
    ------
    InputError
        If a value is not finite, gain or read noise is negative, or both are 0.
    """

    gain: float
    offset: float
    read_noise: float

    def __post_init__(self) -> None:
        values = asdict(self)
        if not all(np.isfinite(value) for value in values.values()):
            raise InputError(f"noise model {values} must consist of finite numbers")
        if self.gain < 0 or self.read_noise < 0 or self.gain == self.read_noise == 0:
            raise InputError(
                f"noise model {values}: gain and read noise must not be negative, and "
                "not both 0 (no noise)"
            )

    def variance(self, signal: npt.ArrayLike) -> Doubles:
        """Variance of the noise of pixels whose expectation is `signal`."""
        light = np.maximum(np.asarray(signal, dtype=np.float64) - self.offset, 0.0)
        return np.asarray(self.gain * light + self.read_noise**2)

    def louder(self, times: float) -> NoiseModel:
        """Return that of a movie whose noise has so many times the variance."""
        read_noise = self.read_noise * float(np.sqrt(times))
        return NoiseModel(self.gain * times, self.offset, read_noise)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> NoiseModel:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            If a value is missing or not a number.
        """
        try:
            return cls(**{k: float(record[k]) for k in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{record!r} is not a noise model; it needs the numbers "
                f"{', '.join(cls.__dataclass_fields__)}"
            ) from error


class Line(NamedTuple):
    """A straight line ``y = slope * x + constant``.

    Attributes
    ----------
    slope, constant
        The line.
    error
        Standard error of the slope.
    found
        The slope before it was called 0, as it is less than two standard errors.
    """

    slope: float
    constant: float
    error: float
    found: float


class Fit(NamedTuple):
    """A noise model, and how well the movie fixes it.

    Attributes
    ----------
    noise
        The model.
    least_gain, most_gain
        Two standard errors around its gain.
    growth
        By how much the variance may grow from the darkest to the brightest level at
        `most_gain`, relative to the darkest.
    """

    noise: NoiseModel
    least_gain: float
    most_gain: float
    growth: float


def fit_noise_model(
    blocks: Places,
    fine_share: float,
    step: float,
    floor: float | None = None,
    tails: float = 0.0,
) -> Fit:
    """Fit the noise model to blocks of temporal differences (photon transfer).

    Blocks are sorted into bins by their grey level in *other* frames. Sorted by their
    own, those with more photons than their neighbours by chance would count as
    brighter, and where most of a movie is dark a slope would be fitted to that. A line
    ``variance = gain * level + constant`` through the bins is robust against those
    above it.

    In a bin, blocks with texture, which could have moved, are left out; of groups of
    the others the median does not feel the few where something moved, and groups are
    as large as the rarity of photons demands, whose few counts would else escape a
    median. Where most moved, the variance of the finest detail does not feel that,
    after correction for the share of the noise it holds.

    Only this line can be known from a movie: offset and read noise enter it together,
    as ``constant = read_noise**2 - gain * offset``. They are told apart by taking the
    darkest level that occurs as the level without light. If the movie has no dark
    background, both are therefore too large, but the variance at every level that
    does occur is the same.

    Parameters
    ----------
    blocks
        Variances and levels.
    fine_share
        Variance of the finest detail of the noise, relative to white noise.
    step
        Distance of neighbouring grey levels. Rounding to it adds a noise of
        ``step**2 / 12``, the least that is reported where a photon is less than half a
        step; where it is more, counts are exact.
    floor
        Grey level at which the darker part of the noise was cut off. Level and variance
        of the noise as it was follow from the share of the pixels there.
    tails
        Excess kurtosis of the noise, as far as it is known before the fit.
    """
    bins = [_with_little_texture(blocks, part) for part in bins_by_level(blocks)]
    dark = blocks.darkest
    gain = dark_variance = growth = 0.0
    line = Line(0.0, 0.0, 0.0, 0.0)
    for attempt in range(ATTEMPTS):
        rare = first = None
        if attempt:
            first = NoiseModel(gain, dark, dark_variance**0.5)
            rare = _excess(blocks, bins, gain, dark, dark_variance)
            rare = np.maximum(rare, min(tails, MOST_TAILS))
        level, variance, error = _variance_by_level(
            blocks, bins, fine_share, rare, first
        )
        if floor is not None:
            shares = np.array([float(blocks.floored.flat[p].mean()) for p in bins])
            level, variance, error = _before_the_cut(
                level, variance, error, shares, floor, step
            )
            dark = min(floor, float(level.min()))
        line = fit_line(level, variance, error)
        gain, constant = line.slope, line.constant
        rounding = step / 12.0**0.5
        least = LEAST_READ_NOISE * gain if gain > step / 2 else rounding
        dark_variance = max(
            gain * dark + constant, LEAST_DARK * float(variance[0]), least**2
        )
        growth = float(np.ptp(level)) / dark_variance
    most = line.found + UNSURE * line.error
    return Fit(
        NoiseModel(gain=gain, offset=dark, read_noise=float(np.sqrt(dark_variance))),
        least_gain=max(line.found - UNSURE * line.error, 0.0),
        most_gain=most,
        growth=most * growth,
    )


def _with_little_texture(
    blocks: Places, part: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Leave out the half of a bin that has most texture."""
    order = np.argsort(blocks.texture.flat[part], kind="stable")
    kept = part[order[: max(len(part) // 2, min(len(part), LEAST_BLOCKS))]]
    # in an order that has nothing to do with texture, for groups that are alike
    return np.sort(kept)


def _not_struck(blocks: Places, part: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Leave out blocks whose level and variance a cosmic ray has changed."""
    variance = blocks.variance.flat[part]
    kept = part[variance <= STRUCK * float(np.median(variance))]
    return kept if len(kept) else part


def _excess(
    blocks: Places,
    bins: list[npt.NDArray[np.intp]],
    gain: float,
    dark: float,
    dark_variance: float,
) -> Doubles:
    """Excess kurtosis of the noise of each bin, from a first fit.

    That of a Poisson variable is one over its mean; normal noise has none.
    """
    level = np.array([float(blocks.level.flat[part].mean()) for part in bins])
    light = np.maximum(level - dark, 0.0)
    variance = np.maximum(gain * light + dark_variance, np.finfo(np.float64).tiny)
    return np.asarray(gain**3 * light / variance**2)


def _variance_by_level(
    blocks: Places,
    bins: list[npt.NDArray[np.intp]],
    fine_share: float,
    excess: Doubles | None,
    first: NoiseModel | None,
) -> tuple[Doubles, Doubles, Doubles]:
    """Level, noise variance and its relative standard error for bins of grey levels.

    Without `excess`, groups are as large as they can be. With a `first` fit, variances
    are compared as they would be at the mean level of their bin: the levels of the
    brightest are spread unevenly, and the median of them is not their mean.
    """
    rows = []
    for k, whole in enumerate(bins):
        part = whole
        rare = np.inf if excess is None else float(excess[k])
        if rare < FEW_TAILS:
            part = _not_struck(blocks, part)
        level = float(blocks.level.flat[part].mean())
        uneven = np.ones(len(part))
        # where photons are rare, the levels of blocks are themselves uncertain
        if first is not None and rare < FEW_TAILS:
            expected = first.variance(level + _from_the_mean(blocks, part))
            uneven = np.clip(expected / first.variance(level), 1 / UNEVEN, UNEVEN)
        values = blocks.variance.flat[part] / uneven
        total, error = _typical_variance(values, BLOCK**2, rare)
        if fine_share > LEAST_FINE_SHARE:
            values = blocks.fine.flat[part] / uneven
            fine, fine_error = _typical_variance(values, FINE_DOF, rare)
            fine /= fine_share
            # Both are unbiased where nothing moves; the total is the more precise.
            if total > fine * (1.0 + MOVED * fine_error):
                total, error = fine, fine_error
        rows.append((level, total, error))
    levels, variances, errors = np.array(rows).T
    return levels, variances, errors


def _from_the_mean(blocks: Places, part: npt.NDArray[np.intp]) -> Doubles:
    """Level of each block, as other frames tell it, from the mean level of all.

    They have noise of their own, and the blocks were chosen by it: as much of it as
    the level does not follow is none of the level.
    """
    level = blocks.level.flat[part].astype(np.float64)
    away = blocks.reference.flat[part].astype(np.float64)
    away -= away.mean()
    power = float((away**2).sum())
    follows = float((away * level).sum()) / power if power > 0 else 0.0
    return np.asarray(np.clip(follows, 0.0, 1.0) * away)


def _before_the_cut(
    level: Doubles,
    variance: Doubles,
    error: Doubles,
    shares: Doubles,
    floor: float,
    step: float,
) -> tuple[Doubles, Doubles, Doubles]:
    """Undo a cut at `floor` that left the given shares of the pixels there.

    For normal noise of mean m and standard deviation s the share is Phi(-m / s), and
    the mean that is left m Phi(m / s) + s phi(m / s) (Tobin 1958). Rounding makes
    half a step more of what is at the floor.
    """
    cut = (shares > CUT) & (shares < MOST_CUT)
    z = ndtri(1.0 - shares[cut])
    half = step / 2.0
    left = level[cut] - floor - half * (1.0 - shares[cut])
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi)
    s = np.maximum(left, 0.0) / (z * ndtr(z) + density)
    level, variance, error = level.copy(), variance.copy(), error.copy()
    level[cut], variance[cut] = floor + half + z * s, s**2
    # the noise is not quite normal, and what is in a bin not quite alike
    error[cut] = np.maximum(error[cut], CUT_ERROR)
    kept = shares < MOST_CUT
    if kept.sum() < 2:
        return level, variance, error
    return level[kept], variance[kept], error[kept]


def _typical_variance(
    values: npt.NDArray[Any], degrees: float, excess: float
) -> tuple[float, float]:
    """Mean of sample variances from the median of groups, and its relative error.

    A sample variance of normal noise is chi-squared; for its median see Wilson and
    Hilferty (1931). The spread of the groups tells how much more they scatter where
    the noise has tails, or where something moved in some of them.
    """
    most = max(len(values) // LEAST_GROUPS, 1)
    size = most if np.isinf(excess) else int(np.clip(excess / PER_BLOCK, 1, most))
    size = min(size, most)
    count = len(values) // size
    groups = values[: count * size].reshape(size, count).mean(axis=0)
    shrink = (1.0 - 2.0 / (9.0 * degrees * size)) ** 3
    typical = float(np.median(groups)) / shrink
    normal = np.sqrt(2.0 / degrees / size)
    spread = 1.4826 * float(np.median(np.abs(groups - np.median(groups))))
    relative = max(normal, spread / typical) if typical > 0 else normal
    return typical, float(1.2533 * relative / np.sqrt(count))


def fit_line(x: Doubles, y: Doubles, error: Doubles) -> Line:
    """Robust ``y = slope * x + constant`` with a slope of 0 or significantly more.

    The relative error of `y` is given. The error of a variance is proportional to it,
    so residuals count relative to the line; those far above it (motion) count little.
    """
    if not y.any():
        return Line(0.0, 0.0, 0.0, 0.0)
    least = 0.1 * float(y[y > 0].min())
    centre, spread = float(x.mean()), float(np.ptp(x))
    z = (x - centre) / spread if spread > 0 else np.zeros_like(x)
    model, trust = np.maximum(y, least), np.ones_like(y)
    slope = constant = scatter = found = 0.0
    for _ in range(20):
        weight = trust / (error * model) ** 2
        mean_z, mean_y = np.average(z, weights=weight), np.average(y, weights=weight)
        scatter = float((weight * (z - mean_z) ** 2).sum())
        if scatter > 0:
            found = max(0.0, float((weight * (z - mean_z) * y).sum() / scatter))
            slope = found if found * scatter**0.5 >= SLOPE else 0.0
        constant = float(mean_y - slope * mean_z)
        model = np.maximum(slope * z + constant, least)
        excess = y / model - 1.0
        trust = 1.0 / (1.0 + (np.maximum(excess, 0.0) / (0.1 + 3.0 * error)) ** 4)
    if scatter == 0.0:  # one level only
        return Line(0.0, constant, 0.0, 0.0)
    # points that scatter more than their errors say are not known as well as these
    residual = weight * (y - slope * z - constant) ** 2
    more = float(residual.sum()) / max(len(y) - 2, 1)
    own = (max(more, 1.0) / scatter) ** 0.5
    constant -= slope * centre / spread
    return Line(slope / spread, constant, own / spread, found / spread)
