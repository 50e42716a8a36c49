"""Regions of interest: what the result did to what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from napari_udvd.quality._copies import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._copies import Correlations

__all__ = ["Region", "TraceSums", "Traces", "judge_regions"]

Doubles = npt.NDArray[np.float64]

BASELINE = 31
"""Frames of the running median that events are above."""

EVENT = 3.0
"""Standard deviations of the noisy trace that an event is high, at least."""


class Traces(NamedTuple):
    """Mean grey level in each frame ``(T,)`` in which something was measured.

    Attributes
    ----------
    noisy
        Of the noisy movie. Where not all pixels of the region were measured, the mean
        of the result plus the mean distance of those that were from their result: the
        mean of those alone would tell which they were.
    result
        Of the result.
    pixels
        How many were measured in each frame; all if None.
    """

    noisy: Doubles
    result: Doubles
    pixels: Doubles | None = None


class TraceSums:
    """Collects the traces of regions, frame by frame.

    Parameters
    ----------
    masks
        Pixels ``(Y, X)`` of each region.
    """

    def __init__(self, masks: Mapping[str, npt.NDArray[np.bool_]]) -> None:
        self._masks = masks
        self._rows: dict[str, list[tuple[float, float, int]]] = {n: [] for n in masks}

    def add(
        self,
        noisy: npt.NDArray[np.generic],
        result: npt.NDArray[np.generic],
        measured: npt.NDArray[np.bool_],
    ) -> None:
        """Take a frame ``(Y, X)``; nothing of regions of which nothing was measured."""
        for name, mask in self._masks.items():
            seen = mask & measured
            if not (count := int(seen.sum())):
                continue
            before = float(noisy[seen].mean(dtype=float))
            after = float(result[seen].mean(dtype=float))
            whole = after
            if count < mask.sum():
                inside = result[mask]
                whole = float(inside[np.isfinite(inside)].mean(dtype=float))
                before += whole - after
            self._rows[name].append((before, whole, count))

    def traces(self) -> dict[str, Traces]:
        """Return those of regions that were measured at all."""
        return {
            name: Traces(*np.array(rows, np.float64).T)
            for name, rows in self._rows.items()
            if rows
        }


@dataclass(frozen=True)
class Region:
    """What is known of one region.

    Attributes
    ----------
    name
        Of the region.
    pixels
        How many it has.
    bias
        Mean of result minus noisy movie over all frames, grey levels.
    bias_error
        Its standard error, by the noise model.
    noise_before, noise_after
        Noise of the trace from frame to frame, grey levels, robust against what
        happens in it (median of second differences).
    events_before, events_after
        Events: runs of frames that are above the running median by 3 times the noise of
        the noisy trace, as it is measured or as the noise model tells, whichever is
        more. The same height counts for both.
    events_kept
        Those of the noisy trace that are in the other at the same time, at half of the
        height: noise has lifted those that are just above.
    noisy, result
        The traces.
    """

    name: str
    pixels: int
    bias: float
    bias_error: float
    noise_before: float
    noise_after: float
    events_before: int
    events_after: int
    events_kept: int
    noisy: tuple[float, ...]
    result: tuple[float, ...]


def judge_regions(
    masks: Mapping[str, npt.NDArray[np.bool_]],
    traces: Mapping[str, Traces],
    variance: Callable[[str, Doubles], Doubles],
) -> list[Region]:
    """Compare the traces of all regions.

    Parameters
    ----------
    masks
        Pixels ``(Y, X)`` of each region.
    traces
        Of each region; those without are left out.
    variance
        Variance of the noise of the mean of a region, from its name and the trace of
        the result.
    """
    return [
        _judged(name, int(mask.sum()), one, variance(name, one.result))
        for name, mask in masks.items()
        if (one := traces.get(name)) is not None
    ]


def variance_of_mean(
    pixels: int | Doubles, level: Doubles, noise: NoiseModel, correlations: Correlations
) -> Doubles:
    """Variance of the noise of the mean of so many pixels beside one another."""
    # noise that neighbours share averages less
    shared = float(kernel_of(correlations).sum() ** 2)
    return np.asarray(noise.variance(level) * shared / pixels)


def _judged(name: str, pixels: int, traces: Traces, variance: Doubles) -> Region:
    noisy, result, _ = traces
    before, after = _noise(noisy), _noise(result)
    if not np.isfinite(before) or before == 0:
        before = float(np.sqrt(variance.mean()))
    # short traces tell little of their own noise
    height = EVENT * max(before, float(np.sqrt(variance.mean())))
    found, left = (_events(trace, height) for trace in (noisy, result))
    # half of it: noise has lifted those that are just above
    low = _events(result, height / 2)
    kept = sum(any(a < d + 1 and c < b + 1 for c, d in low) for a, b in found)
    return Region(
        name=name,
        pixels=pixels,
        bias=float((result - noisy).mean()),
        bias_error=float(np.sqrt(variance.sum()) / len(variance)),
        noise_before=before,
        noise_after=after,
        events_before=len(found),
        events_after=len(left),
        events_kept=kept,
        noisy=tuple(float(v) for v in noisy),
        result=tuple(float(v) for v in result),
    )


def _noise(trace: Doubles) -> float:
    """Noise from frame to frame; NaN for fewer than three frames."""
    if len(trace) < 3:
        return float("nan")
    second = (2 * trace[1:-1] - trace[:-2] - trace[2:]) / np.sqrt(6)
    return 1.4826 * float(np.median(np.abs(second - np.median(second))))


def _events(trace: Doubles, height: float) -> list[tuple[int, int]]:
    """Find runs ``(start, stop)`` of frames above the running median."""
    base = median_filter(trace, min(BASELINE, len(trace)), mode="nearest")
    above = np.concatenate([[False], trace - base > height, [False]])
    edges = np.flatnonzero(np.diff(above.astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
