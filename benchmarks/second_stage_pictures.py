"""Pictures of what the second stage and the teaching of dim movies change.

    python -m benchmarks.second_stage_pictures docs/images/second-stage.png
    python -m benchmarks.second_stage_pictures two-photon.png --movies movie.tif

One row for a movie, a file or one of those with known truth: a noisy frame, the result
of the network alone, that of the whole program, the difference of both in units of the
noise, and the truth where there is one. Both networks take as many steps, from the same
random numbers. With a known truth the PSNR is written beside the name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress
from benchmarks.movies import MOVIES
from napari_udvd import metrics

EDGE, ZOOM, GAP, LINE = 160, 2, 6, 20
"""Rows and columns that are shown, their size on the picture, and what lies between."""

RANGE = 0.5
"""Difference that is black or white, in standard deviations of the noise."""

Frames = npt.NDArray[np.float32]


class Row(NamedTuple):
    """What is known of a movie.

    Attributes
    ----------
    name
        Of the movie.
    noisy, alone, whole
        ``(T, Y, X)``: measured, by the network alone, by the whole program.
    noise
        Standard deviation of the noise, grey levels.
    truth
        None where nobody knows it.
    """

    name: str
    noisy: Frames
    alone: Frames
    whole: Frames
    noise: float
    truth: Frames | None


def restored(stack: nu.Stack, steps: int, is_whole: bool) -> Frames:
    """Train on a movie, and denoise it."""
    denoiser = nu.train(stack, steps=steps, seed=0, distil=None if is_whole else False)
    result = denoiser.denoise(stack, events=is_whole, refine=is_whole, dtype=np.float32)
    return np.asarray(result).reshape(stack.n_frames, *stack.frame_shape)


def row(name: str, options: argparse.Namespace) -> Row:
    """Denoise a movie twice."""
    truth = None
    if name in MOVIES:
        movie = MOVIES[name](options.data)
        truth, stack = movie.truth, nu.Stack.from_array(movie.noisy, "TYX")
    else:
        stack = nu.open(name)
    progress(f"{name}: {stack.n_frames} frames")
    alone = restored(stack, options.steps, is_whole=False)
    whole = restored(stack, options.steps, is_whole=True)
    noisy = np.asarray(stack.read(), np.float32).reshape(whole.shape)
    noise = float(np.std(noisy - whole))
    return Row(Path(name).stem, noisy, alone, whole, noise, truth)


def panels(found: Row) -> list[tuple[str, Frames]]:
    """Return titles and what is shown below them, from 0 to 1."""
    peak = (
        None if found.truth is None else np.ptp(np.percentile(found.truth, (0.1, 99.9)))
    )

    def titled(title: str, movie: Frames) -> str:
        if found.truth is None or peak is None:
            return title
        return f"{title}, {metrics.psnr(found.truth, movie, peak=float(peak)):.2f} dB"

    at = len(found.noisy) // 2
    low, high = np.percentile(found.whole[at], (0.5, 99.8))
    shown = [
        (titled(f"{found.name}, noisy", found.noisy), found.noisy),
        (titled("network alone", found.alone), found.alone),
        (titled("whole program", found.whole), found.whole),
    ]
    if found.truth is not None:
        shown.append(("truth", found.truth))
    scaled = [(title, (movie[at] - low) / (high - low)) for title, movie in shown]
    difference = (found.whole[at] - found.alone[at]) / (found.noise * 2 * RANGE) + 0.5
    return [*scaled, (f"difference, ±{RANGE:g} std of the noise", difference)]


def drawn(rows: list[Row]) -> Image.Image:
    """Lay the rows out below one another."""
    cell, font = ZOOM * EDGE, ImageFont.load_default(size=13)
    whole = Image.new(
        "RGB",
        (5 * (cell + GAP) - GAP, len(rows) * (cell + LINE + GAP) - GAP),
        "white",
    )
    pen = ImageDraw.Draw(whole)
    for k, found in enumerate(rows):
        top = k * (cell + LINE + GAP)
        for n, (title, frame) in enumerate(panels(found)):
            rows_from, columns_from = (
                (size - min(size, EDGE)) // 2 for size in frame.shape
            )
            part = frame[rows_from:, columns_from:][:EDGE, :EDGE]
            grey = Image.fromarray(np.uint8(255 * np.clip(part, 0, 1)))
            scale = cell / max(part.shape)
            size = round(scale * grey.width), round(scale * grey.height)
            whole.paste(
                grey.resize(size, Image.Resampling.NEAREST),
                (n * (cell + GAP), top + LINE),
            )
            pen.text((n * (cell + GAP) + 2, top + 2), title, fill="black", font=font)
    return whole


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--movies",
        nargs="+",
        default=["tem", "e-coli", str(DATA / "allen_2p_movie_100x100x100.tif")],
        help=f"files, or names: {', '.join(MOVIES)}",
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    drawn([row(name, options) for name in options.movies]).save(options.output)


if __name__ == "__main__":
    main()
