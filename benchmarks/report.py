"""Whether the report knows how good a result is, without the truth.

Of every movie whose truth is known, a network is trained on the noisy movie alone and
the PSNR that the report predicts is compared with that of the truth. The peak is the
99.9th minus the 0.1th percentile of the truth there, and what the report takes it for
here. Four of the truths are recordings with little noise of their own: what they hold
of it no estimate can see, and it counts as an error of the result.

Movies of nothing but noise are denoised with the weights that come with the program,
and the spots that the report finds in them are counted: there are none.

Wall-clock is that of a report on 200 frames of 512 x 512 with the model given.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import napari_udvd as nu
from benchmarks.common import DATA, at_most, machine, progress, set_up, table
from benchmarks.movies import MOVIES, Frames, KnownMovie
from napari_udvd import metrics
from napari_udvd.errors import InputError
from napari_udvd.simulation import add_noise

if TYPE_CHECKING:
    from napari_udvd import Denoiser

GOAL, WORST = 0.5, 1.0
"""Decibels between predicted and true PSNR: on average, and at worst."""

SPOTS = 1
"""Spots in a movie of pure noise, at most."""

NOISE_MOVIES = 20

NOISE_FRAMES, NOISE_EDGE = at_most(32, 96)
NOISE_SHAPE = NOISE_FRAMES, NOISE_EDGE, NOISE_EDGE

SECONDS = 20.0

LARGE = 200, 512, 512


class Predicted(NamedTuple):
    """What the report says of a result, and what is true.

    Attributes
    ----------
    true
        PSNR, dB.
    predicted, least, most
        By the report.
    posterior, measured
        By each way.
    level
        Of the verdict.
    """

    true: float
    predicted: float
    least: float
    most: float
    posterior: float
    measured: float
    level: str


def denoiser_for(noisy: Frames, options: argparse.Namespace) -> Denoiser:
    """Train on the noisy movie alone."""
    return nu.train(
        noisy,
        "TYX",
        model=options.model,
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
    )


def predicted(movie: KnownMovie, options: argparse.Namespace) -> Predicted:
    """Denoise a movie, ask the report, and compare with the truth."""
    denoiser = denoiser_for(movie.noisy, options)
    result = denoiser.denoise(movie.noisy, "TYX", dtype=np.float32)
    report = nu.report(movie.noisy, result, denoiser, axes="TYX")
    accuracy = report.planes[0].accuracy
    low, high = np.percentile(movie.truth, (0.1, 99.9))
    peak = float(high - low)
    true = metrics.psnr(movie.truth, result, peak=peak)
    nowhere = (float("nan"),) * 3
    value, least, most = accuracy.predicted or nowhere
    return Predicted(
        true=true,
        predicted=value,
        least=least,
        most=most,
        posterior=(accuracy.posterior or nowhere)[0],
        measured=(accuracy.measured or nowhere)[0],
        level=report.verdict.level,
    )


def spots_in_noise(seed: int, denoiser: Denoiser) -> tuple[int, str]:
    """Count spots in a movie of nothing but noise, and how it is judged."""
    rng = np.random.default_rng([seed, 99])
    photons = 10 ** rng.uniform(0, 2)
    noisy = 2.0 * rng.poisson(photons, NOISE_SHAPE) + rng.normal(100, 3, NOISE_SHAPE)
    noisy = noisy.astype(np.float32)
    result = denoiser.denoise(noisy, "TYX", dtype=np.float32)
    try:
        report = nu.report(noisy, result, denoiser, axes="TYX")
    except InputError as error:  # refused: nothing is reported
        return 0, str(error)
    return report.planes[0].added.found, report.verdict.level


def seconds_of_a_report(denoiser: Denoiser) -> float:
    """Time a report on a large movie; the truth stands in for the result."""
    frames, height, width = LARGE
    scene = nu.simulate("calcium", frames=16, shape=(height // 2, width // 2), seed=5)
    times = (-(-frames // 16), 2, 2)
    clean = np.tile(scene.truth.read(), times)[:frames]
    noisy, truth = add_noise(clean - clean.min(), photons=15.0)
    began = time.perf_counter()
    nu.report(noisy, truth, denoiser, axes="TYX")
    return time.perf_counter() - began


def verdict(name: str, value: float, goal: float, unit: str) -> str:
    """Say in one line whether a goal is reached."""
    reached = "reached" if value <= goal else f"**missed by {value - goal:.2f} {unit}**"
    return f"- {name}: {value:.2f} {unit}, goal {goal:g} {unit}: {reached}"


def main() -> None:
    """Measure, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="*", choices=MOVIES, help="all if left out")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each movie")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--noise", type=int, default=NOISE_MOVIES, metavar="MOVIES")
    parser.add_argument(
        "--seconds",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="time a report on a large movie",
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_up(options.threads)
    found = {}
    for name in MOVIES if options.movies is None else options.movies:
        found[name] = predicted(MOVIES[name](options.data), options)
        progress(f"{name}: {found[name]}")
    print(machine())
    goals = []
    if found:
        print("\n### Predicted and true PSNR, dB\n")
        print(
            table(
                (
                    "",
                    "true",
                    "predicted",
                    "interval",
                    "by its std",
                    "measured",
                    "verdict",
                ),
                [
                    (
                        name,
                        f"{each.true:.2f}",
                        f"{each.predicted:.2f}",
                        f"{each.least:.1f} to {each.most:.1f}",
                        f"{each.posterior:.2f}",
                        f"{each.measured:.2f}",
                        each.level,
                    )
                    for name, each in found.items()
                ],
            )
        )
        away = [abs(each.predicted - each.true) for each in found.values()]
        goals.append(verdict("predicted PSNR, mean", float(np.mean(away)), GOAL, "dB"))
        goals.append(verdict("predicted PSNR, worst", max(away), WORST, "dB"))
    shipped = nu.train(
        nu.simulate("nuclei", frames=16, shape=(64, 64)).noisy, "TYX", steps=1
    )
    if options.noise:
        counts = []
        for seed in range(options.noise):
            count, level = spots_in_noise(seed, shipped)
            progress(f"noise {seed}: {count} spots, {level}")
            counts.append(count)
        print(f"\nspots in {options.noise} movies of pure noise: {counts}")
        goals.append(verdict("spots in pure noise, worst", max(counts), SPOTS, "spots"))
    if options.seconds:
        took = seconds_of_a_report(shipped)
        size = " x ".join(map(str, LARGE))
        goals.append(verdict(f"a report on {size}", took, SECONDS, "s"))
    print("\n### Goals\n")
    print("\n".join(goals))


if __name__ == "__main__":
    main()
