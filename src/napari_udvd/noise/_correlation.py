"""Whether the noise is independent, between pixels and between frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.noise._blocks import BLOCK, Blocks, bins_by_level

__all__ = [
    "BACKGROUND",
    "LEAK",
    "MAX_LAG",
    "Correlation",
    "measure_correlation",
]

LEAK = 0.1
"""Correlation below which a pixel may stay visible.

A network that sees a neighbour whose noise correlates by r with the hidden pixel's can
at best copy the share r**2 of the noise variance from it. Four neighbours at 0.1 give
back 4 %: the noise then cannot fall by more than 14 dB, which is more than blind-spot
networks reach on real movies, so covering such a pixel costs more than it brings."""
MAX_LAG = 8
"""Longest distance in pixels at which correlation is measured."""
BACKGROUND = 33
"""Side of the window whose mean is taken off a difference: flicker is wider, the noise
correlations looked for narrower."""
BRIGHT_SHARE = 0.1
LEAST_BRIGHT = 256
"""Blocks that are the brightest: a tenth, or more where that is few."""
TINY = float(np.finfo(np.float32).tiny)
STILL = 1.3
"""Variance in units of what the finest detail tells, up to which nothing moved."""
GROUPS = 8
"""Groups of blocks whose scatter gives a standard error."""
QUIET_SHARE = 0.1
QUIET_PIXELS = 8_000
"""How many blocks are measured, those with the least structure: a tenth, or more where
that is too few pixels for a standard error of 0.016."""


@dataclass(frozen=True)
class Correlation:
    """How the noise of one pixel goes with that of others.

    Attributes
    ----------
    x, y
        Correlation with the pixel 1, 2, … 8 columns or rows away, shape ``(8,)``;
        0 where frames have no blocks that far apart.
    bright_x, bright_y
        The first of them in the brightest tenth: pulses of a detector spread further
        than its read noise, so it may be more where there is light.
    diagonal
        Stronger of the two correlations with a diagonal neighbour.
    error
        Standard error of each.
    whiteness_t
        Minus twice the correlation of successive frame differences: 1 where the noise
        of different frames is independent, 0 where every frame repeats half of the
        noise of the one before; NaN for fewer than three different frames.
    whiteness_error
        Its standard error.
    fine_share
        Variance of the noise's finest detail, relative to white noise.
    excess
        Excess kurtosis of the noise of a frame: how far its tails reach.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    bright_x: float
    bright_y: float
    diagonal: float
    error: float
    whiteness_t: float
    whiteness_error: float
    fine_share: float
    excess: float

    @property
    def limit(self) -> float:
        """Correlation that matters and is not chance."""
        return max(LEAK, 3.0 * self.error)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns to the farthest pixel whose noise goes with the centre's."""
        rows, columns = (self._reach_along(along) for along in (self.y, self.x))
        # the hole that is needed is that of the brightest places
        rows = max(rows, int(self.bright_y >= self.limit))
        columns = max(columns, int(self.bright_x >= self.limit))
        if abs(self.diagonal) >= self.limit:
            rows, columns = max(rows, 1), max(columns, 1)
        return rows, columns

    def _reach_along(self, correlations: npt.NDArray[np.float64]) -> int:
        """Farthest pixel that matters; a gap of one may lie before it (interlacing)."""
        reach = 0
        for lag, value in enumerate(np.abs(correlations), start=1):
            if value >= self.limit:
                reach = lag
            elif lag > reach + 1:
                break
        return reach


def measure_correlation(blocks: Blocks) -> Correlation:
    """Measure correlation where there is least structure that could move.

    Frames are subtracted from one another, so what stands still cancels; steady
    motion cancels in the second difference; what is left of motion is proportional
    to image gradients, so only the blocks with the smallest gradients are used.
    """
    quiet = _quietest(blocks)
    mask = np.repeat(np.repeat(quiet.astype(np.float32), BLOCK, 1), BLOCK, 2)
    noise = _without_background(blocks.differences * mask, mask)
    variance = float((noise**2).sum() / mask.sum())

    def correlation(dy: int, dx: int) -> float:
        """Correlation of pixels (y, x) and (y + dy, x + dx), both in quiet blocks."""
        here, there = _shifted(noise, dy, dx)
        pairs = float(np.vdot(*_shifted(mask, dy, dx)))
        if pairs < 0.01 * mask.sum() or variance == 0:
            return 0.0
        return float(np.vdot(here, there)) / pairs / variance

    product, energy = blocks.step_product[quiet], blocks.step_energy[quiet]
    steps = np.isfinite(product)
    whiteness = np.nan
    if steps.any() and energy[steps].sum() > 0:
        whiteness = -2.0 * float(product[steps].sum() / energy[steps].sum())
    lags = range(1, MAX_LAG + 1)
    x = np.array([correlation(0, lag) for lag in lags])
    y = np.array([correlation(lag, 0) for lag in lags])
    more_y, more_x = (_growth(blocks, quiet, axis) for axis in (1, 2))
    return Correlation(
        x=x,
        y=y,
        bright_x=float(x[0]) + more_x,
        bright_y=float(y[0]) + more_y,
        diagonal=max(correlation(1, 1), correlation(1, -1), key=abs),
        # Overlapping second differences in time share noise: their squared
        # correlations (4/9, 1/36) double the variance of the estimate.
        error=float(np.sqrt(2.0 / mask.sum())),
        whiteness_t=whiteness,
        # Squared correlations of neighbours in the fine detail sum to 3.8.
        whiteness_error=2.0 * float(np.sqrt(3.8 / mask.sum())),
        fine_share=float(blocks.fine[quiet].mean() / variance) if variance else 1.0,
        excess=_excess(blocks, quiet),
    )


def _excess(blocks: Blocks, quiet: npt.NDArray[np.bool_]) -> float:
    """Excess kurtosis within blocks: those of different strength must not be mixed."""
    # squared twice: a power of four takes a hundred times as long
    fourth = _block_mean(np.square(np.square(blocks.differences)))[quiet]
    second = blocks.variance[quiet]
    if not second.any():
        return 0.0
    kurtosis = float(fourth.sum(dtype=np.float64) / (second**2).sum(dtype=np.float64))
    # a second difference has half of the excess of a frame
    return max(2.0 * (kurtosis - 3.0), 0.0)


def _growth(blocks: Blocks, quiet: npt.NDArray[np.bool_], axis: int) -> float:
    """By how much the correlation with the next pixel is more in the brightest tenth.

    Things move where it is bright, and what moved is correlated, too. But it is
    smooth, and here noise is looked at in its finest detail: with the correlation r,
    its power is ``1 - 2 r`` at two pixels per period and 1 at four.

    Returns
    -------
    float
        0 where it is not significant.
    """
    fast = _block_power(blocks.differences, (1.0, -2.0, 1.0), axis)
    slow = _block_power(blocks.differences, (1.0, 0.0, -2.0, 0.0, 1.0), axis)
    usable = blocks.usable & ~blocks.cut & (blocks.variance > 0)
    if usable.sum() < 2 * LEAST_BRIGHT:
        return 0.0
    share = max(BRIGHT_SHARE, LEAST_BRIGHT / usable.sum())
    bright = usable & (
        blocks.reference >= np.quantile(blocks.reference[usable], 1.0 - share)
    )
    calm = bright & (blocks.texture <= np.median(blocks.texture[bright]))
    (total, fine), (usual_total, usual_fine) = (
        [float(np.median(of[part])) for of in (blocks.variance, blocks.fine)]
        for part in (calm, quiet)
    )
    if total * usual_fine >= STILL * usual_total * fine:
        return 0.0
    found = [_fine_correlation(fast[part], slow[part]) for part in (calm, quiet)]
    (there, its_error), (usual, error) = found
    growth = there - usual
    return growth if growth > 3.0 * float(np.hypot(its_error, error)) else 0.0


def _fine_correlation(
    fast: npt.NDArray[np.float32], slow: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Correlation that explains the powers of blocks, and its standard error."""
    groups = np.arange(fast.size) % GROUPS
    values = [
        0.75
        * (1.0 - float(fast[groups == k].sum() / max(slow[groups == k].sum(), TINY)))
        for k in range(GROUPS)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(GROUPS))


def _block_power(
    noise: npt.NDArray[np.float32], filter_: tuple[float, ...], axis: int
) -> npt.NDArray[np.float32]:
    """Power behind a filter along one axis and the second difference along the other.

    Both filters have the same energy, that of ``(1, -2, 1)``.
    """
    other = 3 - axis
    detail = ndimage.correlate1d(noise, (1.0, -2.0, 1.0), axis=other)
    return _block_mean(ndimage.correlate1d(detail, filter_, axis=axis) ** 2)


def _block_mean(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    n, height, width = image.shape
    lines = image.reshape(n, height // BLOCK, BLOCK, width).mean(axis=2)
    parts = lines.reshape(n, height // BLOCK, width // BLOCK, BLOCK)
    return np.asarray(parts.mean(axis=3))


def _quietest(blocks: Blocks) -> npt.NDArray[np.bool_]:
    """Choose the blocks with the least structure in proportion to their noise."""
    bins = bins_by_level(blocks)
    level = [float(blocks.level.flat[part].mean()) for part in bins]
    noise = [float(np.median(blocks.fine.flat[part])) for part in bins]
    noise_there = np.interp(blocks.level, level, noise)
    structure = blocks.structure / np.maximum(noise_there, 1e-3 * max(noise) or 1.0)
    # Where the lower half of the noise is cut off it looks less correlated than it is.
    usable = blocks.usable & ~blocks.cut
    if usable.sum() * BLOCK**2 < QUIET_PIXELS:
        usable = blocks.usable
    # Where light is counted, blocks without a single count say nothing of its noise.
    counts = usable & (blocks.step_energy > 0)
    if counts.any():
        usable = counts
    share = np.clip(QUIET_PIXELS / (usable.sum() * BLOCK**2), QUIET_SHARE, 0.5)
    limit = np.quantile(structure[usable], share)
    return np.asarray(usable & (structure <= limit))


def _without_background(
    noise: npt.NDArray[np.float32], mask: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Take off the local mean of the pixels in the mask; 0 outside of it."""
    size = (0, BACKGROUND, BACKGROUND)
    total = ndimage.uniform_filter(noise, size, mode="constant")
    count = ndimage.uniform_filter(mask, size, mode="constant")
    return np.asarray((noise - total / np.maximum(count, 1e-6)) * mask)


def _shifted(
    movie: npt.NDArray[np.float32], dy: int, dx: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return views of every pixel and of the one `dy` rows, `dx` columns further."""
    height, width = movie.shape[1:]
    left, right = max(0, -dx), width - max(0, dx)
    here = movie[:, : height - dy, left:right]
    there = movie[:, dy:, left + dx : right + dx]
    return here, there
