"""Tables for people to read, on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from napari_udvd.cli.messages import as_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.noise import Diagnosis
    from napari_udvd.scanning import Comparison

__all__ = ["diagnosis_table", "pattern_lines"]

VERDICTS = {
    "ok": "the noise can be removed",
    "warn": "the noise can be removed, with care",
    "unsuitable": "do not trust a result",
}


def diagnosis_table(
    title: str, diagnoses: Sequence[Diagnosis], notes: Sequence[str] = ()
) -> None:
    """Print the diagnosis of each channel, and around it what it means.

    Parameters
    ----------
    title
        The movie.
    diagnoses
        One per channel.
    notes
        What else there is to know of the file.
    """
    console = Console(highlight=False)
    table = Table(title=Text(title), title_justify="left")
    table.add_column("")
    for c in range(len(diagnoses)):
        table.add_column(
            "value" if len(diagnoses) == 1 else f"channel {c}", justify="right"
        )
    first = diagnoses[0]
    console.print(f"axes {first.axes}, shape {first.shape}", markup=False)
    for note in notes:
        console.print(f"  note: {as_options(note)}", markup=False, soft_wrap=True)
    rows: dict[str, list[str]] = {
        "gain": [f"{d.noise.gain:.4g}" for d in diagnoses],
        "offset": [f"{d.noise.offset:.4g}" for d in diagnoses],
        "read noise": [f"{d.noise.read_noise:.4g}" for d in diagnoses],
        "correlation in x": [f"{d.correlation_x:+.2f}" for d in diagnoses],
        "correlation in y": [f"{d.correlation_y:+.2f}" for d in diagnoses],
        "whiteness in time": [f"{d.whiteness_t:.2f}" for d in diagnoses],
        "hole (rows x columns)": [f"{d.hole[0]} x {d.hole[1]}" for d in diagnoses],
        "verdict": [str(d.verdict) for d in diagnoses],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    console.print(table)
    for c, diagnosis in enumerate(diagnoses):
        label = "" if len(diagnoses) == 1 else f"channel {c}: "
        console.print(f"{label}{VERDICTS[diagnosis.verdict]}", markup=False)
        for reason in diagnosis.reasons:
            kind = "warning" if reason in diagnosis.broken else "note"
            console.print(f"  {kind}: {reason}", markup=False, soft_wrap=True)


def pattern_lines(comparison: Comparison) -> list[str]:
    """Lines of a table of patterns for sparse scans, and below it what to take.

    The table is one of Markdown, as well, to be pasted into notes.
    """
    head = ("pattern", "share", "frame", "+-1 frame", "+-2 frames", "jumps", "sweeps")
    rows: list[tuple[str, ...]] = [head]
    for one in comparison.patterns:
        cost = one.cost
        swept = "" if cost.sweeping is None else f"{cost.sweeping / cost.full:.0%}"
        rows.append(
            (
                one.mask.pattern.name,
                f"{one.mask.share:.1%}",
                *(" / ".join(f"{d:.2f}" for d in even) for even in one.evenness),
                f"{cost.jumping / cost.full:.0%}",
                swept,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_barred(row, widths) for row in rows]
    lines.insert(1, _barred(["-" * width for width in widths], widths))
    frames, height, width = comparison.patterns[0].mask.shape
    return [
        f"{frames} frames of {height} x {width}. Pixels from any pixel to the nearest "
        "visited one, mean / 95 % / all within,",
        "of the frame itself and with its neighbours; time of a beam that jumps, and "
        "that sweeps rows, of the full scan's.",
        *lines,
        *(f"{name}: {as_options(why)}" for name, why in comparison.refused.items()),
        comparison.advice,
    ]


def _barred(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    return "| " + " | ".join(cell.ljust(width) for cell, width in pairs) + " |"
