"""Which labels are taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.spans._frames import labels_per_frame
from napari_udvd.spans._span import by_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.spans._span import Span

__all__ = ["Confusion", "confusion"]


@dataclass(frozen=True)
class Confusion:
    """Frames by what they are and by what was found.

    Attributes
    ----------
    labels
        Of both tables, sorted; last ``None``, for frames without a label.
    counts
        Frames: a row for each label of the truth, a column for each that was found.
    """

    labels: tuple[str | None, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def agreement(self) -> float:
        """Share of the frames labelled in the truth that have that label in both."""
        known = [(row[k], sum(row)) for k, row in enumerate(self.counts[:-1])]
        total = sum(frames for _, frames in known)
        return sum(same for same, _ in known) / total if total else 1.0


def confusion(
    truth: Sequence[Span], found: Sequence[Span], n_frames: int | None = None
) -> Confusion:
    """Count frames by what they are and by what was found.

    Parameters
    ----------
    truth, found
        Spans; frames of every region that one of them names are counted.
    n_frames
        Of the movie; if None, up to the last span of any.

    Raises
    ------
    InputError
        If spans of a table overlap in a region, or reach beyond the movie.
    """
    names = sorted({span.label for span in (*truth, *found)})
    labels: tuple[str | None, ...] = (*names, None)
    place = {label: k for k, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    if n_frames is None:
        n_frames = max((span.stop for span in (*truth, *found)), default=0)
    rights, others = by_region(truth), by_region(found)
    for region in rights.keys() | others.keys():
        right = labels_per_frame(rights.get(region, ()), n_frames)
        other = labels_per_frame(others.get(region, ()), n_frames)
        for one, two in zip(right, other, strict=True):
            counts[place[one]][place[two]] += 1
    return Confusion(labels, tuple(map(tuple, counts)))
