"""How close UDVD comes to the truth, against the time it was trained for.

A clean movie gets the noise of a camera that counts photons (Poisson, 15 photons at
the movie's 99.9th percentile) and reads them out (Gaussian, 0.7 photons). UDVD is
trained on the noisy movie alone and told nothing of its noise; every budget is a run
of its own, as a user would start it. Beside it stand a Gaussian filter and total
variation, whose strengths are chosen with the truth, as no user could.

PSNR is 10 log10(peak^2 / mean squared error) over all pixels of all frames, with the
99.9th percentile of the truth (15 photons) as the peak.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_udvd as nu
from benchmarks.baselines import best_gaussian, best_total_variation
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import FRAMES, PHOTONS, READ_NOISE, Frames, cancer_cells, scene
from napari_udvd import metrics
from napari_udvd.simulation import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PHOTONS", "READ_NOISE", "make_movie", "psnr"]


def make_movie(name: str, data: Path, frames: int | None) -> tuple[Frames, Frames]:
    """Return truth and noisy movie ``(T, Y, X)`` in photons."""
    if name == "cancer-cells":
        movie = cancer_cells(data, frames=frames)
    else:
        movie = scene(name, data, frames=frames or FRAMES)
    return movie.truth, movie.noisy


def psnr(truth: Frames, estimate: Frames) -> float:
    """PSNR in dB with the 99.9th percentile of the truth as the peak."""
    return metrics.psnr(truth, estimate, peak=float(np.percentile(truth, 99.9)))


def train_and_denoise(
    truth: Frames, noisy: Frames, width: int, seconds: float, seed: int
) -> tuple[Any, ...]:
    """Train one network and return its row of the table."""
    stack = nu.Stack.from_array(noisy, "TYX")
    began = time.perf_counter()
    denoiser = nu.train(stack, minutes=seconds / 60, width=width, seed=seed)
    took = time.perf_counter() - began
    prediction = denoiser.denoise(stack, use_posterior=False)
    began = time.perf_counter()
    posterior = denoiser.denoise(stack)
    per_frame = (time.perf_counter() - began) / len(noisy)
    return (
        f"UDVD, width {width}",
        f"{took:.0f}",
        denoiser.record["steps"],
        f"{per_frame:.2f}",
        f"{psnr(truth, prediction):.2f}",
        f"{psnr(truth, posterior):.2f}",
    )


def main() -> None:
    """Run every width for every budget, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--movie", default="cancer-cells", choices=("cancer-cells", *KINDS)
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--frames", type=int, help="only so many of the movie")
    parser.add_argument("--widths", type=int, nargs="*", default=[8, 16, 24, 48])
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[30, 60, 120, 180], help="budgets"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    set_up(options.threads)
    truth, noisy = make_movie(options.movie, options.data, options.frames)
    baselines: dict[str, Callable[[], Frames]] = {
        "noisy": lambda: noisy,
        "best Gaussian (oracle)": lambda: best_gaussian(truth, noisy),
        "best total variation (oracle)": lambda: best_total_variation(truth, noisy),
    }
    rows: list[tuple[Any, ...]] = []
    for name, denoise in baselines.items():
        rows.append((name, "", "", "", f"{psnr(truth, denoise()):.2f}", ""))
        progress(" ".join(map(str, rows[-1])))
    for width in options.widths:
        for seconds in options.seconds:
            rows.append(train_and_denoise(truth, noisy, width, seconds, options.seed))
            progress(" ".join(map(str, rows[-1])))
    print(machine())
    print(f"\n### {options.movie}, {' x '.join(map(str, noisy.shape))}\n")
    header = ("", "training, s", "steps", "s per frame", "prediction, dB")
    print(table((*header, "posterior, dB"), rows))


if __name__ == "__main__":
    main()
