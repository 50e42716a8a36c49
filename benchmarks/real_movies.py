"""Denoise real movies with one command each, and keep what it printed and a picture.

Runs ``napari-udvd denoise MOVIE -o RESULT --minutes M`` on every movie, writes all
that the commands printed into one text file, and for each movie a picture of the
middle frame: noisy, denoised, and what was taken away.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

import napari_udvd as nu
from common import DATA, REPOSITORY, machine, progress, real_movie
from napari_udvd.stack import Plane

Frame = npt.NDArray[np.float32]

MOVIES = {
    "frap": "embl_frap_70x512x512.tif",
    "two-photon": "allen_2p_movie_100x100x100.tif",
    "stem": "hyperspy_stem_abf_movie_5x512x512.hspy",
    "two-channels": "neubias_NPCsingleNucleus_15x2x180x183.tif",
    "ecoli": "arcadia_ecoli_timelapse_53x64x64.nd2",
}

CROP = 256
"""Largest rows and columns of a frame that a picture shows."""

PANEL = 512
"""Rows and columns that crops are magnified to, at most."""

TITLE = 24
"""Height of the line with the titles."""

GAP = 4


def denoise(movie: Path, result: Path, arguments: list[str]) -> str:
    """Run the command line beside the movie; return what a terminal would show."""
    command = ["denoise", movie.name, "-o", result.name, *arguments]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "napari_udvd", *command],
        cwd=movie.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "88"},
    )
    took = time.perf_counter() - began
    # a progress bar in a file is a line that was overwritten many times
    shown = [line.rsplit("\r", 1)[-1] for line in done.stdout.split("\n")]
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(shown)).strip()
    text = f"$ napari-udvd {' '.join(command)}\n{printed}\n"
    text += f"(exit code {done.returncode}, {took:.0f} s)\n"
    if done.returncode:
        sys.exit(text)
    return text


def draw(movie: Path, result: Path) -> Image.Image:
    """Draw the middle frame: a row of panels for each channel."""
    noisy, denoised = nu.open(movie), nu.open(result)
    frame, z = noisy.n_frames // 2, noisy.n_planes // 2
    rows = []
    for c in range(noisy.n_channels):
        before, after = (
            stack.read(frame, Plane(c, z))[0].astype(np.float32)
            for stack in (noisy, denoised)
        )
        where = _busiest(gaussian_filter(before, 2))
        rows.append(_panels(before[where], after[where]))
    width = rows[0].width
    picture = Image.new("L", (width, TITLE + sum(r.height + GAP for r in rows)), 255)
    pen = ImageDraw.Draw(picture)
    titles = ("noisy", "denoised", "difference")
    for k, title in enumerate(titles):
        pen.text((k * (width + GAP) // 3 + 4, 2), title, fill=0, font_size=16)
    y = TITLE
    for row in rows:
        picture.paste(row, (0, y))
        y += row.height + GAP
    return picture


def _busiest(frame: Frame) -> tuple[slice, slice]:
    """Crop with the most structure."""

    def starts(length: int) -> range:
        return range(0, max(length - CROP, 0) + 1, CROP // 8)

    def crop(y: int, x: int) -> tuple[slice, slice]:
        return slice(y, y + CROP), slice(x, x + CROP)

    crops = [crop(y, x) for y in starts(frame.shape[0]) for x in starts(frame.shape[1])]
    return max(crops, key=lambda where: float(frame[where].std()))


def _panels(noisy: Frame, denoised: Frame) -> Image.Image:
    """Noisy and denoised on one grey scale; the difference around mid grey."""
    # smoothed, so that the scale is neither that of the noise nor of the result
    low, high = np.percentile(gaussian_filter(noisy, 1), (0.5, 99.8))
    difference = noisy - denoised
    reach = max(3 * float(difference.std()), 1e-6)
    images = [
        _grey(noisy, low, high),
        _grey(denoised, low, high),
        _grey(difference, -reach, reach),
    ]
    width, height = images[0].size
    row = Image.new("L", (3 * width + 2 * GAP, height), 255)
    for k, image in enumerate(images):
        row.paste(image, (k * (width + GAP), 0))
    return row


def _grey(frame: Frame, low: float, high: float) -> Image.Image:
    scaled = np.clip((frame - low) / max(high - low, 1e-12), 0, 1) * 255
    image = Image.fromarray(scaled.astype(np.uint8))
    times = max(PANEL // max(frame.shape), 1)
    size = image.width * times, image.height * times
    return image.resize(size, Image.Resampling.NEAREST)


def main() -> None:
    """Run every movie."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=3.0, help="for each movie")
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=list(MOVIES))
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--keep", type=Path, help="folder to keep the results in")
    parser.add_argument(
        "--docs",
        type=Path,
        default=REPOSITORY / "docs",
        help="gets real-movies.txt, and the pictures in images/",
    )
    parser.add_argument(
        "--options", default="", help='more for the command, such as "--width 8"'
    )
    options = parser.parse_args()
    sources = {name: real_movie(MOVIES[name], options.data) for name in options.movies}
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    texts = [machine() + "\n"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            progress(name)
            movie, result = folder / source.name, folder / f"{name}.ome.tif"
            shutil.copyfile(source, movie)
            arguments = ["--minutes", f"{options.minutes:g}", *options.options.split()]
            texts.append(denoise(movie, result, arguments))
            progress(texts[-1])
            picture = draw(movie, result)
            picture.save(options.docs / "images" / f"{name}.png", optimize=True)
    (options.docs / "real-movies.txt").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
