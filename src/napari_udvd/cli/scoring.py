"""The command that compares two tables of spans."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from napari_udvd.spans import Scores

__all__ = ["score_events"]

Table = "region, label, start and stop in frames, or start_s and stop_s, .csv"


def score_events(
    truth: Annotated[Path, typer.Argument(help=f"what is right: {Table}")],
    found: Annotated[Path, typer.Argument(help="what was found, a table like it")],
    within: Annotated[
        int, typer.Option(help="frames by which a start may be off", min=0)
    ] = 1,
    interval: Annotated[
        float | None,
        typer.Option(help="seconds between frames, for tables in seconds only"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object")
    ] = False,
) -> None:
    """Compare a table of events with the right one."""
    from napari_udvd.spans import read_spans, score

    scores = score(
        read_spans(truth, interval=interval),
        read_spans(found, interval=interval),
        within=within,
    )
    if as_json:
        print(json.dumps(scores.to_dict()))
        return
    for line in _lines(scores):
        print(line)


def _lines(scores: Scores) -> list[str]:
    edits, off = scores.edits, "frame" if scores.within == 1 else "frames"
    regions = "region" if scores.regions == 1 else "regions"
    rate = f"{edits.error_rate:.3f}" if math.isfinite(edits.error_rate) else "-"
    return [
        f"{scores.regions} {regions}: {edits.truth} spans in the truth, {edits.found} "
        "found",
        f"edit score {edits.edit_score:.1f}, action error rate {rate}: "
        f"{edits.missed} missed, {edits.extra} extra, {edits.wrong} wrong",
        "",
        f"starts within {scores.within} {off}",
        *_starts(scores),
        "",
        f"frames: rows are the truth, {scores.confusion.agreement:.1%} agree",
        *_frames(scores),
        *(f"note: {note}" for note in scores.notes),
    ]


def _starts(scores: Scores) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("label", "truth", "found", "precision", "recall", "F1")
    ]
    every = {**scores.starts, "all": scores.all_starts}
    for label, starts in every.items():
        shares = (starts.precision, starts.recall, starts.f1)
        counts = (str(starts.truth), str(starts.found))
        rows.append((label, *counts, *(f"{share:.3f}" for share in shares)))
    return _columns(rows)


def _frames(scores: Scores) -> list[str]:
    names = [label or "no label" for label in scores.confusion.labels]
    counts = zip(names, scores.confusion.counts, strict=True)
    rows = [("", *names), *((name, *map(str, row)) for name, row in counts)]
    return _columns(rows)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(n) for cell, n in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
