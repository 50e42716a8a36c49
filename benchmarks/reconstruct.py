"""How close a dense movie from a sparse scan comes to the truth.

    python -m benchmarks.reconstruct --threads 2

Movies with known truth and the noise of a camera, of which only some pixels of every
frame are kept. Ours is trained on those pixels alone. Beside it stand

- *average*: normalised convolution over space and time, with the widths that the truth
  says are best. It is the opponent: nobody can choose them so well without the truth;
- *preview*: the same, with the widths that our preview finds by itself;
- *interpolate, then denoise*: what users do now: the average fills the movie, and the
  centre-blind network of the denoiser is trained on that for as many steps; with the
  first of the masks alone;
- *biharmonic*: each frame filled by inpainting, then a Gaussian whose width the truth
  chooses; on two frames, because it takes long.

PSNR is 10 log10(peak^2 / mean squared error) over all pixels of all frames, or over
those that were not measured; the peak is the 99.9th minus the 0.1th percentile of the
truth. *Within one std* is the share of pixels whose truth is no further from the result
than its standard deviation, 68 % where that is Gaussian and right. Seconds are those of
the processor, of all threads. All methods are told the noise. Then come scans of equal
dose (see `equal_dose`), the speed, and what was aimed at beside what was reached.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

import napari_udvd as nu
from benchmarks import equal_dose
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, PHOTONS, Frames, KnownMovie
from benchmarks.sparse_methods import (
    MASKS,
    Mask,
    Result,
    best_average,
    biharmonic,
    denoised,
    ours,
    preview,
    psnr,
)
from napari_udvd.inference.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCENES = "nuclei", "calcium", "lattice", "cancer-cells-15", "tem"
"""Measured unless others are named."""

AVERAGE = "average, by the truth"
PREVIEW = "preview"
DENOISED = "interpolate, then denoise"
BIHARMONIC = "biharmonic, Gaussian by the truth"
OURS = "ours, "
"""Begins the names of our columns."""

COVERED = 0.6, 0.76
"""Share within one std that is aimed at."""

LARGE = 512
"""Rows and columns that the speed is measured on."""


class Score(NamedTuple):
    """How good a result is and what it took.

    Attributes
    ----------
    psnr
        In dB.
    seen, unseen
        Share of the measured and of the other pixels within one std; None where there
        is none.
    seconds
        Of the processor.
    gaps
        PSNR of the pixels that were not measured.
    """

    psnr: float
    seen: float | None
    unseen: float | None
    seconds: float
    gaps: float


def methods(
    options: argparse.Namespace, seed: int, mask: str
) -> dict[str, Callable[[KnownMovie, Mask], Result]]:
    """Return every column that was asked for, in the order they are to be done."""
    averages: list[Frames] = []

    def by_the_truth(movie: KnownMovie, measured: Mask) -> Result:
        found = best_average(movie, measured)
        averages.append(found.mean)
        return found

    def as_users_do(movie: KnownMovie, measured: Mask, **budget: Any) -> Result:
        return denoised(movie, measured, averages[-1], seed, **budget)

    found: dict[str, Callable[[KnownMovie, Mask], Result]] = {
        AVERAGE: by_the_truth,
        PREVIEW: preview,
    }
    if options.biharmonic:
        found[BIHARMONIC] = biharmonic
    budgets = budgets_of(options)
    if options.denoise and budgets and mask == options.masks[0]:
        last = list(budgets.values())[-1]
        found[DENOISED] = partial(as_users_do, **last)
    for name, budget in budgets.items():
        found[OURS + name] = partial(ours, seed=seed, **budget)
    return found


def budgets_of(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return what a training may take, by the name of its column."""
    found: dict[str, dict[str, Any]] = {
        f"{steps} steps": {"steps": steps} for steps in options.steps
    }
    seconds = options.seconds
    if seconds is None:
        seconds = [] if options.steps else [60.0]
    return found | {f"{s:g} s": {"minutes": s / 60} for s in seconds}


def measure(
    movie: KnownMovie, measured: Mask, method: Callable[[KnownMovie, Mask], Result]
) -> Score:
    """Apply a method and compare with the truth."""
    began = time.process_time()
    mean, std, frames = method(movie, measured)
    took = time.process_time() - began
    truth, known = movie.truth[frames], measured[frames]
    seen = unseen = None
    if std is not None:
        within = np.abs(truth - mean) <= std
        seen, unseen = float(within[known].mean()), float(within[~known].mean())
    error = np.square(truth - mean)
    gaps = psnr(truth, mean) + 10 * float(np.log10(error.mean() / error[~known].mean()))
    return Score(psnr(truth, mean), seen, unseen, took, gaps)


def seconds_a_frame(share: float = 0.2) -> float:
    """Time that a large frame takes, for each view, of one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    movie = MOVIES["nuclei"](DATA)
    times = LARGE // movie.noisy.shape[1]
    noisy = np.tile(movie.noisy[:, :LARGE, :LARGE], (1, times, times))
    noisy[np.random.default_rng(0).random(noisy.shape) >= share] = np.nan
    part = nu.Stack.from_array(noisy[:, :64, :64], "TYX")
    noise = movie.gain, movie.offset, movie.read_noise
    denoiser = nu.train(
        part, task="reconstruct", minutes=1e-3, noise=noise, device="cpu"
    )
    blocks = denoiser.blocks(nu.Stack.from_array(noisy, "TYX"), Request(device="cpu"))
    (series,) = blocks.series
    blocks.block(series, 20, 21)  # frames are read, constants made
    began = time.process_time()
    blocks.block(series, 21, 24)
    took = time.process_time() - began
    torch.set_num_threads(before)
    return took / 3 / denoiser.net.least_views


# --- tables ---------------------------------------------------------------------------


Scores = dict[tuple[str, str], dict[str, list[Score]]]
"""By movie and mask, then by column: one for each seed."""


def mean_of(found: Sequence[Score], field: str = "psnr") -> float | None:
    """Average over seeds; None where the method knows none."""
    each = [getattr(score, field) for score in found]
    return None if None in each or not each else float(np.mean(each))


def decibels(scores: Scores, field: str = "psnr") -> str:
    """Table of PSNR: a row for each movie and mask, and one for their average."""
    columns = list(dict.fromkeys(c for row in scores.values() for c in row))
    values = {
        ", ".join(name): [mean_of(row.get(c, ()), field) for c in columns]
        for name, row in scores.items()
    }
    values["average"] = [
        None if None in each else float(np.mean(each))
        for each in zip(*values.values(), strict=True)
    ]
    rows = [
        (name, *("" if v is None else f"{v:.2f}" for v in row))
        for name, row in values.items()
    ]
    what = "PSNR, dB" if field == "psnr" else "not measured, dB"
    return table((what, *columns), rows)


def honesty(scores: Scores) -> str:
    """Table of the shares within one std, measured / not measured, and of seconds."""
    rows = []
    for name, row in scores.items():
        for column, found in row.items():
            shares = [mean_of(found, field) for field in ("seen", "unseen")]
            said = ["" if s is None else f"{100 * s:.0f} %" for s in shares]
            seconds = f"{mean_of(found, 'seconds'):.1f}"
            rows.append((", ".join(name), column, *said, seconds))
    head = "", "method", "within one std, measured", "not measured", "processor, s"
    return table(head, rows)


def gains(scores: Scores, column: str, over: str, mask: str) -> dict[str, float]:
    """Compare a column with another: the gain in dB, by movie."""
    found = {}
    for (movie, of), row in scores.items():
        if of == mask and column in row and over in row:
            ours, theirs = mean_of(row[column]), mean_of(row[over])
            if ours is not None and theirs is not None:
                found[movie] = ours - theirs
    return found


def verdict(scores: Scores) -> str:
    """Say what each of our columns gains, mask by mask."""
    said = []
    columns = dict.fromkeys(c for row in scores.values() for c in row)
    masks = dict.fromkeys(mask for _, mask in scores)
    pairs = [
        (column, over)
        for column in columns
        for over in (AVERAGE, PREVIEW, BIHARMONIC)
        if column.startswith(OURS) or (over == AVERAGE and column != BIHARMONIC)
    ]
    for (column, over), mask in product(pairs, masks):
        found = gains(scores, column, over, mask)
        if column == over or not found:
            continue
        worst = min(found, key=found.__getitem__)
        mean = float(np.mean(list(found.values())))
        said.append(
            f"- {mask}: {column}, against {over}: on average {mean:+.2f} dB, at worst "
            f"({worst}) {found[worst]:+.2f} dB"
        )
    return "\n".join(said)


def goals(scores: Scores, doses: Sequence[equal_dose.Dose], speed: float | None) -> str:
    """Table of what was aimed at and what was reached, by the last of our columns."""
    rows: list[tuple[str, str, str]] = []
    column = list(next(iter(scores.values())))[-1]
    for mask in dict.fromkeys(mask for _, mask in scores):
        found = gains(scores, column, AVERAGE, mask)
        if column.startswith(OURS):
            aim = ">= +1.2 dB, nowhere below" if mask == "random-20" else ">= +0.7 dB"
            reached = f"{np.mean(list(found.values())):+.2f} dB, worst "
            rows.append(
                (f"{mask}, {AVERAGE}", aim, reached + f"{min(found.values()):+.2f}")
            )
        over = gains(scores, column, BIHARMONIC, mask)
        if over and column.startswith(OURS):
            mean = float(np.mean(list(over.values())))
            rows.append((f"{mask}, {BIHARMONIC}", ">= +6 dB", f"{mean:+.2f} dB"))
        far = [-gain for gain in gains(scores, PREVIEW, AVERAGE, mask).values()]
        rows.append(
            (f"{mask}, preview below {AVERAGE}", "<= 0.3 dB", f"{max(far):.2f} dB")
        )
    shares = [
        share
        for row in scores.values()
        for score in row[column]
        for share in (score.seen, score.unseen)
        if share is not None
    ]
    if shares:
        inside = np.mean([COVERED[0] <= share <= COVERED[1] for share in shares])
        told = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"
        rows.append(
            ("within one std", "60 to 76 %", f"{told}, {100 * inside:.0f} % inside")
        )
    taken = [s.seconds for row in scores.values() for s in row[PREVIEW]]
    rows.append(("preview", "1 s", f"{max(taken):.2f} s"))
    for dose in doses:
        aim = ">= 0 dB" if dose.read_noise and dose.kind == "calcium" else ">= -1 dB"
        name = f"equal dose, {dose.kind}, read noise {dose.read_noise:g}"
        rows.append((name, aim, f"{dose.sparse - dose.full:+.2f} dB"))
    if speed is not None:
        name = f"{LARGE} x {LARGE}, a frame and view on one thread"
        rows.append((name, "0.4 s", f"{speed:.2f} s"))
    return table(("", "aim", "reached"), rows)


def save(path: Path, scores: Scores, options: Mapping[str, object]) -> None:
    """Write all numbers, and what they were measured on and with, as JSON."""
    content = {
        "machine": machine(),
        "options": options,
        "scores": {
            ", ".join(name): {
                column: [s._asdict() for s in found] for column, found in row.items()
            }
            for name, row in scores.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=SCENES)
    parser.add_argument("--masks", nargs="+", choices=MASKS, default=list(MASKS))
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--seconds", type=float, nargs="*", help="budgets of ours: 60 if left out"
    )
    parser.add_argument(
        "--steps", type=int, nargs="*", default=[], help="the same, to be repeated"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="of masks and training"
    )
    parser.add_argument("--denoise", action=switch, default=True)
    parser.add_argument("--biharmonic", action=switch, default=True)
    parser.add_argument("--dose", action=switch, default=True)
    parser.add_argument("--speed", action=switch, default=True)
    parser.add_argument(
        "--frames", type=int, help="of a movie, rows and columns 128: all if left out"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--save-json", type=Path, metavar="FILE", help="gets all numbers"
    )
    return parser.parse_args(arguments)


def doses_of(options: argparse.Namespace) -> list[equal_dose.Dose]:
    """Compare scans of equal dose, with the last of the budgets."""
    budgets = list(budgets_of(options).values())
    if not options.dose or not budgets:
        return []
    return [
        equal_dose.compare(
            kind,
            noise,
            PHOTONS * equal_dose.SHARE,
            options.seeds,
            options.frames,
            **budgets[-1],
        )
        for kind, noise in product(equal_dose.KINDS, equal_dose.NOISES)
        if kind in options.movies
    ]


def main() -> None:
    """Measure every movie with every mask and method, print the tables."""
    options = parsed()
    set_up(options.threads)
    scores: Scores = {}
    for name, mask in product(options.movies, options.masks):
        movie = MOVIES[name](options.data)
        part = slice(options.frames), slice(128), slice(128)
        movie = movie._replace(truth=movie.truth[part], noisy=movie.noisy[part])
        row: dict[str, list[Score]] = {}
        for seed in options.seeds:
            rng = np.random.default_rng(seed)
            measured = MASKS[mask](movie.truth.shape, rng)
            for column, method in methods(options, seed, mask).items():
                score = measure(movie, measured, method)
                row.setdefault(column, []).append(score)
                progress(f"{name}, {mask}, {column}: {score}")
        scores[name, mask] = row
        if options.save_json:
            save(options.save_json, scores, vars(options))
    doses = doses_of(options)
    speed = seconds_a_frame() if options.speed else None
    parts = [machine(), decibels(scores), decibels(scores, "gaps"), honesty(scores)]
    if doses:
        parts.append(equal_dose.dose_table(doses))
    parts += [verdict(scores), goals(scores, doses, speed)]
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
