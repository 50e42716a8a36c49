"""How close each method comes to the truth, and how long it takes.

Every movie has a known truth. Ours is trained on the noisy movie alone and told
nothing of its noise; each budget is a run of its own, as a user would start it. The
filters beside it have strengths chosen with the truth, and BM4D is told the noise, as
no user could do. CAREamics' Noise2Void is run by an interpreter of its own, since its
packages do not go with ours: name one with --careamics.

PSNR is 10 log10(peak^2 / mean squared error) over all pixels of all frames. SSIM is
the mean of the frames' structural similarities (Wang et al. 2004, as in scikit-image).
For both, the peak is the 99.9th minus the 0.1th percentile of the truth. Wall-clock is
everything between the noisy movie and the denoised one; for ours that is diagnosis,
training and denoising; for a filter also the search for its strength.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from skimage.metrics import structural_similarity

import napari_udvd as nu
from benchmarks import baselines
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, Frames, KnownMovie
from napari_udvd import metrics
from napari_udvd.inference.request import Request
from napari_udvd.training import Failed, Finished, TrainingSettings, train_events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUDGETS = 3.0, 10.0, 60.0, 300.0
"""Seconds, in the table."""

CURVE_BUDGETS = 3.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0
"""Seconds, for learning curves."""

NOISE2VOID_SECONDS = 300.0
"""What its training gets: as much as ours at most."""

FOLLOWS = Request(events=None, refine=None, dtype=np.float32)
"""How a movie is denoised after a training, as by ``napari-udvd denoise``."""

GAUSSIAN = "Gaussian"
BM4D = "BM4D"


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
    """

    psnr: float
    ssim: float
    seconds: float


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
    Goal(ours(60), BM4D, 0.5, -0.3),
    Goal(ours(300), BM4D, 1.0, 0.0),
    Goal(ours(300), ours(60), None, 0.0),
)


def peak(truth: Frames) -> float:
    """Range of the truth without its extremes."""
    low, high = np.percentile(truth, (0.1, 99.9))
    return float(high - low)


def psnr(truth: Frames, estimate: Frames) -> float:
    """PSNR in dB, see above."""
    return metrics.psnr(truth, estimate, peak=peak(truth))


def ssim(truth: Frames, estimate: Frames) -> float:
    """Structural similarity, see above."""
    scale = peak(truth)
    of_frames = [
        structural_similarity(a, b, data_range=scale)  # type: ignore[no-untyped-call]
        for a, b in zip(truth, estimate, strict=True)
    ]
    return float(np.mean(of_frames))


def measure(movie: KnownMovie, denoise: Callable[[KnownMovie], Frames]) -> Score:
    """Denoise a movie and compare with the truth."""
    began = time.perf_counter()
    found = denoise(movie)
    took = time.perf_counter() - began
    return Score(psnr(movie.truth, found), ssim(movie.truth, found), took)


def train_and_denoise(
    movie: KnownMovie, seconds: float, model: str, seed: int
) -> Frames:
    """Train on the noisy movie alone, as ``napari-udvd denoise`` does it."""
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    settings = TrainingSettings.model_validate(
        {"model": model, "minutes": seconds / 60, "seed": seed}
    )
    for event in train_events([stack], settings, follows=FOLLOWS):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            return event.denoiser.denoise(stack, dtype=np.float32)
    raise RuntimeError("the training ended without a result")


def methods(options: argparse.Namespace) -> dict[str, Callable[[KnownMovie], Frames]]:
    """Return every column of the table that was asked for and can be had."""
    found: dict[str, Callable[[KnownMovie], Frames]] = {"noisy": lambda m: m.noisy}
    if options.baselines:
        found["median"] = lambda m: baselines.best_median(m.truth, m.noisy)
        found[GAUSSIAN] = lambda m: baselines.best_gaussian(m.truth, m.noisy)
        found["TV"] = lambda m: baselines.best_total_variation(m.truth, m.noisy)
        if find_spec("bm4d"):
            found[BM4D] = lambda m: baselines.bm4d(
                m.noisy, m.gain, m.offset, m.read_noise, options.threads
            )
        else:
            progress("BM4D is left out: install the extra 'benchmark'")
    if options.careamics:
        found["Noise2Void"] = lambda m: baselines.noise2void(
            m.noisy, options.careamics, NOISE2VOID_SECONDS, options.threads
        )
    for seconds in options.seconds:
        found[ours(seconds)] = partial(
            train_and_denoise, seconds=seconds, model=options.model, seed=options.seed
        )
    return found


def known_movies(named: Sequence[str] | None, data: Path) -> dict[str, KnownMovie]:
    """Return the movies; a missing one ends the program only if it was named."""
    found = {}
    for name in named or MOVIES:
        try:
            found[name] = MOVIES[name](data)
        except SystemExit as missing:
            if named:
                raise
            progress(f"{name} is left out: {missing}")
    return found


def score_table(scores: Scores, field: str, digits: int) -> str:
    """Return one table: a row for each movie and one for their average."""
    columns = list(next(iter(scores.values())))
    values = {
        name: [float(getattr(row[column], field)) for column in columns]
        for name, row in scores.items()
    }
    values["average"] = [float(v) for v in np.mean(list(values.values()), axis=0)]
    rows = [
        (name, *(f"{value:.{digits}f}" for value in row))
        for name, row in values.items()
    ]
    return table(("", *columns), rows)


def verdict(goal: Goal, scores: Scores) -> str:
    """Say in one line whether a goal is reached and what it is missed by."""
    name = f"{goal.column}, against {goal.other}"
    if any(not {goal.column, goal.other} <= row.keys() for row in scores.values()):
        return f"- {name}: not measured"
    gains = {
        movie: row[goal.column].psnr - row[goal.other].psnr
        for movie, row in scores.items()
    }
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
    axes.set_title("ours (lines) and BM4D, told the noise (dashed)")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def save(path: Path, scores: Scores, options: Mapping[str, object]) -> None:
    """Write all numbers, and what they were measured on and with, as JSON."""
    content = {
        "machine": machine(),
        "options": options,
        "movies": {
            name: {column: asdict(score) for column, score in row.items()}
            for name, row in scores.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")


def main() -> None:
    """Measure every movie with every method, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, help="all if left out")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--seconds", type=float, nargs="*", help="budgets of ours (3 10 60 300)"
    )
    parser.add_argument("--model", default="auto", help="of ours")
    parser.add_argument("--seed", type=int, default=0, help="of ours")
    parser.add_argument(
        "--baselines", action=argparse.BooleanOptionalAction, default=True
    )
    parser.add_argument(
        "--careamics",
        type=Path,
        metavar="PYTHON",
        help="interpreter of an environment with CAREamics, for Noise2Void",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--save-json", type=Path, metavar="FILE", help="gets all numbers"
    )
    parser.add_argument(
        "--curve",
        type=Path,
        metavar="FILE",
        help="gets a picture of PSNR against time (more budgets unless --seconds says)",
    )
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = CURVE_BUDGETS if options.curve else BUDGETS
    if options.curve and not options.seconds:
        parser.error("--curve needs budgets: give some with --seconds")
    if options.careamics and not options.careamics.is_file():
        parser.error(f"--careamics: there is no interpreter {options.careamics}")
    set_up(options.threads)
    columns = methods(options)
    scores: Scores = {}
    for name, movie in known_movies(options.movies, options.data).items():
        scores[name] = {}
        for column, denoise in columns.items():
            score = measure(movie, denoise)
            scores[name][column] = score
            progress(
                f"{name}, {column}: {score.psnr:.2f} dB, SSIM {score.ssim:.3f}, "
                f"{score.seconds:.1f} s"
            )
        if options.save_json:
            save(options.save_json, scores, vars(options))
    if not scores:
        sys.exit("no movie is left to measure on")
    print(machine())
    print(f"\n### PSNR, dB\n\n{score_table(scores, 'psnr', 2)}")
    print(f"\n### SSIM\n\n{score_table(scores, 'ssim', 3)}")
    print(f"\n### Wall-clock, s\n\n{score_table(scores, 'seconds', 1)}")
    print("\n### Goals\n")
    print("\n".join(verdict(goal, scores) for goal in GOALS))
    if options.curve:
        draw_curves(scores, options.seconds, options.curve)


if __name__ == "__main__":
    main()
