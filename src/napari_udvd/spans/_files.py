"""Tables of spans, as files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.small_files import cell, read_table, table, write_small
from napari_udvd.spans._span import Span

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from napari_udvd.small_files import Row

__all__ = ["read_spans", "write_spans"]


def read_spans(
    path: str | os.PathLike[str], *, interval: float | None = None
) -> list[Span]:
    """Read a table of spans.

    Parameters
    ----------
    path
        Table with the columns ``region`` and ``label``, and ``start`` and ``stop`` in
        frames, counted from 0, stop being the frame after the last one; or ``start_s``
        and ``stop_s`` in seconds. ``confidence`` may be there; others are left alone.
        Columns may stand in any order and be written like ``Start (s)``; how a
        spreadsheet parts and encodes the cells does not matter, see
        :func:`~napari_udvd.small_files.read_table`. Where there are frames, seconds are
        not looked at.
    interval
        Seconds between frames, for spans that have only seconds: they begin and end
        with the nearest frame.

    Returns
    -------
    list of Span
        In the order of the file. Not checked against each other or a movie: see
        :func:`check_spans`.

    Raises
    ------
    InputError
        If the file is missing or no such table, a row is no span, or it has only
        seconds and no interval was given.
    """
    _check_interval(interval)
    found = read_table(path)
    found.need("region", "label")
    for end in ("start", "stop"):
        if f"{end}_s" not in found.columns:
            found.need(end)
    spans = []
    for row in found.rows:
        start, stop = (_frame(row, end, interval) for end in ("start", "stop"))
        confidence = row.number("confidence")
        region, label = row.text("region"), row.text("label")
        try:
            spans.append(
                Span(
                    region,
                    start,
                    stop,
                    label,
                    1.0 if confidence is None else confidence,
                )
            )
        except InputError as error:
            raise InputError(f"{row.where}: {error}") from error
    return spans


def _frame(row: Row, end: str, interval: float | None) -> int:
    """Frame at which a span starts or stops."""
    frame = row.whole(end)
    if frame is not None:
        return frame
    seconds = row.number(f"{end}_s")
    if seconds is None:
        raise InputError(f"{row.where} has no {end}, neither in frames nor in seconds")
    if interval is None:
        raise InputError(
            f"{row.where} has its {end} in seconds only ({seconds:g}), and how many "
            "seconds lie between two frames is not known; give the `interval`"
        )
    return round(seconds / interval)


def write_spans(
    path: str | os.PathLike[str],
    spans: Iterable[Span],
    *,
    interval: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write a table of spans (CSV), as :func:`read_spans` reads it.

    Parameters
    ----------
    path
        File to write.
    spans
        In the order of the rows.
    interval
        Seconds between frames: then there are columns in seconds as well.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    InputError
        If the interval is not positive.
    OutputError
        If the file cannot be written, or exists.
    """
    _check_interval(interval)
    seconds = () if interval is None else ("start_s", "stop_s")
    rows = []
    for span in spans:
        ends = span.start, span.stop
        times = [] if interval is None else [f"{end * interval:.10g}" for end in ends]
        sure = cell(float(span.confidence))
        rows.append([span.region, span.label, *ends, *times, sure])
    head = ("region", "label", "start", "stop", *seconds, "confidence")
    write_small(Path(path), table(head, rows), overwrite=overwrite)


def _check_interval(interval: float | None) -> None:
    if interval is not None and not (interval > 0 and math.isfinite(interval)):
        raise InputError(
            f"interval is {interval:g}; expected a positive number of seconds"
        )
