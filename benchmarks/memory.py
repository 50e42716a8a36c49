"""Peak memory of denoising movies of different length, as the command line does it.

    python -m benchmarks.memory                    # UDVD, as narrow as can be
    python -m benchmarks.memory --network fast --curve memory.png

Writes movies as OME-Zarr, chunk by chunk, saves a network and runs ``napari-udvd
apply`` on each movie in a fresh process. *Fast* has the shipped weights; others are
untrained (memory does not depend on what they have learned). The last line is a movie
of next to nothing, :data:`LEAST`: what the program needs by itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import zarr

from benchmarks.builds import Build, Failed
from benchmarks.common import REPOSITORY, chart, machine, progress, table
from benchmarks.watching import PeakMemory
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models import STBN, UDVD
from napari_udvd.models.catalogue import build_network, specs
from napari_udvd.training.warm_start import warm_start

SOURCES = 16
"""Noise frames that a movie repeats, each time shifted by one row more."""

LEAST = 8, 32
"""Frames, and rows and columns, of a movie that takes no memory."""

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


class Run(NamedTuple):
    """What the command line needed.

    Attributes
    ----------
    peak
        Memory, MB.
    seconds
        From the start of the process to its end.
    course
        Seconds and MB, several times a second.
    """

    peak: float
    seconds: float
    course: list[tuple[float, float]]


def run(arguments: list[str]) -> Run:
    """Run the command line in a fresh process."""
    build = Build(REPOSITORY, threads=os.cpu_count() or 1, allocator="own")
    try:
        with PeakMemory(os.getpid(), 0.2, itself=False) as watched:
            found = build.probe("command", *arguments)
    except Failed as error:
        sys.exit(str(error))
    return Run(found["peak"], found["wall"], watched.course)


def network(name: str, width: int | None) -> Denoiser:
    """Make a model."""
    torch.manual_seed(0)
    if name == "fast":
        spec = next(spec for spec in specs().values() if spec.weights)
        net = build_network(spec.name, spec.settings().model_dump())
        warm_start(net)
    elif name == "stbn":
        net = STBN(features=width or 2, modules=1, blocks=1)
    else:
        net = UDVD(width=width or 1, likelihood=True)
    return Denoiser(net.eval(), ())


def draw(runs: dict[str, Run], path: Path) -> None:
    """Draw memory over time, a line for each movie."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, found in runs.items():
        seconds, mb = zip(*found.course, strict=True)
        axes.plot(seconds, mb, label=name, linewidth=1)
    axes.set(xlabel="seconds", ylabel="resident memory, MB", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure every length, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 2000])
    parser.add_argument("--size", type=int, default=512, help="of a frame, in pixels")
    networks = ("udvd", "stbn", "fast")
    parser.add_argument("--network", choices=networks, default=networks[0])
    parser.add_argument("--width", type=int, help="of the network, or features")
    parser.add_argument("--output", choices=SUFFIXES, default=SUFFIXES[0])
    parser.add_argument("--curve", type=chart, help="gets memory over time, as PNG")
    options = parser.parse_args()
    rows, runs = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.safetensors"
        denoiser = network(options.network, options.width)
        denoiser.save(model)
        for frames, size in [*((n, options.size) for n in options.frames), LEAST]:
            what = f"{frames:,} frames of {size} x {size}"
            progress(what)
            movie = folder / f"{frames}x{size}.zarr"
            result = folder / f"result-{frames}x{size}.{options.output}"
            write_movie(movie, frames, size)
            arguments = [str(model), str(movie), "-o", str(result), "--axes", "TYX"]
            found = runs[what] = run(["apply", *arguments])
            rows.append(
                (
                    what,
                    f"{2 * frames * size**2 / 1e6:,.0f}",
                    f"{found.peak:,.0f}",
                    f"{found.seconds:.0f}",
                )
            )
            progress(" ".join(rows[-1]))
    print(machine())
    print(f"\n### {options.network}, {denoiser.net.size}\n")
    print(table(("", "movie, MB", "peak memory, MB", "s"), rows))
    if options.curve:
        draw(runs, options.curve)


if __name__ == "__main__":
    main()
