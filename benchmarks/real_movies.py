"""Denoise real movies with one command each, and keep what it printed and a picture.

Runs ``napari-udvd denoise MOVIE -o RESULT --minutes M --dtype float32`` on every
movie, writes all that the commands printed into one text file, and for each movie a
picture of the middle frame: noisy, denoised, and the residual, which is what was taken
away. It is drawn in units of the noise that was measured in the movie, from -3 to 3
standard deviations around mid grey: where it shows the specimen, signal was taken for
noise.

One movie is also denoised with a hole of a single pixel, to show what that does where
the noise of neighbours is correlated.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

import napari_udvd as nu
from benchmarks.common import DATA, REPOSITORY, machine, progress, real_movie
from napari_udvd.formats import read_record
from napari_udvd.inference.scaling import Calibration
from napari_udvd.models import build_network
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

Frame = npt.NDArray[np.float32]

AUTO = "auto"
"""The hole that the diagnosis chooses."""


class Subject(NamedTuple):
    """What a picture shows.

    Attributes
    ----------
    file
        The movie.
    holes
        It is denoised with each of them.
    """

    file: str
    holes: tuple[str, ...] = (AUTO,)


TWO_PHOTON = "allen_2p_movie_100x100x100.tif"

SUBJECTS = {
    "frap": Subject("embl_frap_70x512x512.tif"),
    "two-photon": Subject(TWO_PHOTON),
    "two-photon-holes": Subject(TWO_PHOTON, ("1x1", AUTO)),
    "stem": Subject("hyperspy_stem_abf_movie_5x512x512.hspy"),
    "beads": Subject("pims_stuck_beads_5x512x512.tif"),
    "two-channels": Subject("neubias_NPCsingleNucleus_15x2x180x183.tif"),
    "ecoli": Subject("arcadia_ecoli_timelapse_53x64x64.nd2"),
}
"""By the name of the picture."""

CROP = 256
"""Largest rows and columns of a frame that a picture shows."""

PANEL = 512
"""Rows and columns that crops are magnified to, at most."""

REACH = 3.0
"""Residual that is drawn black or white, in standard deviations of the noise."""

LINE = 24
"""Height of a line of text."""

GAP = 4


@dataclass(frozen=True)
class Run:
    """A movie that was denoised.

    Attributes
    ----------
    movie, result
        Files.
    text
        The command, and what it printed.
    seconds
        It took so long, start and files included.
    """

    movie: Path
    result: Path
    text: str
    seconds: float

    @property
    def _record(self) -> dict[str, Any]:
        """What the result says of how it was made."""
        if (record := read_record(self.result)) is None:
            raise ValueError(f"{self.result} does not say how it was made")
        return record

    @property
    def network(self) -> str:
        """What users call the network, its hole, and the time."""
        network = dict(self._record["network"])
        net = build_network(network.pop("name"), network)
        hole = "x".join(map(str, net.hole))
        return f"{net.title}, hole {hole}, {self.seconds:.0f} s"

    def noise_std(self, frame: Frame, channel: int) -> Frame:
        """Return the noise of each pixel of a denoised frame, standard deviations."""
        values = self._record["calibrations"][channel]
        variance = Calibration.from_dict(values).noise.variance(frame)
        return np.sqrt(variance, dtype=np.float32, casting="same_kind")


Panel = tuple[str, Image.Image] | None
"""Title and image; None leaves its place free."""


def denoise(movie: Path, result: Path, arguments: Sequence[str]) -> Run:
    """Run the command line beside the movie."""
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
    return Run(movie, result, text, took)


def draw(name: str, runs: Sequence[Run]) -> Image.Image:
    """Draw the middle frame; a movie that was denoised twice shows both side by side.

    Parameters
    ----------
    name
        What it is.
    runs
        Of the same movie.
    """
    stack = nu.open(runs[0].movie)
    frame, z = stack.n_frames // 2, stack.n_planes // 2
    rows: list[list[Panel]] = []
    for c in range(stack.n_channels):
        noisy = stack.read(frame, Plane(c, z))[0].astype(np.float32)
        where = _busiest(gaussian_filter(noisy, 2))
        results, residuals = [], []
        for run in runs:
            found = nu.open(run.result).read(frame, Plane(c, z))[0].astype(np.float32)
            results.append(found[where])
            residuals.append(((noisy - found) / run.noise_std(found, c))[where])
        channel = f", channel {c + 1}" if stack.n_channels > 1 else ""
        rows += _panels(
            channel,
            noisy[where],
            results,
            residuals,
            [run.network for run in runs] if len(runs) > 1 else ["denoised"],
        )
    heading = name if len(runs) > 1 else f"{name}: {runs[0].network}"
    return _sheet(heading, rows)


def _panels(
    channel: str,
    noisy: Frame,
    results: Sequence[Frame],
    residuals: Sequence[Frame],
    titles: Sequence[str],
) -> list[list[Panel]]:
    """Residuals beside a single result, else below each of them."""
    # smoothed, so that the scale is neither that of the noise nor of the result
    low, high = np.percentile(gaussian_filter(noisy, 1), (0.5, 99.8))
    row: list[Panel] = [(f"noisy{channel}", _grey(noisy, low, high))]
    row += [
        (title, _grey(image, low, high))
        for title, image in zip(titles, results, strict=True)
    ]
    taken: list[Panel] = [
        (f"residual, ±{REACH:g} noise std", _grey(image, -REACH, REACH))
        for image in residuals
    ]
    return [row + taken] if len(results) == 1 else [row, [None, *taken]]


def _sheet(heading: str, rows: Sequence[Sequence[Panel]]) -> Image.Image:
    """Put panels of one size below a heading."""
    width, height = next(p[1].size for row in rows for p in row if p is not None)
    columns = max(map(len, rows))
    size = (
        columns * (width + GAP) - GAP,
        LINE + len(rows) * (LINE + height + GAP) - GAP,
    )
    sheet = Image.new("L", size, 255)
    pen = ImageDraw.Draw(sheet)
    pen.text((4, 2), heading, fill=0, font_size=16)
    for i, row in enumerate(rows):
        for k, panel in enumerate(row):
            if panel is not None:
                x, y = k * (width + GAP), LINE + i * (LINE + height + GAP)
                pen.text((x + 4, y + 2), panel[0], fill=0, font_size=16)
                sheet.paste(panel[1], (x, y + LINE))
    return sheet


def _busiest(frame: Frame) -> tuple[slice, slice]:
    """Crop with the most structure."""

    def starts(length: int) -> range:
        return range(0, max(length - CROP, 0) + 1, CROP // 8)

    def crop(y: int, x: int) -> tuple[slice, slice]:
        return slice(y, y + CROP), slice(x, x + CROP)

    crops = [crop(y, x) for y in starts(frame.shape[0]) for x in starts(frame.shape[1])]
    return max(crops, key=lambda where: float(frame[where].std()))


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
    parser.add_argument("--minutes", type=float, default=1.0, help="for each movie")
    parser.add_argument("--movies", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--keep", type=Path, help="folder to keep the results in")
    parser.add_argument(
        "--docs",
        type=Path,
        default=REPOSITORY / "docs",
        help="gets real-movies.txt, and the pictures in images/",
    )
    parser.add_argument(
        "--options",
        default="",
        help='more for the command; one of several words as in --options="--width 8"',
    )
    options = parser.parse_args()
    sources = {
        name: real_movie(SUBJECTS[name].file, options.data) for name in options.movies
    }
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    runs: dict[tuple[str, str], Run] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            for hole in SUBJECTS[name].holes:
                if (source.name, hole) in runs:
                    continue
                progress(f"{name}, hole {hole}")
                movie = folder / source.name
                shutil.copyfile(source, movie)
                suffix = "" if hole == AUTO else f"-{hole}"
                result = folder / f"{name}{suffix}.ome.tif"
                # in integers, rounding would show in the residual
                arguments = ["--minutes", f"{options.minutes:g}", "--dtype", "float32"]
                if hole != AUTO:
                    arguments += ["--hole", hole]
                run = denoise(movie, result, arguments + options.options.split())
                runs[source.name, hole] = run
                progress(run.text)
            shown = [runs[source.name, hole] for hole in SUBJECTS[name].holes]
            picture = draw(name, shown)
            picture.save(options.docs / "images" / f"{name}.png", optimize=True)
    print(machine())
    texts = [machine() + "\n", *(run.text for run in runs.values())]
    (options.docs / "real-movies.txt").write_text("\n".join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
