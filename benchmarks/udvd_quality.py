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
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from skimage.restoration import denoise_tv_chambolle

import napari_udvd as nu
from common import DATA, machine, progress, real_movie, table
from napari_udvd.quality import best_gaussian
from napari_udvd.simulation import KINDS, add_noise, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

Movie = npt.NDArray[np.float32]

PHOTONS = 15.0
"""At the 99.9th percentile of the truth."""

READ_NOISE = 0.7
"""In photons."""

CANCER_CELLS = "bia_cancer_cell_migration_48x130x130.tif"


def make_movie(name: str, data: Path, frames: int | None) -> tuple[Movie, Movie]:
    """Return truth and noisy movie ``(T, Y, X)`` in photons.

    The real movie is taken as clean after its background (its median) is taken off.
    """
    if name == "cancer-cells":
        recorded = nu.open(real_movie(CANCER_CELLS, data)).read(slice(frames))
        recorded = recorded.astype(np.float32)
        clean = np.clip(recorded - np.median(recorded), 0, None)
    else:
        movie = simulate(name, frames=frames or 48, shape=(128, 128), offset=0)
        clean = movie.truth.read()
    noisy, truth = add_noise(
        clean,
        photons=PHOTONS,
        gain=1,
        offset=0,
        read_noise=READ_NOISE,
        dtype=np.float32,
    )
    return truth, noisy


def psnr(truth: Movie, estimate: Movie) -> float:
    """PSNR in dB with the 99.9th percentile of the truth as the peak."""
    error = float(np.mean((truth.astype(np.float64) - estimate) ** 2))
    return float(10 * np.log10(np.percentile(truth, 99.9) ** 2 / error))


def best_total_variation(truth: Movie, noisy: Movie) -> Movie:
    """Total variation in space and time, its weight chosen with the truth."""

    def denoise(log_weight: float) -> Movie:
        weight = float(np.exp(log_weight))
        found = denoise_tv_chambolle(noisy, weight=weight)  # type: ignore[no-untyped-call]
        return np.asarray(found, np.float32)

    best = minimize_scalar(
        lambda log_weight: -psnr(truth, denoise(log_weight)),
        bounds=(np.log(0.05 * READ_NOISE), np.log(2 * PHOTONS)),
        method="bounded",
        options={"xatol": 0.05},
    )
    progress(f"total variation: weight {np.exp(best.x):.3g} photons")
    return denoise(best.x)


def train_and_denoise(
    truth: Movie, noisy: Movie, width: int, seconds: float, seed: int
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
    torch.set_num_threads(options.threads)
    truth, noisy = make_movie(options.movie, options.data, options.frames)
    baselines: dict[str, Callable[[], Movie]] = {
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
