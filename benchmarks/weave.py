"""Whether a network leaves a weave in its results, and what more views are worth.

    python -m benchmarks.weave --networks centerblind --movies calcium tem --steps 150

Networks that pool treat even and odd pixels differently, or the four or eight of a
larger pool. What that leaves in a result repeats itself: the power of the error,
averaged over the frames, then has a peak at frequencies of one half, a quarter, an
eighth along rows, along columns, or along both. Here it is the power at each of the
three, over that of its neighbours in frequency; the largest counts. One is no weave. A
movie whose truth has something of that period, such as atoms, may have errors there
without one.

Every network is trained on every movie alone, for so many steps, and denoises it with
one view, with two and with all. The networks say how many they need (`least_views`).
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, Frames, KnownMovie
from benchmarks.quality import psnr
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request
from napari_udvd.models import count_views

PERIODS = 2, 4, 8
"""Pixels."""

GOAL = 1.5
"""Largest power of the error at a period, over that of its neighbours."""

BORDER = 4
"""Rows and columns that are left out: errors are larger there."""

NEAR, FAR = 3, 6
"""Distances of the neighbours in frequency, in steps of the transform."""


def spectrum(error: Frames) -> npt.NDArray[np.float64]:
    """Power of ``(T, Y, X)`` by frequency, averaged over the frames."""
    inner = error[:, BORDER:-BORDER, BORDER:-BORDER]
    # so that every period has a frequency of its own
    rows, columns = (side - side % max(PERIODS) for side in inner.shape[1:])
    inner = inner[:, :rows, :columns]
    inner = inner - inner.mean(axis=(1, 2), keepdims=True)
    fade = np.hanning(rows)[:, None] * np.hanning(columns)
    power = np.abs(np.fft.fft2(inner * fade)) ** 2
    return np.asarray(power.mean(axis=0), np.float64)


def peak(power: npt.NDArray[np.float64], period: int) -> float:
    """Power at a period over that of its neighbours: the largest of three."""
    return max(
        _over_neighbours(power, down, along)
        for down, along in ((1 / period, 0), (0, 1 / period), (1 / period, 1 / period))
    )


def _over_neighbours(
    power: npt.NDArray[np.float64], down: float, along: float
) -> float:
    around = np.arange(-FAR, FAR + 1)
    rows, columns = (
        (round(frequency * side) + around) % side
        for frequency, side in zip((down, along), power.shape, strict=True)
    )
    here = power[np.ix_(rows, columns)]
    far = np.maximum(abs(around[:, None]), abs(around))
    return float(here[FAR, FAR] / here[far >= NEAR].mean())


def denoised(denoiser: nu.Denoiser, movie: KnownMovie, views: int) -> Frames:
    """Denoise with so many views."""
    every = count_views(denoiser.net, True)
    denoiser.net.least_views = min(views, every)
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    with ArraySink(stack, np.float32) as sink:
        for _ in denoiser.restore(stack, sink, Request(self_ensemble=views == every)):
            pass
    return np.asarray(sink.array, np.float32)


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["centerblind"])
    parser.add_argument(
        "--movies", nargs="+", choices=MOVIES, default=["calcium", "nuclei", "lattice"]
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--views", nargs="+", type=int, default=[1, 2, 8])
    parser.add_argument("--steps", type=int, default=150, help="of each training")
    parser.add_argument(
        "--crop", nargs=2, type=int, help="rows and columns, such as odd ones"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    set_up(options.threads)
    rows = []
    for name, network in product(options.movies, options.networks):
        movie = MOVIES[name](options.data)
        if options.crop:
            rows_kept, columns_kept = map(slice, options.crop)
            inner = np.s_[..., rows_kept, columns_kept]
            movie = movie._replace(truth=movie.truth[inner], noisy=movie.noisy[inner])
        denoiser = nu.train(
            movie.noisy, "TYX", model=network, steps=options.steps, seed=options.seed
        )
        for views in options.views:
            found = denoised(denoiser, movie, views)
            power = spectrum(found - movie.truth)
            peaks = [f"{peak(power, period):.1f}" for period in PERIODS]
            quality = f"{psnr(movie.truth, found):.2f}"
            rows.append((name, network, views, quality, *peaks))
            progress(" | ".join(map(str, rows[-1])))
    print(machine())
    print(f"\n{options.steps} steps each; goal of the peaks: at most {GOAL}\n")
    header = "movie", "network", "views", "PSNR, dB", *(f"{n} px" for n in PERIODS)
    print(table(header, rows))


if __name__ == "__main__":
    main()
