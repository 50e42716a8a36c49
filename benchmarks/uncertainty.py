"""Whether the standard deviation of the result is the size of its errors.

A network is trained on simulated movies, each alone, told nothing of the noise. Where
errors are Gaussian and their size is known, 68 % of them are within one standard
deviation; this must hold for dark and for bright pixels, so that pixels are counted
by decile of their true intensity.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

import napari_udvd as nu
from benchmarks.common import DATA, chart, machine, progress, set_up, table
from benchmarks.movies import Frames, KnownMovie, scene
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request
from napari_udvd.simulation import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd import Denoiser

DECILES = 10

GOAL, TOLERANCE = 0.68, 0.05
"""Share of the errors within one standard deviation."""

WIDTHS = tuple(k / 4 for k in range(1, 13))
"""Half widths of intervals, in standard deviations."""


class Coverage(NamedTuple):
    """How many errors are within an interval.

    Attributes
    ----------
    deciles
        Shares within one standard deviation, from dark to bright.
    whole
        The same of all pixels.
    by_width
        Of all pixels, for each of :data:`WIDTHS`.
    """

    deciles: list[float]
    whole: float
    by_width: list[float]

    @property
    def worst(self) -> int:
        """Decile that is farthest from the goal."""
        return int(np.argmax(np.abs(np.array(self.deciles) - GOAL)))


def denoise(denoiser: Denoiser, noisy: Frames) -> tuple[Frames, Frames]:
    """Return posterior mean and standard deviation, in grey levels."""
    stack = nu.Stack.from_array(noisy, "TYX")
    with ArraySink(stack, np.float32) as mean, ArraySink(stack, np.float32) as std:
        for _ in denoiser.restore(stack, mean, Request(), std_sink=std):
            pass
    return mean.array, std.array


def coverage(truth: Frames, mean: Frames, std: Frames) -> Coverage:
    """Count the errors."""
    width = (np.abs(mean - truth) / std).ravel()
    order = np.argsort(truth, axis=None, kind="stable")
    deciles = [_within(width[part], 1) for part in np.array_split(order, DECILES)]
    return Coverage(deciles, _within(width, 1), [_within(width, z) for z in WIDTHS])


def _within(width: npt.NDArray[np.float32], limit: float) -> float:
    return float(np.mean(width <= limit))


def nominal(width: float) -> float:
    """Share of a Gaussian within so many standard deviations."""
    return math.erf(width / math.sqrt(2))


def measure(movie: KnownMovie, options: argparse.Namespace) -> Coverage:
    """Train on the noisy movie, denoise it, compare with the truth."""
    denoiser = nu.train(
        movie.noisy,
        "TYX",
        model=options.model,
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
    )
    return coverage(movie.truth, *denoise(denoiser, movie.noisy))


def verdict(name: str, found: Coverage) -> str:
    """Say in one line whether the goal is reached and what it is missed by."""
    share = found.deciles[found.worst]
    missed = abs(share - GOAL) - TOLERANCE
    reached = "reached" if missed <= 0 else f"**missed by {100 * missed:.1f} %**"
    return (
        f"- {name}: at worst (decile {found.worst + 1}) {100 * share:.1f} % within one "
        f"standard deviation, goal {100 * GOAL:.0f} ± {100 * TOLERANCE:.0f} %: "
        f"{reached}"
    )


def draw(found: dict[str, Coverage], path: Path) -> None:
    """Draw observed against nominal shares, and the deciles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    widths, deciles = figure.subplots(1, 2)
    widths.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    deciles.axhspan(GOAL - TOLERANCE, GOAL + TOLERANCE, alpha=0.15, label="goal")
    places = np.arange(DECILES) + 1
    for name, each in found.items():
        widths.plot([nominal(z) for z in WIDTHS], each.by_width, marker=".", label=name)
        deciles.plot(places, each.deciles, marker=".")
    widths.set_xlabel("share within an interval, if errors were as said")
    widths.set_ylabel("share observed")
    widths.legend()
    deciles.set_xticks(places)
    deciles.set_ylim(0.4, 1)
    deciles.set_xlabel("decile of the true intensity")
    deciles.set_ylabel("share within one standard deviation")
    deciles.legend()
    for axes in (widths, deciles):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure every movie, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--minutes", type=float, default=1.0, help="for each movie")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--picture", type=chart, metavar="FILE", help="gets the curves, as PNG"
    )
    options = parser.parse_args()
    set_up(options.threads)
    found = {}
    for name in options.movies:
        progress(name)
        found[name] = measure(scene(name, DATA), options)
    rows = [
        (name, *(f"{100 * share:.1f}" for share in (*each.deciles, each.whole)))
        for name, each in found.items()
    ]
    print(machine())
    print("\n### Errors within one standard deviation, %, by decile of the truth\n")
    print(table(("", *(f"{k + 1}" for k in range(DECILES)), "all"), rows))
    print("\n### Goals\n")
    print("\n".join(verdict(name, each) for name, each in found.items()))
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
