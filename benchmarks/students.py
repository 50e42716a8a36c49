"""What S2SVR adds to a denoised movie: steadier frames, and what that costs.

    python -m benchmarks.students

Simulated movies that no network was trained on are denoised by *Fast*, trained on them;
S2SVR learns from two noisy copies what of the result is chance, and goes on from there.
*Student* is its result whether or not the program would use it, *result* the one that
it gives. Flicker is the standard deviation of the change from frame to frame in places
that stand still, in grey levels: half of the pixels of each frame, whose truth changes
least. The two judges are those by which the program decides, in standard errors; both
look at frames that the network has not learned from.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from benchmarks.quality import psnr
from napari_udvd.inference.request import Request
from napari_udvd.sharpening import Effort
from napari_udvd.simulation import simulate
from napari_udvd.steadying import SteadyDenoiser

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

MOVIES = ("nuclei", 10.0), ("calcium", 10.0)
"""Kinds of scene, and their photons."""

SEED = 10_000
"""Of the scenes; training takes smaller ones."""


def row(kind: str, photons: float, options: argparse.Namespace) -> list[str]:
    """Measure one movie."""
    shape = (options.size, options.size)
    movie = simulate(
        kind, frames=options.frames, shape=shape, photons=photons, seed=SEED
    )
    stack, truth = movie.noisy, movie.truth.read().astype(np.float32)
    how: dict[str, Any] = {
        "events": options.second_stage,
        "refine": options.second_stage,
    }
    denoiser = nu.train(stack, steps=options.steps, seed=options.seed)
    request = Request(**how)
    effort = Effort(steps=options.network_steps, seed=options.seed)
    began = time.process_time()
    steps = SteadyDenoiser.fitted("s2svr", denoiser, stack, request, effort)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            steady: SteadyDenoiser = end.value
            break
    seconds = time.process_time() - began
    (student,) = steady.students
    shown = replace(steady, students=(replace(student, used=True),))
    frames = [_denoised(each, stack, how, truth) for each in (denoiser, shown)]
    levels = [psnr(truth, each) for each in frames]
    result = levels[1] if student.used else levels[0]
    told = [
        f"{kind}, {photons:g} photons",
        *(f"{level:.2f}" for level in (*levels, result)),
        *(f"{flicker(truth, each):.3f}" for each in frames),
        f"{student.steadier:.1f}",
        f"{student.gain:.1f}",
        "used" if student.used else "not used",
        f"{seconds:.0f}",
    ]
    progress(" | ".join(told))
    return told


def flicker(truth: npt.NDArray[np.float32], frames: npt.NDArray[np.float32]) -> float:
    """Return how much places change from frame to frame that do not."""
    moved = np.abs(np.diff(truth, axis=0))
    still = moved <= np.median(moved, axis=(1, 2), keepdims=True)
    return float(np.diff(frames, axis=0)[still].std())


def _denoised(
    denoiser: Denoiser,
    stack: Stack,
    how: dict[str, Any],
    truth: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    found = denoiser.denoise(stack, dtype=np.float32, **how)
    return np.asarray(found, np.float32).reshape(truth.shape)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--steps", type=int, default=40, help="of the denoiser")
    parser.add_argument("--network-steps", type=int, default=80)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--size", type=int, default=64, help="rows and columns")
    parser.add_argument(
        "--second-stage", action="store_true", help="events and refinement, too"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    set_up(options.threads)
    chosen = [MOVIES[k] for k in options.movies]
    rows = [row(kind, photons, options) for kind, photons in chosen]
    print(machine(), "\n")
    columns = (
        "movie",
        "*Fast*, dB",
        "student, dB",
        "result, dB",
        "flicker, *Fast*",
        "student",
        "steadier",
        "noisy copy",
        "",
        "s",
    )
    print(table(columns, rows))


if __name__ == "__main__":
    main()
