"""Which pixels to visit: what a simple interpolation makes of each pattern.

Simulated movies, with the noise of a camera, of which every pattern visits the same
share of the pixels. The gaps are filled by a Gaussian in space and time over visited
pixels alone (normalised convolution), whose widths the truth chooses for each pattern:
what it reaches depends on nothing but where the samples are. The peak signal-to-noise
ratio is that of frames away from both ends. ``--picture`` draws the patterns.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from benchmarks.common import DATA, at_most, machine, progress, table
from benchmarks.movies import SHAPE, scene
from napari_udvd.metrics import psnr
from napari_udvd.scanning import PATTERNS, ScanMask, evenness, make_mask

KINDS = ("nuclei", "calcium", "lattice")

FRAMES, _ = at_most(40, 0)

END = 4
"""Frames at each end that are not judged: their neighbours are on one side."""

SIGMAS = 0.7, 1.0, 1.4, 2.0, 2.8
"""Widths tried in space, px."""

TIMES = 0.5, 0.8, 1.2, 2.0, 3.5
"""Widths tried in time, frames."""

SIDE, TIMES_LARGER, GAP = 48, 4, 8
"""Pixels of a pattern in the picture, their magnification, and space between."""

NOW, BEFORE, AFTER = (30, 30, 30), (226, 140, 60), (90, 150, 220)
"""Colours of the pixels of a frame, of the frame before and of that after."""


def variants(frames: int, shape: tuple[int, int], share: float) -> dict[str, ScanMask]:
    """Every pattern, those that are fixed, and rows that move to the next one."""
    masks = {name: make_mask(name, frames, shape, share=share) for name in PATTERNS}
    masks["rows, shift 1"] = make_mask("rows", frames, shape, share=share, shift=1)
    for name in ("blue-noise", "rows"):
        fixed = make_mask(name, frames, shape, share=share, fixed=True)
        masks[f"{name}, fixed"] = fixed
    return masks


def interpolated(
    noisy: npt.NDArray[Any], visited: npt.NDArray[Any], sigma: float, time: float
) -> npt.NDArray[Any]:
    """Fill the gaps; visited pixels are averaged over, too."""
    widths = (time, sigma, sigma)
    weight = gaussian_filter(visited.astype(np.float32), widths)
    total = gaussian_filter(np.where(visited, noisy, 0).astype(np.float32), widths)
    middle = noisy[visited].mean()  # where there is nothing near
    filled = np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), middle)
    return np.asarray(filled)


def best(
    truth: npt.NDArray[Any], noisy: npt.NDArray[Any], visited: npt.NDArray[Any]
) -> float:
    """PSNR with the widths that are best."""
    inner = slice(END, -END)
    peak = float(np.percentile(truth, 99.9) - np.percentile(truth, 0.1))
    return max(
        psnr(truth[inner], interpolated(noisy, visited, *widths)[inner], peak=peak)
        for widths in product(SIGMAS, TIMES)
    )


def measure(share: float) -> str:
    """Return the table, the best pattern first."""
    masks = variants(FRAMES, SHAPE, share)
    found: dict[str, list[float]] = {name: [] for name in masks}
    for kind in KINDS:
        movie = scene(kind, DATA, FRAMES)
        for name, mask in masks.items():
            progress(f"{kind}, {name}")
            found[name].append(best(movie.truth, movie.noisy, np.asarray(mask)))
    rows = [
        (
            name,
            ", ".join(f"{evenness(mask, within).mean:.2f}" for within in (0, 1)),
            *(f"{value:.2f}" for value in found[name]),
        )
        for name, mask in masks.items()
    ]
    rows.sort(key=lambda row: -found[row[0]][0])
    return table(("pattern", "px to a visited one, ±1", *KINDS), rows)


def picture(share: float) -> Image.Image:
    """Draw a frame of each pattern, and the frames before and after."""
    shape = (SIDE, SIDE)
    size, line = SIDE * TIMES_LARGER, 26
    drawn = Image.new("RGB", (len(PATTERNS) * (size + GAP) - GAP, size + line), "white")
    for i, name in enumerate(PATTERNS):
        mask = make_mask(name, 9, shape, share=share)
        pixels = np.full((*shape, 3), 255, np.uint8)
        for t, colour in ((3, BEFORE), (5, AFTER), (4, NOW)):
            pixels[mask.frame(t)] = colour
        panel = Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST)
        drawn.paste(panel, (i * (size + GAP), line))
        ImageDraw.Draw(drawn).text(
            (i * (size + GAP), 2), name, fill="black", font_size=18
        )
    return drawn


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.2, help="of the pixels")
    parser.add_argument("--picture", type=Path, help="PNG to draw, without measuring")
    options = parser.parse_args()
    print(f"{machine()}\n")
    if options.picture is not None:
        picture(options.share).save(options.picture, optimize=True)
        return
    print(measure(options.share))


if __name__ == "__main__":
    main()
