"""Peak memory of denoising movies of different length, as the command line does it.

Writes movies as OME-Zarr, chunk by chunk, saves an untrained narrow network (memory
does not depend on what it has learned), and runs ``napari-udvd apply`` on each movie
in a fresh process. The last line is what the program needs before it reads anything.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import zarr

from benchmarks.builds import Build, Failed
from benchmarks.common import REPOSITORY, machine, progress, table
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models import STBN, UDVD, Network

SOURCES = 16
"""Noise frames that a movie repeats, each time shifted by one row more."""

SUFFIXES = ("ome.zarr", "ome.tif")


def write_movie(path: Path, frames: int, size: int) -> None:
    """Write a noisy movie ``(T, Y, X)`` of uint16, one frame per chunk."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    light = 40 + 30 * np.sin(9 * x) * np.sin(7 * y)
    sources = rng.poisson(light, (SOURCES, size, size)).astype(np.uint16)
    movie = zarr.create_array(
        path, shape=(frames, size, size), chunks=(1, size, size), dtype=np.uint16
    )
    for t in range(frames):
        movie[t] = 100 + np.roll(sources[t % SOURCES], t // SOURCES, axis=1)


def peak_of(arguments: list[str]) -> tuple[float, float]:
    """Run the command line in a fresh process; return its peak in MB and seconds."""
    build = Build(REPOSITORY, threads=os.cpu_count() or 1, allocator="own")
    try:
        found = build.probe("command", *arguments)
    except Failed as error:
        sys.exit(str(error))
    return found["peak"], found["wall"]


def main() -> None:
    """Measure every length, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 2000])
    parser.add_argument("--size", type=int, default=512, help="of a frame, in pixels")
    parser.add_argument("--network", choices=("udvd", "stbn"), default="udvd")
    parser.add_argument("--width", type=int, help="of the network, or features")
    parser.add_argument("--output", choices=SUFFIXES, default=SUFFIXES[0])
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.safetensors"
        torch.manual_seed(0)
        if options.network == "stbn":
            net: Network = STBN(features=options.width or 2, modules=1, blocks=1)
        else:
            net = UDVD(width=options.width or 1, likelihood=True)
        Denoiser(net.eval(), ()).save(model)
        for frames in options.frames:
            movie = folder / f"{frames}.zarr"
            result = folder / f"result-{frames}.{options.output}"
            progress(f"writing {frames} frames")
            write_movie(movie, frames, options.size)
            arguments = [str(model), str(movie), "-o", str(result), "--axes", "TYX"]
            peak, seconds = peak_of(["apply", *arguments])
            bytes_in = 2 * frames * options.size**2
            rows.append(
                (
                    f"{frames:,} frames",
                    f"{bytes_in / 1e6:,.0f}",
                    f"{peak:,.0f}",
                    f"{seconds:.0f}",
                )
            )
            progress(" ".join(rows[-1]))
        peak, seconds = peak_of(["apply", "--help"])
        rows.append(("nothing", "0", f"{peak:,.0f}", f"{seconds:.0f}"))
    print(machine())
    print(f"\n### {options.size} x {options.size}, {options.network}, {net.size}\n")
    print(table(("", "movie, MB", "peak memory, MB", "s"), rows))


if __name__ == "__main__":
    main()
