"""Spans as one label for each frame, and back."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.spans._span import Span, check_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["labels_per_frame", "spans_of_frames"]


def labels_per_frame(spans: Iterable[Span], n_frames: int) -> list[str | None]:
    """Label of every frame of one region.

    Parameters
    ----------
    spans
        Of one region.
    n_frames
        Of the movie.

    Returns
    -------
    list
        None where a frame has no label.

    Raises
    ------
    InputError
        If they are of several regions, overlap or reach beyond the movie.
    """
    spans = list(spans)
    if len(names := {span.region for span in spans}) > 1:
        raise InputError(
            f"the spans are of {len(names)} regions, {', '.join(sorted(names)[:5])}; "
            "frames have labels in one region at a time"
        )
    check_spans(spans, n_frames=n_frames)
    labels: list[str | None] = [None] * n_frames
    for span in spans:
        labels[span.start : span.stop] = [span.label] * len(span)
    return labels


def spans_of_frames(
    region: str,
    labels: Sequence[str | None],
    confidences: Sequence[float] | None = None,
) -> list[Span]:
    """Spans of one region: runs of frames with the same label.

    Parameters
    ----------
    region
        Its name.
    labels
        Of every frame; None where there is none.
    confidences
        Of every frame, from 0 to 1. A span has the mean of its frames; 1 if None.

    Raises
    ------
    InputError
        If there are more or fewer confidences than labels.
    """
    if confidences is not None and len(confidences) != len(labels):
        raise InputError(
            f"there are {len(confidences)} confidences for {len(labels)} frames; "
            "one is needed for each"
        )
    found, start = [], 0
    for label, run in groupby(labels):
        stop = start + len(list(run))
        if label is not None:
            sure = 1.0
            if confidences is not None:
                sure = float(sum(confidences[start:stop])) / (stop - start)
            found.append(Span(region, start, stop, label, min(max(sure, 0.0), 1.0)))
        start = stop
    return found
