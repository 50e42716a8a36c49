"""DeepFovea++ beside *Fast* on the same sparse scans, after the same time.

Both learn from the measured pixels of the movie alone and are told the noise; see
`reconstruct` for movies, masks and figures. *Average* is the normalised convolution
whose widths the truth chose. With ``--steps`` each network takes so many steps instead
of so many seconds, which a machine that does something else does not change.

With ``--own-protocol`` scans are foveated as in the published training: every frame
keeps 98 % of the pixels around one point and 15 % far from it. Beside our figures stand
the published ones, which have the names of measures that everybody knows and are others
(see `napari_udvd.models.deepfovea.scores`), of movies between zero and one. The
published table (22.67 and 23.88 dB, 0.9116 and 0.9290) is of frames of red, green and
blue four times as large as what was given, after training on clean ones: it can be read
beside this one, and not compared with it.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, KnownMovie
from benchmarks.reconstruct import AVERAGE, SCENES
from benchmarks.sparse_methods import MASKS, Mask, best_average, ours, psnr
from napari_udvd.models.deepfovea.sampling import (
    draw_centre,
    fovea_masks,
    keep_probability,
)
from napari_udvd.models.deepfovea.scores import published_psnr, published_ssim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.sparse_methods import Result

FAST, FOVEA = "Fast", "DeepFovea++"

MODELS = {FAST: "centerblind-sparse", FOVEA: "deepfovea"}

OWN = "published fovea"
"""Name of the mask of the published training."""


class Score(NamedTuple):
    """How good a result is and what it took.

    Attributes
    ----------
    psnr
        In dB, over all pixels.
    seen, unseen
        Share of the measured and of the other pixels within one std; None where there
        is none.
    published_psnr, published_ssim
        As in the published table.
    seconds
        Of the processor.
    """

    psnr: float
    seen: float | None
    unseen: float | None
    published_psnr: float
    published_ssim: float
    seconds: float


def published_fovea(shape: tuple[int, ...], seed: int) -> Mask:
    """Draw a scan as the published training does."""
    chance = torch.Generator().manual_seed(seed)
    size = shape[1], shape[2]
    probability = keep_probability(size, draw_centre(size, chance))
    return np.asarray(fovea_masks(shape[0], probability, chance)[:, 0])


def scan(name: str, shape: tuple[int, ...], seed: int) -> Mask:
    """Return which pixels are measured."""
    if name == OWN:
        return published_fovea(shape, seed)
    return MASKS[name](shape, np.random.default_rng(seed))


def judge(movie: KnownMovie, measured: Mask, result: Result, seconds: float) -> Score:
    """Compare a result with the truth."""
    seen = unseen = None
    if result.std is not None:
        within = np.abs(movie.truth - result.mean) <= result.std
        seen, unseen = float(within[measured].mean()), float(within[~measured].mean())
    low, high = np.percentile(movie.truth, (0.1, 99.9))
    unit = [
        torch.from_numpy(np.asarray((frames - low) / (high - low), np.float32))
        for frames in (result.mean, movie.truth)
    ]
    return Score(
        psnr(movie.truth, result.mean),
        seen,
        unseen,
        float(published_psnr(*unit)),
        float(published_ssim(*unit)),
        seconds,
    )


def methods(
    options: argparse.Namespace, seed: int
) -> dict[str, Callable[[KnownMovie, Mask], Result]]:
    """Return every column."""
    found: dict[str, Callable[[KnownMovie, Mask], Result]] = {AVERAGE: best_average}
    for seconds in options.seconds:
        for title, model in MODELS.items():
            budget: dict[str, Any] = {"model": model, "minutes": seconds / 60}
            found[f"{title}, {seconds:g} s"] = partial(ours, seed=seed, **budget)
    for (title, model), steps in zip(MODELS.items(), options.steps, strict=False):
        budget = {"model": model, "steps": steps}
        found[f"{title}, {steps} steps"] = partial(ours, seed=seed, **budget)
    return found


def report(scores: dict[str, dict[str, list[Score]]]) -> str:
    """Table with a row for each scan and method, averaged over the seeds."""
    rows = []
    for scanned, row in scores.items():
        for method, found in row.items():
            means: list[float | None] = [
                None if None in values else float(np.mean(values))
                for values in zip(*found, strict=True)
            ]
            ratio, seen, unseen, theirs, ssim, seconds = means
            within = [f"{100 * s:.0f}" for s in (seen, unseen) if s is not None]
            rows.append(
                (
                    scanned,
                    method,
                    f"{ratio:.2f}",
                    ", ".join(within),
                    f"{theirs:.2f}",
                    f"{ssim:.4f}",
                    f"{seconds:.0f}",
                )
            )
    head = (
        "scan",
        "method",
        "PSNR, dB",
        "within one std, % (measured, not)",
        'published "PSNR"',
        'published "SSIM"',
        "processor, s",
    )
    return table(head, rows)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=SCENES)
    parser.add_argument("--masks", nargs="*", choices=MASKS, default=["random-20"])
    parser.add_argument(
        "--own-protocol", action="store_true", help="the published foveated scan, too"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--seconds", type=float, nargs="*", default=[], help="budgets of both networks"
    )
    parser.add_argument(
        "--steps",
        type=int,
        nargs=2,
        default=(),
        metavar=("FAST", "FOVEA"),
        help="steps of each network",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="of masks and training"
    )
    parser.add_argument(
        "--frames", type=int, help="of a movie, rows and columns 128: all if left out"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure every movie with every mask and network, print the table."""
    options = parsed()
    set_up(options.threads)
    masks = [*options.masks, *([OWN] if options.own_protocol else [])]
    scores: dict[str, dict[str, list[Score]]] = {}
    for name, mask in product(options.movies, masks):
        movie = MOVIES[name](options.data)
        part = slice(options.frames), slice(128), slice(128)
        movie = movie._replace(truth=movie.truth[part], noisy=movie.noisy[part])
        row = scores.setdefault(f"{name}, {mask}", {})
        for seed in options.seeds:
            measured = scan(mask, movie.truth.shape, seed)
            for method, apply in methods(options, seed).items():
                began = time.process_time()
                result = apply(movie, measured)
                took = time.process_time() - began
                row.setdefault(method, []).append(judge(movie, measured, result, took))
                progress(f"{name}, {mask}, {method}: {row[method][-1]}")
    print(machine())
    print(f"\n{report(scores)}")


if __name__ == "__main__":
    main()
