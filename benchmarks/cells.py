"""How much filters of one backward pass get in the way of one another.

    python -m benchmarks.cells model.safetensors movie.tif

Filters are computed one by one, exactly, and many at a time. The table compares their
energies (sums of squared weights): what of the exact filter is outside the cell, and
how far the weights inside are off because of the neighbours.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.common import machine, progress, table
from napari_udvd import load, open
from napari_udvd.filters import adaptive_filter, filter_cells, spread_of

POINTS = 12
"""Pixels that are computed one by one."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("movie")
    parser.add_argument("--spacing", type=int, default=16)
    options = parser.parse_args()
    denoiser, stack = load(options.model), open(options.movie)
    t = stack.n_frames // 2
    print(f"{machine()}\n", flush=True)
    rows = []
    for cell in (96, 64, 48, 32):
        outside: list[float] = []
        off: list[float] = []
        moved: list[float] = []
        for cells in filter_cells(
            denoiser, stack, t, options.spacing, steps=(1, -1), cell=cell
        ):
            for point, weights in zip(cells.points, cells.weights, strict=True):
                if len(off) >= POINTS or min(point) < cell // 2:
                    continue
                exact = adaptive_filter(denoiser, stack, t, *map(int, point))
                _, y, x = exact.origin
                top, left = point - cell // 2 - (y, x)
                if min(top, left) < 0:
                    continue
                here = exact.weights[np.subtract(t + cells.steps, exact.origin[0])]
                part = here[:, top : top + cell, left : left + cell]
                if part.shape != weights.shape:
                    continue
                energy = np.square(here, dtype=float).sum()
                outside.append(1 - np.square(part, dtype=float).sum() / energy)
                off.append(np.square(part - weights, dtype=float).sum() / energy)
                gap = spread_of(part).centroid - spread_of(weights).centroid
                moved.append(np.hypot(*gap.T).max())
            if len(off) >= POINTS:
                break
        if not off:
            progress(f"{cell} px: left out, the frames are too small for them")
            continue
        rows.append(
            (
                cell,
                f"{np.median(outside):.1%}",
                f"{np.median(off):.1%}",
                f"{np.max(off):.1%}",
                f"{np.max(moved):.2f} px",
            )
        )
    heads = ("cell, px", "outside", "off, median", "off, largest", "centroid moved by")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
