"""Tables of qualities: what each method reached on each movie, and its goals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import table
from benchmarks.peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "BM4D",
    "GAUSSIAN",
    "GOALS",
    "ND_SAFIR",
    "Goal",
    "Score",
    "Scores",
    "draw_curves",
    "gaps",
    "ours",
    "reasons",
    "score_table",
    "verdict",
]

GAUSSIAN = "Gaussian"
BM4D = "BM4D"
ND_SAFIR = "ND-SAFIR"


@dataclass(frozen=True)
class Score:
    """How good a result is and what it took.

    Attributes
    ----------
    psnr
        In dB.
    ssim
        At most 1.
    seconds
        Wall-clock.
    frames_per_second
        Of all that was done.
    peak
        Memory, in MB.
    reason
        Why there is no result; empty if there is one. What there is not, is NaN.
    """

    psnr: float
    ssim: float
    seconds: float
    frames_per_second: float = math.nan
    peak: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Goal:
    """What a column should reach, compared with another.

    Attributes
    ----------
    column, other
        Which is compared with which.
    mean, each
        How many dB it should be above the other: on average over the movies, and on
        every movie; None if that does not matter.
    """

    column: str
    other: str
    mean: float | None
    each: float | None


Scores = dict[str, dict[str, Score]]
"""By movie, then by column."""


def ours(seconds: float) -> str:
    """Name the column of a budget."""
    return f"ours, {seconds:g} s"


GOALS = (
    Goal(ours(3), GAUSSIAN, None, 0.0),
    Goal(ours(10), BM4D, 0.0, None),
    Goal(ours(60), BM4D, 0.5, 0.5),
    Goal(ours(60), ND_SAFIR, None, 0.0),
    *(Goal(ours(60), peer.name, None, 0.0) for peer in PEERS.values()),
    Goal(ours(300), BM4D, 1.0, 0.0),
    Goal(ours(300), ours(60), None, 0.0),
)


def score_table(scores: Scores, field: str, digits: int) -> str:
    """Return one table: a row for each movie and one for their average."""
    columns = list(next(iter(scores.values())))
    values = {
        name: [float(getattr(row[column], field)) for column in columns]
        for name, row in scores.items()
    }
    # a method is averaged over all movies or not at all: they are not alike
    values["average"] = [float(v) for v in np.mean(list(values.values()), axis=0)]
    rows = [
        (name, *("none" if math.isnan(v) else f"{v:.{digits}f}" for v in row))
        for name, row in values.items()
    ]
    return table(("", *columns), rows)


def reasons(scores: Scores) -> list[str]:
    """Say why there is no result, one line for each that is missing."""
    return [
        f"- {column} on {name}: {one.reason}"
        for name, row in scores.items()
        for column, one in row.items()
        if one.reason
    ]


def gaps(scores: Scores, ours_at: str) -> str:
    """Return a table of how many dB ours is above each other method.

    What misses its goal is bold; methods without a goal should be below ours, too.
    """
    asked = {g.other: g.each for g in GOALS if g.column == ours_at}
    others = [
        column
        for column in next(iter(scores.values()))
        if column != "noisy" and not column.startswith("ours")
    ]
    rows = []
    for name, row in scores.items():
        cells = []
        for other in others:
            gain = row[ours_at].psnr - row[other].psnr
            goal = asked.get(other) or 0.0
            said = "none" if math.isnan(gain) else f"{gain:+.2f}"
            cells.append(f"**{said}**" if gain < goal else said)
        rows.append((name, *cells))
    return table(("", *others), rows)


def verdict(goal: Goal, scores: Scores) -> str:
    """Say in one line whether a goal is reached and what it is missed by."""
    name = f"{goal.column}, against {goal.other}"
    if any(not {goal.column, goal.other} <= row.keys() for row in scores.values()):
        return f"- {name}: not measured"
    gains = {
        movie: row[goal.column].psnr - row[goal.other].psnr
        for movie, row in scores.items()
    }
    if none := [movie for movie, gain in gains.items() if math.isnan(gain)]:
        return f"- {name}: no result on {', '.join(none)}"
    said = []
    if goal.mean is not None:
        mean = float(np.mean(list(gains.values())))
        said.append(f"on average {_compared(mean, goal.mean)}")
    if goal.each is not None:
        worst = min(gains, key=gains.__getitem__)
        said.append(f"at worst ({worst}) {_compared(gains[worst], goal.each)}")
    took = max(row[goal.column].seconds for row in scores.values())
    return f"- {name}: {'; '.join(said)}; in at most {took:.1f} s"


def _compared(gain: float, goal: float) -> str:
    reached = "reached" if gain >= goal else f"**missed by {goal - gain:.2f} dB**"
    return f"{gain:+.2f} dB, goal {goal:+.1f} dB: {reached}"


def draw_curves(scores: Scores, budgets: Sequence[float], path: Path) -> None:
    """Draw PSNR against wall-clock, a line for each movie, BM4D dashed."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    for name, row in scores.items():
        curve = [row[ours(seconds)] for seconds in sorted(budgets)]
        (line,) = axes.plot(
            [score.seconds for score in curve],
            [score.psnr for score in curve],
            marker="o",
            label=name,
        )
        if BM4D in row:
            axes.axhline(row[BM4D].psnr, color=line.get_color(), linestyle="--")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("wall-clock, s")
    axes.set_ylabel("PSNR, dB")
    is_beside = any(BM4D in row for row in scores.values())
    other = " (lines) and BM4D, told the noise (dashed)" if is_beside else ""
    axes.set_title(f"ours{other}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=100)
