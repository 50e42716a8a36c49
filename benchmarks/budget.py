"""How long a training and denoising takes that was asked to take so many minutes.

    python -m benchmarks.budget
    python -m benchmarks.budget --networks centerblind --sizes 60x256x256

A simulated movie in a file is trained on and denoised, as ``napari-udvd denoise`` does
it, with every network and for movies of several sizes, by turns. The time begins when
the file is opened and ends when the result is in its place. Of it are told what was
asked, what was taken, how long denoising was expected to take and did take, and why the
training ended: one that has nothing more to win may end early, and says so.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from napari_udvd.jobs import Begun, TrainAndRestore, Written
from napari_udvd.training import Finished, Started

NETWORKS = ("centerblind", "udvd", "stbn")

SIZES = ("30x64x64", "100x128x128", "60x256x256")

TOLERANCE = 0.05
"""Share of the time by which it may be missed."""


class Taken(NamedTuple):
    """What one training and denoising took.

    Attributes
    ----------
    whole, denoising
        Seconds.
    expected
        Seconds of denoising that the training set aside.
    reason, steps
        Why the training ended, and after how many steps.
    """

    whole: float
    denoising: float
    expected: float
    reason: str
    steps: int | None


def take(movie: Path, output: Path, network: str, seconds: float) -> Taken:
    """Train on a movie and denoise it, in so many seconds if all is well."""
    job = TrainAndRestore(
        values={"model": network, "minutes": seconds / 60}, overwrite=True
    )
    began = denoising_began = time.perf_counter()
    expected, finished, is_written = 0.0, None, False
    for event in job.run(movie, output):
        if isinstance(event, Started):
            expected = event.denoising_seconds or 0.0
        elif isinstance(event, Finished):
            finished = event
        elif isinstance(event, Begun) and event.what == "denoising":
            denoising_began = time.perf_counter()
        is_written = is_written or isinstance(event, Written)
    ended = time.perf_counter()
    if finished is None or not is_written:
        raise RuntimeError(f"{network} came to no result")
    return Taken(
        ended - began,
        ended - denoising_began,
        expected,
        finished.reason,
        finished.steps,
    )


def main() -> None:
    """Measure everything, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument(
        "--sizes", nargs="+", default=list(SIZES), help="frames x rows x columns"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    set_up(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            frames, height, width = map(int, size.split("x"))
            movie = Path(folder) / f"{size}.npy"
            noisy = nu.simulate("nuclei", frames=frames, shape=(height, width)).noisy
            np.save(movie, np.asarray(noisy.data))
            for network in options.networks:
                took = take(movie, movie.with_suffix(".tif"), network, options.seconds)
                off = took.whole / options.seconds - 1
                progress(f"{network}, {size}: {took}")
                is_kept = abs(off) <= TOLERANCE or took.reason == "converged"
                rows.append(
                    (
                        f"{network}, {size}",
                        f"{took.whole:.1f}",
                        f"{off:+.1%}" + ("" if is_kept else " **missed**"),
                        f"{took.expected:.1f}",
                        f"{took.denoising:.1f}",
                        took.steps,
                        took.reason,
                    )
                )
    print(machine(), end="\n\n")
    header = (
        f"asked: {options.seconds:g} s",
        "taken, s",
        "off by",
        "denoising expected, s",
        "denoising took, s",
        "steps",
        "training ended by",
    )
    print(table(header, rows))


if __name__ == "__main__":
    main()
