"""What weights to start from are worth, before and after they were trained further.

    python -m benchmarks.start_weights OLD NEW --steps 60
    python -m benchmarks.start_weights WEIGHTS WEIGHTS --presets medium light

OLD and NEW are folders of weights, such as `src/napari_udvd/weights` of two checkouts.
On every movie with a known truth, *Fast* is trained by as many steps from either, with
the same random numbers, and denoises with and without the search for events and the
refiner. Steps in place of seconds: the weights are compared, not what else the machine
had to do.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, KnownMovie
from benchmarks.quality import known_movies, psnr
from napari_udvd.training import warm_start


def measure(
    movie: KnownMovie, folder: Path, preset: str, *, steps: int, seed: int
) -> list[float]:
    """Return the PSNR after the network alone, and after everything, in dB."""
    warm_start.FOLDER = folder
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    denoiser = nu.train(stack, steps=steps, seed=seed, preset=preset)
    results = (
        denoiser.denoise(stack, dtype=np.float32, events=stage, refine=stage)
        for stage in (False, True)
    )
    return [psnr(movie.truth, np.asarray(result.data)) for result in results]


def main() -> None:
    """Train from both on every movie, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--movies", nargs="+", choices=MOVIES, help="all if left out")
    parser.add_argument(
        "--presets", nargs=2, default=["medium", "medium"], help="of OLD and of NEW"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--steps", type=int, default=60, help="of each training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for folder in (options.old, options.new):
        if not list(folder.glob("*.safetensors")):
            parser.error(f"there are no weights in {folder}")
    set_up(options.threads)
    scores = {}
    for name, movie in known_movies(options.movies, options.data).items():
        run = partial(measure, movie, steps=options.steps, seed=options.seed)
        old, new = options.presets
        scores[name] = [*run(options.old, old), *run(options.new, new)]
        progress(f"{name}: {', '.join(f'{dB:.2f}' for dB in scores[name])}")
    scores["**average**"] = list(np.mean(list(scores.values()), axis=0))
    print(f"{machine()}\n")
    columns = ("network, old", "all, old", "network, new", "all, new")
    rows = [(name, *(f"{dB:.2f}" for dB in row)) for name, row in scores.items()]
    print(table(("PSNR, dB", *columns), rows))


if __name__ == "__main__":
    main()
