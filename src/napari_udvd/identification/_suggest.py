"""Which frames a person should label next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_udvd.identification._grammar import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_udvd.identification._examples import Ints

__all__ = ["Suggestion", "most_doubtful"]


class Suggestion(NamedTuple):
    """Frames that are worth a label.

    Attributes
    ----------
    region
        Its name.
    start, stop
        First frame, and the one after the last.
    entropy
        Mean entropy of the label in these frames, in bits.
    """

    region: str
    start: int
    stop: int
    entropy: float


def most_doubtful(
    probabilities: Mapping[str, npt.NDArray[np.float64]],
    labelled: Mapping[str, Ints],
    frames: int,
) -> Suggestion | None:
    """Return the unlabelled window with the largest sum of entropy.

    Parameters
    ----------
    probabilities
        ``(T, K)`` of each region.
    labelled
        Labels ``(T,)`` of those regions that have some.
    frames
        Length of the window; it is shorter only where no gap is as long.
    """
    best, most = None, (0, -1.0)
    for region, table in probabilities.items():
        doubt = -(table * np.log2(np.maximum(table, 1e-12))).sum(1)
        free = np.ones(len(doubt), dtype=np.bool_)
        if region in labelled:
            free = labelled[region] == UNLABELLED
        total = np.concatenate([[0.0], np.cumsum(doubt)])
        for start, stop in _gaps(free):
            length = min(frames, stop - start)
            sums = total[start + length : stop + 1] - total[start : stop + 1 - length]
            at = int(sums.argmax())
            if (length, float(sums[at])) > most:
                most = (length, float(sums[at]))
                first = start + at
                mean = max(float(sums[at]), 0.0) / length
                best = Suggestion(region, first, first + length, mean)
    return best


def _gaps(free: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
