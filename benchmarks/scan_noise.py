"""How far the noise of a sparse scan is measured right, twice.

Simulated scenes with known noise, of which a scan keeps some pixels. *Visits* is what
the diagnosis says, from differences of visits to a pixel and along rows; *left over* is
what training takes: what the shipped weights leave over less their own error, which
predictions from halves of the scan tell. Cells: the share of the movies whose number is
right, and the least and the largest ratio to the truth. The variance is that at the
mean grey level, right within 10 %; the gain is right within 15 %.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from benchmarks.movies import PHOTONS, READ_NOISE, SEED
from napari_udvd.noise import NoiseModel
from napari_udvd.scanning import make_mask
from napari_udvd.simulation import simulate
from napari_udvd.tasks import RECONSTRUCT
from napari_udvd.training.plan import make_plan
from napari_udvd.training.scan_noise import measure_scan_noise
from napari_udvd.training.settings import make_settings
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = "nuclei", "calcium", "lattice", "vesicles"
SIZES = "16x48x48", "30x96x96"
PATTERNS = {
    "random 20 %": ("random", 0.2, False),
    "blue noise 20 %": ("blue-noise", 0.2, False),
    "rows 1/5": ("rows", 0.2, False),
    "random 10 %": ("random", 0.1, False),
    "fixed 20 %": ("random", 0.2, True),
}
"""Name of the pattern, share, and whether the same pixels are visited again."""

CAMERA = NoiseModel(gain=1.0, offset=0.0, read_noise=READ_NOISE)
GAIN, VARIANCE = 0.15, 0.10


def ratios(kind: str, size: str, name: str, seed: int) -> tuple[float, ...]:
    """Gain and variance over the truth, by visits and by what is left over."""
    frames, *shape = map(int, size.split("x"))
    movie = simulate(
        kind,
        frames=frames,
        shape=(shape[0], shape[1]),
        seed=SEED + seed,
        photons=PHOTONS,
        gain=CAMERA.gain,
        offset=CAMERA.offset,
        read_noise=CAMERA.read_noise,
        dtype=np.float32,
    )
    pattern, share, fixed = PATTERNS[name]
    mask = make_mask(
        pattern, frames, (shape[0], shape[1]), share=share, fixed=fixed, seed=seed
    )
    scan = inspect(
        nu.Stack.from_array(movie.noisy.read(), "TYX", mask=np.asarray(mask))
    )
    settings = make_settings(device="cpu")
    plan = make_plan([scan], settings, True, RECONSTRUCT)
    better = measure_scan_noise(plan, [scan], settings, torch.device("cpu"))
    level = float(movie.truth.read().mean())
    found = [p.calibrations[0].noise for p in (plan, better)]
    return (
        *(noise.gain / CAMERA.gain for noise in found),
        *(float(n.variance(level) / CAMERA.variance(level)) for n in found),
    )


def cell(values: Sequence[float], tolerance: float) -> str:
    """Share that is right, and the range."""
    right = np.mean(np.abs(np.subtract(values, 1)) <= tolerance)
    return f"{right:.0%} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_up(options.threads)
    print(machine())
    rows, every = [], []
    for size, name in product(options.sizes, PATTERNS):
        progress(f"{size}, {name}")
        found = [
            ratios(kind, size, name, seed)
            for kind, seed in product(options.kinds, options.seeds)
        ]
        every += found
        rows.append((f"{size}, {name}", *_cells(found)))
    rows.append(("all", *_cells(every)))
    head = "gain, visits", "gain, left over", "variance, visits", "variance, left over"
    print("\n" + table(("", *head), rows))


def _cells(found: Sequence[tuple[float, ...]]) -> list[str]:
    tolerances = GAIN, GAIN, VARIANCE, VARIANCE
    columns = zip(*found, strict=True)
    return [cell(c, t) for c, t in zip(columns, tolerances, strict=True)]


if __name__ == "__main__":
    main()
