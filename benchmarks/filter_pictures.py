"""Pictures of filters for the documentation, each from a network trained here.

    python -m benchmarks.filter_pictures docs/images

A moving nucleus at two noise levels, an edge, a two-photon neurite and the lattice of
a scanning electron microscope. The pixel is given below; what its filter looks like is
what the network made of the movie.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.common import DATA, at_most, machine, progress, real_movie
from napari_udvd import Stack, open, simulate, train
from napari_udvd.filters import AdaptiveFilter, adaptive_filter, draw_filter

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd import Denoiser

SIDE = 64
"""Rows and columns of the movie shown beside a filter."""

GAP = 12


def brightest_edge(frame: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Row and column where the smoothed frame is steepest, away from the border."""
    from scipy.ndimage import gaussian_gradient_magnitude

    steep = gaussian_gradient_magnitude(frame.astype(float), 1.5)
    margin = SIDE // 2
    inner = steep[margin:-margin, margin:-margin]
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return int(y) + margin, int(x) + margin


def brightest(frame: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Row and column of the brightest place of the smoothed frame."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(frame.astype(float), 1.5)
    margin = SIDE // 2
    inner = smooth[margin:-margin, margin:-margin]
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return int(y) + margin, int(x) + margin


def grey(frame: npt.NDArray[np.generic], y: int, x: int, height: int) -> Image.Image:
    """Crop of a frame around a pixel, with lines that point at it."""
    half = SIDE // 2
    top = int(np.clip(y - half, 0, frame.shape[0] - SIDE))
    left = int(np.clip(x - half, 0, frame.shape[1] - SIDE))
    crop = frame[top : top + SIDE, left : left + SIDE].astype(float)
    low, high = np.percentile(crop, (1, 99.5))
    level = np.clip((crop - low) / max(high - low, 1e-9), 0, 1)
    picture = Image.fromarray(np.uint8(255 * level)).resize(
        (height, height), Image.Resampling.NEAREST
    )
    picture = picture.convert("RGB")
    draw, scale = ImageDraw.Draw(picture), height / SIDE
    at_x, at_y = (x - left + 0.5) * scale, (y - top + 0.5) * scale
    reach, hole = 4 * scale, 1.2 * scale
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        draw.line(
            (
                at_x + hole * dx,
                at_y + hole * dy,
                at_x + reach * dx,
                at_y + reach * dy,
            ),
            fill=(255, 200, 0),
            width=2,
        )
    return picture


def row(
    denoiser: Denoiser, stack: Stack, t: int, y: int, x: int
) -> tuple[Image.Image, AdaptiveFilter]:
    """Noisy frame, denoised frame and the filter, side by side."""
    found = adaptive_filter(denoiser, stack, t, y, x)
    strip = Image.fromarray(draw_filter(found))
    near = stack.crop(frames=slice(max(t - 20, 0), min(t + 21, stack.n_frames)))
    clean = denoiser.denoise(near, dtype=np.float32)[t - max(t - 20, 0)]
    parts = [
        grey(stack.read(t)[0], y, x, strip.height),
        grey(clean, y, x, strip.height),
        strip,
    ]
    width = sum(part.width for part in parts) + GAP * (len(parts) - 1)
    whole = Image.new("RGB", (width, strip.height), "white")
    left = 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width + GAP
    return whole, found


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Put rows under one another."""
    width = max(picture.width for picture in rows)
    height = sum(picture.height for picture in rows) + GAP * (len(rows) - 1)
    whole = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in rows:
        whole.paste(picture, (0, top))
        top += picture.height + GAP
    return whole


def main() -> None:
    """Train, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)

    def learned(stack: Stack) -> Denoiser:
        return train(stack, minutes=options.minutes)

    def keep(name: str, rows: list[Image.Image], filters: list[AdaptiveFilter]) -> None:
        path = options.folder / f"filter-{name}.png"
        stacked(rows).save(path, optimize=True)
        for found in filters:
            progress(f"{path.name}: {found.describe()}; sum {found.sum:.3f}")

    rows, filters = [], []
    for photons in (30, 3):
        frames, side = at_most(40, 192)
        side = max(side, 2 * SIDE)  # what is shown, and what may be around it
        movie = simulate(
            "nuclei", frames=frames, shape=(side, side), photons=photons, seed=3
        )
        clean = movie.truth.read(frames // 2)[0]
        y, x = brightest(clean)
        picture, found = row(learned(movie.noisy), movie.noisy, frames // 2, y, x)
        rows.append(picture)
        filters.append(found)
        if photons == 30:
            edge_y, edge_x = brightest_edge(clean)
            edge = row(learned(movie.noisy), movie.noisy, frames // 2, edge_y, edge_x)
    keep("noise", rows, filters)
    keep("edge", [edge[0]], [edge[1]])

    for name, file in (
        ("neurite", "allen_2p_movie_100x100x100.tif"),
        ("lattice", "hyperspy_stem_abf_movie_5x512x512.tif"),
    ):
        stack = open(real_movie(file, options.data))
        denoiser = learned(stack)
        t = stack.n_frames // 2
        near = stack.crop(frames=slice(max(t - 20, 0), min(t + 21, stack.n_frames)))
        y, x = brightest(denoiser.denoise(near)[t - max(t - 20, 0)])
        picture, found = row(denoiser, stack, t, y, x)
        keep(name, [picture], [found])


if __name__ == "__main__":
    main()
