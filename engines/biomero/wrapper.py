"""What BIOMERO starts: denoise every movie of a folder into another folder.

BIOMERO brings images from OMERO into ``--infolder``, starts the container with the
parameters of ``descriptor.json``, and takes what is in ``--outfolder`` back. A folder
of ground truth and the switches of BIAFLOWS are part of its call and have no meaning
here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SUFFIX = ".ome.tif"
"""Of the results: what OMERO imports."""

MOVIES = (".tif", ".tiff", ".zarr")


def main(arguments: list[str] | None = None) -> int:
    """Denoise the movies, and return the exit code of the command line."""
    asked = _parser().parse_args(arguments)
    movies = sorted(
        path
        for path in asked.infolder.iterdir()
        if path.suffix.lower() in MOVIES and not path.name.startswith(".")
    )
    if not movies:
        print(f"{str(asked.infolder)!r} has no movies ({', '.join(MOVIES)})")
        return 2
    asked.outfolder.mkdir(parents=True, exist_ok=True)
    codes = [_denoise(movie, asked) for movie in movies]
    return max(codes)


def _denoise(movie: Path, asked: argparse.Namespace) -> int:
    """Denoise one movie; the others are worth having where it fails."""
    name = movie.name.split(".", maxsplit=1)[0]
    command = [
        *(sys.executable, "-m", "napari_udvd", "denoise", movie),
        *("-o", asked.outfolder / f"{name}{SUFFIX}", "--overwrite"),
        *("--minutes", asked.minutes, "--model", asked.network),
        *("--device", asked.device),
    ]
    if asked.axes != "file":
        command += ["--axes", asked.axes]
    return subprocess.run([str(word) for word in command], check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--infolder", type=Path, required=True, help="noisy movies")
    parser.add_argument("--outfolder", type=Path, required=True, help="for results")
    parser.add_argument("--gtfolder", type=Path, help="not used")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--network", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--axes", default="file")
    parser.add_argument("--local", action="store_true", help="not used")
    parser.add_argument("-nmc", action="store_true", help="not used")
    return parser


if __name__ == "__main__":
    sys.exit(main())
