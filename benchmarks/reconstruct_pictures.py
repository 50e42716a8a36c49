"""Pictures of dense movies that were made from sparse scans.

    python -m benchmarks.reconstruct_pictures --folder docs/images --threads 2

Three pictures: a simulated STEM lattice and a recorded two-photon movie, each scanned
at a fifth of the pixels and around a fovea (what the scan would have measured is taken
from the full movie), and a simulated movie that drifted and was registered, whose
borders are filled. A row shows a frame: as it was scanned, averaged over what was
measured (the preview), reconstructed, its standard deviation, and the full scan. Frames
of a row share one grey scale; the standard deviation goes from black, none, to white,
what it exceeds in a hundredth of the pixels. With a known truth the PSNR is written
above the panel.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter1d

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress, real_movie, set_up
from benchmarks.movies import scene
from benchmarks.sparse_methods import psnr
from napari_udvd.formats import ArraySink
from napari_udvd.inference.interpolation import choose_widths, interpolate
from napari_udvd.inference.request import Request
from napari_udvd.scanning import make_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Frames = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TWO_PHOTON = "allen_2p_movie_100x100x100.tif"

ZOOM, GAP, LINE = 2, 4, 14
"""Size of a pixel on the picture, space between panels, height of what is written."""

EDGE = 96
"""Rows and columns that are shown."""

UNSEEN = 40, 60, 110
"""Colour of what was not measured."""

MOST = 99
"""Percentile of the standard deviation that is white."""

AVERAGED = 11
"""Frames of the two-photon movie that are averaged to show what there is."""

DRIFT = 16
"""Pixels along either axis by which the registered movie drifted in all."""


class Scan(NamedTuple):
    """A movie of which some pixels were measured.

    Attributes
    ----------
    name
        How they were chosen.
    full
        ``(T, Y, X)``: what is shown as the full scan.
    sparse
        Likewise, NaN where nothing was measured.
    truth
        None where nobody knows it.
    noise
        Gain, offset and read noise; measured if None.
    shown
        Frames of it that get a row.
    hole
        Rows and columns that the noise is correlated over; measured if None.
    full_is
        What `full` is called.
    """

    name: str
    full: Frames
    sparse: Frames
    truth: Frames | None
    noise: tuple[float, float, float] | None
    shown: tuple[int, ...]
    hole: tuple[int, int] | None = None
    full_is: str = "full scan"


class Row(NamedTuple):
    """Frames ``(Y, X)`` of a row, and PSNR of the movies that they are of."""

    name: str
    sparse: Frames
    average: Frames
    ours: Frames
    std: Frames
    full: Frames
    full_is: str
    decibels: tuple[float | None, float | None]


def masks(shape: tuple[int, ...]) -> dict[str, Mask]:
    """Visit a fifth of the pixels, or those around a fovea."""
    frames, size = shape[0], (shape[1], shape[2])
    evenly = make_mask("blue-noise", frames, size, share=0.2)
    fovea = make_mask("foveated", frames, size)
    return {
        f"{100 * mask.share:.0f} % {how}": np.asarray(mask)
        for how, mask in {"of the pixels": evenly, "foveated": fovea}.items()
    }


def lattice(data: Path) -> list[Scan]:
    """Scan a simulated STEM lattice."""
    movie = scene("lattice", data)
    noise = movie.gain, movie.offset, movie.read_noise
    return [
        Scan(
            name, movie.noisy, np.where(mask, movie.noisy, np.nan), movie.truth, noise,
            (len(movie.noisy) // 2,),
        )
        for name, mask in masks(movie.noisy.shape).items()
    ]  # fmt: skip


def two_photon(data: Path) -> list[Scan]:
    """Scan a recorded two-photon movie; a single frame of it shows hardly anything."""
    movie = nu.open(real_movie(TWO_PHOTON, data)).read().astype(np.float32)
    full = uniform_filter1d(movie, AVERAGED, axis=0)
    name, shown = f"full scan, {AVERAGED} frames", (len(movie) // 2,)
    return [
        Scan(how, full, np.where(mask, movie, np.nan), None, None, shown, (3, 3), name)
        for how, mask in masks(movie.shape).items()
    ]


def borders(data: Path) -> list[Scan]:
    """Let a movie drift out of the frame, and register it."""
    movie = scene("nuclei", data)
    count, height, width = movie.noisy.shape
    size = height - DRIFT, width - DRIFT
    path = np.linspace(0, DRIFT, count).round().astype(int)
    registered = np.full_like(movie.noisy, np.nan)
    for t, at in enumerate(path):
        seen = slice(at, at + size[0]), slice(DRIFT - at, DRIFT - at + size[1])
        registered[t][seen] = movie.noisy[t][seen]
    noise = movie.gain, movie.offset, movie.read_noise
    shown = 2, count - 3
    return [Scan("registered", movie.noisy, registered, movie.truth, noise, shown)]


PICTURES: Mapping[str, Callable[[Path], list[Scan]]] = {
    "lattice": lattice,
    "two-photon": two_photon,
    "borders": borders,
}
"""Scans of every picture, by its name."""


def rows(scan: Scan, **budget: Any) -> list[Row]:
    """Reconstruct a scan."""
    progress(f"{scan.name}: {np.isfinite(scan.sparse).mean():.0%} measured")
    measured = np.isfinite(scan.sparse)
    widths = choose_widths(scan.sparse, measured)
    average = interpolate(scan.sparse, measured, widths)
    stack = nu.Stack.from_array(scan.sparse, "TYX")
    how = {"seed": 0, "noise": scan.noise, "hole": scan.hole, **budget}
    denoiser = nu.train(stack, task="reconstruct", device="cpu", **how)
    request = Request(device="cpu", with_std=True, dtype=np.float32)
    kind = np.dtype(np.float32)
    with ArraySink(stack.layout, kind) as ours, ArraySink(stack.layout, kind) as std:
        for _ in denoiser.restore(stack, ours, request, std_sink=std):
            pass
    known: tuple[float | None, float | None] = (None, None)
    if scan.truth is not None:
        known = psnr(scan.truth, average), psnr(scan.truth, ours.array)
    return [
        Row(
            f"{scan.name}, frame {t}" if len(scan.shown) > 1 else scan.name,
            scan.sparse[t], average[t], ours.array[t], std.array[t], scan.full[t],
            scan.full_is, known,
        )
        for t in scan.shown
    ]  # fmt: skip


def draw(found: list[Row], edge: int | None = EDGE) -> Image.Image:
    """Put panels side by side, a line of text above each."""
    shape = found[0].full.shape
    height, width = (min(n, edge or n) for n in shape)
    middle = tuple(
        slice((n - m) // 2, (n - m) // 2 + m)
        for n, m in zip(shape, (height, width), strict=True)
    )
    high, wide = ZOOM * height + LINE + GAP, ZOOM * width + GAP
    image = Image.new("RGB", (5 * wide - GAP, high * len(found) - GAP), "white")
    pen = ImageDraw.Draw(image)
    for k, row in enumerate(found):
        low, top = np.percentile(row.ours, (0.5, 99.8))
        brightest = float(np.percentile(row.std, MOST))
        names = (
            row.name,
            _named("averaged", row.decibels[0]),
            _named("reconstructed", row.decibels[1]),
            "its standard deviation",
            row.full_is,
        )
        panels = row.sparse, row.average, row.ours, row.std, row.full
        for place, (name, frame) in enumerate(zip(names, panels, strict=True)):
            ends = (0.0, brightest) if frame is row.std else (low, top)
            panel = _panel(frame[middle], *ends)
            panel = panel.resize(
                (ZOOM * width, ZOOM * height), Image.Resampling.NEAREST
            )
            image.paste(panel, (place * wide, k * high + LINE))
            pen.text((place * wide + 1, k * high + 1), name, fill="black")
    return image


def _named(what: str, decibels: float | None) -> str:
    return what if decibels is None else f"{what}, {decibels:.1f} dB"


def _panel(frame: Frames, low: float, high: float) -> Image.Image:
    """Grey levels, and a colour where there are none."""
    share = np.clip((frame - low) / (high - low), 0, 1)
    grey = np.nan_to_num(255 * share).astype(np.uint8)
    colours = np.repeat(grey[..., None], 3, axis=-1)
    colours[~np.isfinite(frame)] = UNSEEN
    return Image.fromarray(colours)


def main() -> None:
    """Draw every picture that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=PICTURES)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    set_up(options.threads)
    print(machine(), flush=True)
    made = partial(rows, steps=options.steps)
    for name in options.only:
        found = [row for scan in PICTURES[name](options.data) for row in made(scan)]
        edge = None if name == "borders" else EDGE
        picture = draw(found, edge).quantize(128)
        picture.save(options.folder / f"reconstruct-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
