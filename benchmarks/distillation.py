"""What a network gains that is taught by its own result, on movies with known truth.

Every movie is trained on twice with the same number of steps: as ever, and with the
last steps given to a student (see `napari_udvd.training.distillation`). Unless --asked
is given, the program decides by itself which movies are dim enough for it; on all
others both trainings are the same, and only the first is run. PSNR is that of
`quality.py`, without and with the average over all views.

With --corpus, simulated movies of pretraining take the place of the benchmark's: what
is chosen about the method is chosen on these.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, KnownMovie
from benchmarks.quality import psnr
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request
from napari_udvd.pretraining.corpus import clean_movie
from napari_udvd.simulation import add_noise
from napari_udvd.training import Failed, Finished, TrainingSettings, train_events

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = {
    "corpus 11": (11, 20.0, 0.8),
    "corpus 12": (12, 50.0, 0.9),
    "corpus 13": (13, 10.0, 0.5),
    "corpus 16": (16, 5.0, 0.5),
    "corpus 17": (17, 15.0, 0.0),
    "corpus 21": (21, 40.0, 0.8),
}
"""Seed, photons of the brightest, and share of them that is everywhere."""

READ_NOISE = 0.7
"""Of the corpus, in photons."""


def corpus_movie(seed: int, photons: float, pedestal: float) -> KnownMovie:
    """Draw a movie of the corpus, with light everywhere behind it."""
    clean = clean_movie(np.random.default_rng(seed), frames=40, size=128)
    noisy, truth = add_noise(
        pedestal + (1 - pedestal) * clean,
        photons=photons,
        gain=1.0,
        offset=0.0,
        read_noise=READ_NOISE,
        dtype=np.float32,
        seed=seed + 1,
    )
    return KnownMovie(truth, noisy, 1.0, 0.0, READ_NOISE)


def train(movie: KnownMovie, steps: int, seed: int, distil: bool | None) -> Finished:
    """Train on the noisy movie."""
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    settings = TrainingSettings.model_validate(
        {"steps": steps, "seed": seed, "distil": distil}
    )
    for event in train_events([stack], settings):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            return event
    raise RuntimeError("the training ended without a result")


def qualities(movie: KnownMovie, end: Finished) -> Iterator[str]:
    """PSNR of the result without and with the average over all views."""
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    for views in (False, True):
        with ArraySink(stack.layout, np.dtype(np.float32)) as sink:
            request = Request(self_ensemble=views)
            for _ in end.denoiser.restore(stack, sink, request):
                pass
        yield f"{psnr(movie.truth, sink.array):.2f}"


def row(name: str, movie: KnownMovie, options: argparse.Namespace) -> list[str]:
    """Compare on one movie."""
    asked = True if options.asked else None
    cells = [name]
    began = time.perf_counter()
    taught = train(movie, options.steps, options.seed, asked)
    record: dict[str, Any] = taught.denoiser.record.get("distillation", {})
    was_taught = "gain" in record
    plain = train(movie, options.steps, options.seed, False) if was_taught else taught
    cells += qualities(movie, plain)
    if not was_taught:
        cells += ["as without"] * 2 + ["not dim", ""]
    else:
        cells += qualities(movie, taught)
        cells.append(f"{record['signal']:.4f}")
        said = "kept" if record["kept"] else "not kept"
        cells.append(f"{record['gain'] / record['error']:+.1f}, {said}")
    progress(f"{' | '.join(cells)} ({time.perf_counter() - began:.0f} s)")
    return cells


def main() -> None:
    """Compare on every movie, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=["tem"])
    parser.add_argument("--corpus", action="store_true", help="in their place")
    parser.add_argument("--asked", action="store_true", help="of bright movies, too")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_up(options.threads)
    if options.corpus:
        movies = {name: corpus_movie(*how) for name, how in CORPUS.items()}
    else:
        movies = {name: MOVIES[name](options.data) for name in options.movies}
    rows = [row(name, movie, options) for name, movie in movies.items()]
    print(machine())
    header = [
        "PSNR, dB",
        "without",
        "all views",
        "taught",
        "all views",
        "signal",
        "standard errors for it",
    ]
    print(f"\n{table(header, rows)}")


if __name__ == "__main__":
    main()
