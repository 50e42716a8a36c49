"""Statistics of small blocks of temporal differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from napari_udvd.noise._windows import Sample

__all__ = [
    "BLOCK",
    "CUT",
    "SMOOTH",
    "Blocks",
    "Places",
    "bins_by_level",
    "darkest_level",
    "measure_blocks",
    "temporal_difference",
]

Floats = npt.NDArray[np.float32]

BLOCK = 8
"""Side of a block in pixels: smaller than what moves, large enough for a variance."""
BIN_BLOCKS = 60
"""Blocks that make a bin of grey levels: their median is good to some per cent."""
SMOOTH = 1.5
"""Standard deviation of the filter that takes noise off levels, px."""
DARKEST = 1e-3
"""Share of the smoothed levels that are darker than the darkest that counts."""
BELOW = 3.09
"""Standard deviations that these are below the middle."""
WITH_DETAIL = 4.0
"""What the scene spreads, with detail that was smoothed away, in its deviations."""
DARK = 0.05
"""Share of the places whose noise is that of the darkest."""
CUT = 0.05
"""Share of pixels at the floor of the grey scale above which a block counts as cut."""


@dataclass(frozen=True)
class Places:
    """Statistics of small places: what a noise model is fitted to.

    Arrays are of any shape, that of :class:`Blocks` or ``(places,)``.

    Attributes
    ----------
    level
        Mean grey level.
    reference
        Mean grey level in other frames of the movie: the same but for its noise. Blocks
        that are chosen by it are not chosen for their noise, which goes with the level
        where light is counted. Movies of less than five frames have no others; there
        it is the level.
    variance
        Variance of the difference: noise, and what moved.
    fine
        Variance of its finest spatial detail, scaled so that white noise keeps its
        variance. Images are smooth at that scale, so motion adds little; noise
        correlated between neighbours loses a share that is the same everywhere.
    texture
        Mean squared gradient of the smoothed frames of `reference`: where it is small,
        motion cannot change much.
    usable
        Blocks of pixels that were measured, without saturated ones (all, where no block
        is without).
    floored
        Share of the pixels at the floor of the grey scale.
    darkest
        Darkest level of the movie without its noise.
    """

    level: Floats
    reference: Floats
    texture: Floats
    variance: Floats
    fine: Floats
    usable: npt.NDArray[np.bool_]
    floored: Floats
    darkest: float

    @property
    def cut(self) -> npt.NDArray[np.bool_]:
        """Places where the lower part of the noise was cut off."""
        return np.asarray(self.floored > CUT)


@dataclass(frozen=True)
class Blocks(Places):
    """Statistics per window and block, arrays of shape ``(W, rows, columns)``.

    Attributes
    ----------
    differences
        Temporal difference of each window, ``(W, 8 rows, 8 columns)``, scaled so that
        noise which is white in time keeps its variance.
    structure
        `texture` of the frames of the window themselves. Under white noise the mean of
        a window and its difference are uncorrelated, so choosing blocks by it favours
        no noise.
    step_product, step_energy
        Mean product and mean square of the fine detail of the two successive frame
        differences of a window; NaN where the window has two frames only.
    """

    differences: Floats
    structure: Floats
    step_product: Floats
    step_energy: Floats


def measure_blocks(sample: Sample) -> Blocks:
    """Measure every block of every window."""
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for k, window in enumerate(sample.windows):
        around = sample.around[k] if sample.around else None
        known = sample.measured[k]
        for name, values in _measure(window, around, known, sample).items():
            columns.setdefault(name, []).append(values)
    measured = np.stack(columns.pop("measured"))
    usable = measured & ~np.stack(columns.pop("saturated"))
    if not usable.any():
        usable = measured if measured.any() else np.ones_like(usable)
    darkest = darkest_level(columns.pop("smooth"))
    tables = {name: np.stack(values) for name, values in columns.items()}
    return Blocks(**tables, usable=usable, darkest=darkest)


def bins_by_level(blocks: Places) -> list[npt.NDArray[np.intp]]:
    """Flat indices of usable blocks of similar reference level, dark to bright.

    Twenty equal parts, the brightest of them finer and finer, so that a few bright
    blocks do not vanish among many dark ones.
    """
    usable = np.flatnonzero(blocks.usable)
    order = usable[np.argsort(blocks.reference.flat[usable], kind="stable")]
    n = len(order)
    least = min(BIN_BLOCKS, max(4, n // 8))
    tail = 1.0 - 0.05 * 0.5 ** np.arange(1, 12)
    edges = np.round(n * np.concatenate([np.linspace(0.0, 0.95, 20), tail])).astype(int)
    bins, start = [], 0
    for edge in edges[1:]:
        if edge - start >= least and n - edge >= least:
            bins.append(order[start:edge])
            start = edge
    return [*bins, order[start:]]


def _measure(
    window: Floats,
    around: Floats | None,
    measured: npt.NDArray[np.bool_],
    sample: Sample,
) -> dict[str, npt.NDArray[Any]]:
    difference = temporal_difference(window)
    difference -= np.median(difference[measured] if measured.any() else difference)
    mean = window.mean(axis=0)
    smooth_frames = [_smooth(frame) for frame in window]
    smooth = np.mean(smooth_frames, axis=0)
    level, structure = _block_mean(_inner(mean)), _structure(smooth)
    if around is None:
        reference, texture = level, structure
    else:
        reference = _block_mean(_inner(around))
        texture = _structure(_smooth(around))
    seen = measured if measured.any() else np.ones_like(measured)
    seen = seen[::2, ::2]
    steps = [_finest_detail(step) for step in np.diff(window, axis=0)]
    if len(steps) == 2:
        product = _block_mean(steps[0] * steps[1])
        energy = _block_mean(0.5 * (steps[0] ** 2 + steps[1] ** 2))
    else:
        energy = _block_mean(steps[0] ** 2)
        product = np.full_like(energy, np.nan)
    saturated = (window >= sample.saturation).max(axis=0).astype(np.float32)
    floored = (window <= sample.floor).mean(axis=0, dtype=np.float32)
    inner = _whole_blocks(_inner(difference))
    return {
        "differences": inner,
        "level": level,
        "reference": reference,
        "texture": texture,
        "variance": _block_mean(inner**2),
        "fine": _block_mean(_finest_detail(difference) ** 2),
        "structure": structure,
        "step_product": product,
        "step_energy": energy,
        "measured": _block_mean(_inner(measured.astype(np.float32))) == 1,
        "saturated": _block_mean(_inner(saturated)) > 0,
        "floored": _block_mean(_inner(floored)),
        "smooth": np.stack([frame[::2, ::2][seen] for frame in smooth_frames]),
    }


def darkest_level(windows: list[Floats]) -> float:
    """Darkest level of the scene, where noise makes some places darker still.

    Scene and noise spread the levels, ``k sqrt(scene**2 + noise**2 / n)`` below their
    middle for the mean of n frames. The noise is that of frame differences in dark
    places; what the darkest places gain from averaging tells how much of the rest is
    the scene. Where there is but noise, they would gain most.

    Parameters
    ----------
    windows
        ``(n, places)`` smoothed levels of the frames of each window.
    """
    n = max(len(frames) for frames in windows)
    frames = np.concatenate([w for w in windows if len(w) == n], axis=1)
    mean = frames.mean(axis=0)
    one = float(np.mean([np.quantile(frame, DARKEST) for frame in frames]))
    many = float(np.quantile(mean, DARKEST))
    if n < 2:  # nothing tells noise from scene
        return many
    dark = frames[:, mean <= np.quantile(mean, DARK)]
    noise = float(dark.var(axis=0, ddof=1, dtype=np.float64).mean())
    gained = (many - one) / BELOW
    if gained <= 0 or noise <= 0:
        return many
    single = (noise * (1 - 1 / n) / gained + gained) / 2
    scene = max(single**2 - noise, 0.0) ** 0.5
    lifted = BELOW * (single - gained) - WITH_DETAIL * scene
    most = BELOW * (noise / n) ** 0.5
    return float(many + min(max(lifted, 0.0), most))


def _smooth(image: Floats) -> Floats:
    return np.asarray(ndimage.gaussian_filter(image, SMOOTH))


def temporal_difference(window: Floats) -> Floats:
    """Second (or first) difference in time with the variance of one frame's noise."""
    if len(window) == 3:
        second = 2.0 * window[1] - window[0] - window[2]
        return np.asarray(second / np.float32(np.sqrt(6.0)))
    return np.asarray((window[1] - window[0]) / np.float32(np.sqrt(2.0)))


def _finest_detail(image: Floats) -> Floats:
    """Second difference along rows and columns, one pixel less on each side.

    The operator of Immerkær (1996), "Fast noise variance estimation", scaled so that
    white noise keeps its variance.
    """
    down = image[:-2] - 2.0 * image[1:-1] + image[2:]
    both = down[:, :-2] - 2.0 * down[:, 1:-1] + down[:, 2:]
    return np.asarray(both / np.float32(6.0))


def _structure(smooth: Floats) -> Floats:
    """Mean squared gradient of blocks."""
    slope_y, slope_x = np.gradient(smooth)
    return _block_mean(_inner(np.asarray(slope_y**2 + slope_x**2)))


def _inner(image: Floats) -> Floats:
    return image[1:-1, 1:-1]


def _whole_blocks(image: Floats) -> Floats:
    height, width = image.shape
    return image[: height // BLOCK * BLOCK, : width // BLOCK * BLOCK]


def _block_mean(image: Floats) -> Floats:
    image = _whole_blocks(image)
    height, width = image.shape
    lines = image.reshape(height // BLOCK, BLOCK, width).mean(axis=1)
    blocks = lines.reshape(height // BLOCK, width // BLOCK, BLOCK)
    return np.asarray(blocks.mean(axis=2))
