"""Many movies on many workers: speed, memory, what a lost worker costs.

    python -m benchmarks.scale                    # all parts, about half an hour
    python -m benchmarks.scale --parts speed kills
    python -m benchmarks.scale --parts long --frames 1000

Four parts, each of which prints a table:

speed   Movies on two workers of one thread each, against one process with both cores;
        and the memory of the coordinator, which must not grow with their number.
kills   A worker is killed in every quarter of a batch: what is repeated, and the bytes
long    One long movie from OME-Zarr to OME-Zarr: memory of workers and coordinator.
plan    1,000 movies on 64 workers, with 1 % of the units losing their worker: the
        schedule that batches follow, run by a simulated clock. Once with the times of
        real movies, which are small, and once with these times stretched such that
        their median is what a training takes, a minute or `--typical` seconds.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.common import machine, progress, set_up, table
from napari_udvd.formats import create
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration
from napari_udvd.jobs import ApplyModel, Batch, restore_files
from napari_udvd.jobs.events import MovieDone, MovieStarted, MovieTold
from napari_udvd.models import build_network
from napari_udvd.noise import NoiseModel
from napari_udvd.runtime.cluster import computing_on
from napari_udvd.runtime.schedule import Schedule
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORKERS = 2

CAMERA = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)

RESTART_SECONDS = 30.0
"""Until a worker that was lost is replaced, in the plan."""

REPEATED = 40
"""Frames that a long movie is made of, over and over: drawing them takes longest."""


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = ("speed", "kills", "long", "plan")
    parser.add_argument("--parts", nargs="+", choices=every, default=every)
    parser.add_argument("--movies", type=int, default=8, help="of a batch")
    parser.add_argument("--frames", type=int, default=10_000, help="of the long movie")
    parser.add_argument("--side", type=int, default=512, help="of the long movie, px")
    parser.add_argument("--each", type=int, default=64, help="frames of other movies")
    parser.add_argument("--edge", type=int, default=192, help="of other movies, px")
    parser.add_argument(
        "--typical", type=float, default=60.0, help="median of a facility's movies, s"
    )
    parser.add_argument("--turns", type=int, default=1, help="the best of so many")
    parser.add_argument(
        "--precision",
        choices=("float32", "auto"),
        default="float32",
        help="of the long movie: auto is what users get",
    )
    parser.add_argument("--folder", type=Path, help="where movies are written")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(coordinate(**options.one)))
        return
    set_up(1)
    print(machine(), flush=True)
    with TemporaryDirectory(dir=options.folder) as folder:
        for part in options.parts:
            print(f"\n{PARTS[part](options, Path(folder))}", flush=True)


# --- parts ----------------------------------------------------------------------------


def speed(options: argparse.Namespace, folder: Path) -> str:
    """Compare a batch on two workers with one in this process."""
    rows = []
    for count in sorted({max(options.movies // 2, 2), max(options.movies, 2)}):
        files = movies(folder / f"speed-{count}", count, options)
        best: dict[int, dict[str, float]] = {}
        for turn in range(options.turns):
            for workers in (0, WORKERS) if turn % 2 == 0 else (WORKERS, 0):
                found = apart(files, folder / f"out-{count}-{workers}-{turn}", workers)
                known = best.setdefault(workers, found)
                if found["seconds"] < known["seconds"]:
                    best[workers] = found
        here, there = best[0], best[WORKERS]
        rows.append(
            (
                f"{count} movies",
                f"{here['seconds']:.1f}",
                f"{there['seconds']:.1f}",
                f"{here['seconds'] / there['seconds']:.2f}",
                f"{here['mb']:.0f}",
                f"{there['mb']:.0f}",
            )
        )
    header = (
        f"{options.each} frames of {options.edge} x {options.edge}",
        "one process, 2 threads, s",
        "2 workers, 1 thread each, s",
        "ratio",
        "memory of the process, MB",
        "memory of the coordinator, MB",
    )
    return table(header, rows)


def kills(options: argparse.Namespace, folder: Path) -> str:
    """Kill a worker in every quarter of a batch."""
    files = movies(folder / "kills", options.movies, options)
    job = ApplyModel(denoiser=model(), request=REQUEST)
    whole = folder / "kills-whole"
    for _ in restore_files(files, whole, job):
        pass
    rows = []
    for quarter in range(4):
        output = folder / f"kills-{quarter}"
        at = quarter * len(files) // 4 + 1
        with computing_on(workers=WORKERS) as client:
            batch = Batch(files=tuple(files), output=output, job=job, client=client)
            begun = list(_with_a_kill(client, batch, at))
        repeated = sum(event.is_repeated for event in begun)
        same = _content(output) == _content(whole)
        rows.append(
            (f"quarter {quarter + 1}", len(files), repeated, "yes" if same else "NO")
        )
    return table(("a worker is killed in", "movies", "repeated", "same bytes"), rows)


def _with_a_kill(client: Any, batch: Batch, at: int) -> Iterator[MovieStarted]:
    """Run a batch; kill whoever denoises the movie that is begun as number `at`."""
    pids, count, victim = client.run(os.getpid), 0, None
    for event in batch.run():
        if isinstance(event, MovieStarted):
            count += 1
            if count == at:
                victim = event
            yield event
        elif isinstance(event, MovieTold) and victim and event.file == victim.file:
            os.kill(pids[victim.where], signal.SIGKILL)
            victim = None


def long(options: argparse.Namespace, folder: Path) -> str:
    """Share one long movie out."""
    movie = folder / "long.ome.zarr"
    progress(f"writing {options.frames} frames of {options.side} x {options.side}")
    block = drawn(min(REPEATED, options.frames), options.side, 0)
    like = Stack.from_array(
        np.broadcast_to(block[:1], (options.frames, *block.shape[1:])), "TYX"
    )
    with create(movie, like=like, dtype=block.dtype, record={}) as sink:
        for start in range(0, options.frames, len(block)):
            sink.write(block[: options.frames - start], start)
    result = folder / "long-result.ome.zarr"
    found = apart([movie], result, WORKERS, options.precision)
    rate = options.frames / found["seconds"]
    header = (
        "Zarr to Zarr on 2 workers",
        "seconds",
        "frames a second",
        "largest worker, MB",
        "coordinator, MB",
    )
    what = f"{options.frames} frames of {options.side} x {options.side}"
    numbers = (f"{found['seconds']:.0f}", f"{rate:.1f}")
    return table(
        header, [(what, *numbers, f"{found['worker_mb']:.0f}", f"{found['mb']:.0f}")]
    )


def plan(options: argparse.Namespace, folder: Path) -> str:
    """Follow the schedule of batches by a simulated clock."""
    files = movies(folder / "plan", max(options.movies // 2, 2), options)
    job = ApplyModel(denoiser=model(), request=REQUEST)
    batch = Batch(files=tuple(files), output=folder / "plan-out", job=job)
    measured = [e.seconds for e in batch.run() if isinstance(e, MovieDone)]
    middle = statistics.median(measured)
    stretched = [options.typical / middle * each for each in measured]
    times = (
        (f"{middle:.2f} s, measured", measured),
        (f"{options.typical:g} s, the same stretched", stretched),
    )
    rows = []
    for unit, seconds in times:
        for name, spread in (("all alike", 0.0), ("0.5 to 8 times as long", 1.0)):
            for failures in (0.0, 0.01):
                found = simulated(seconds, 1000, 64, failures, spread)
                rows.append(
                    (
                        name,
                        unit,
                        f"{100 * failures:.0f} %",
                        f"{found.repeated}",
                        f"{found.given_up}",
                        f"{found.efficiency:.3f}",
                    )
                )
    header = (
        "1,000 movies, 64 workers",
        "median of a movie",
        "lost",
        "repeated",
        "given up",
        "efficiency",
    )
    return table(header, rows)


PARTS = {"speed": speed, "kills": kills, "long": long, "plan": plan}


# --- a simulated clock ----------------------------------------------------------------


@dataclass(frozen=True)
class Simulated:
    """What came of a schedule.

    Attributes
    ----------
    efficiency
        Time that the movies take, over that of all workers until the last is done.
    repeated, given_up
        Movies.
    """

    efficiency: float
    repeated: int
    given_up: int


def simulated(
    measured: Sequence[float],
    movies: int,
    workers: int,
    failures: float,
    spread: float,
    seed: int = 0,
) -> Simulated:
    """Run the rules of :mod:`napari_udvd.runtime.schedule` by a clock of our own.

    Parameters
    ----------
    measured
        Seconds of real movies, which others are drawn from.
    movies, workers
        How many.
    failures
        Share of the beginnings whose worker is lost, at any time before the end. It
        comes back under another name after `RESTART_SECONDS`.
    spread
        How unlike movies are: 0 for as measured, 1 for times from half to eightfold.
    seed
        Of the random numbers.
    """
    rng = random.Random(seed)
    seconds = {
        k: rng.choice(measured) * 2 ** (spread * rng.uniform(-1, 3))
        for k in range(movies)
    }
    schedule: Schedule[int] = Schedule(seconds)
    there = {f"worker-{k}": 1 for k in range(workers)}
    coming: list[tuple[float, int, str, Any]] = []
    order = iter(range(10**9))
    now, repeated, given_up, names = 0.0, 0, 0, workers
    while not schedule.is_over:
        for unit, worker in schedule.place(there):
            if rng.random() < failures:
                at = now + rng.random() * seconds[unit]
                heapq.heappush(coming, (at, next(order), "lost", worker))
            else:
                at = now + seconds[unit]
                heapq.heappush(coming, (at, next(order), "done", unit))
        now, _, what, which = heapq.heappop(coming)
        if what == "done":
            schedule.end(which)
        elif what == "back":
            there[which] = 1
        else:
            del there[which]
            for lost in schedule.lose(which):
                repeated += lost.is_repeated
                given_up += not lost.is_repeated
            back = now + RESTART_SECONDS
            heapq.heappush(coming, (back, next(order), "back", f"worker-{names}"))
            names += 1
    return Simulated(sum(seconds.values()) / (workers * now), repeated, given_up)


# --- processes of their own -----------------------------------------------------------


def apart(
    files: Sequence[Path], output: Path, workers: int, precision: str = "float32"
) -> dict[str, float]:
    """Restore movies in a fresh process, whose memory is then its own."""
    asked: dict[str, Any] = {"files": [str(f) for f in files], "output": str(output)}
    progress(f"{len(files)} movies, {workers or 'no'} workers")
    environment = {**os.environ, "OMP_NUM_THREADS": "1" if workers else str(WORKERS)}
    words = ["--one", json.dumps({**asked, "workers": workers, "precision": precision})]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", *words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def coordinate(
    files: list[str], output: str, workers: int, precision: str
) -> dict[str, float]:
    """Restore movies here; return seconds without the start, and memory."""
    set_up(1 if workers else WORKERS)
    chosen: Any = torch.float32 if precision == "float32" else "auto"
    request = replace(REQUEST, precision=chosen)
    job = ApplyModel(denoiser=model(), request=request)
    with computing_on(workers=workers or None) as client:
        if client is not None:
            client.run(_warm_up)
        with _watched() as largest:
            began = time.perf_counter()
            paths = [Path(name) for name in files]
            for _ in restore_files(paths, Path(output), job, None, client):
                pass
            seconds = time.perf_counter() - began
        worker_mb = max(client.run(_peak).values()) if client is not None else 0.0
    return {"seconds": seconds, "mb": largest[0], "worker_mb": worker_mb}


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Follow the memory of this process; the only entry is its peak, MB."""
    largest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            largest[0] = max(largest[0], _resident())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield largest
    finally:  # the process would wait for it forever
        done.set()
        watching.join()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _warm_up() -> None:
    """Import on a worker what it will need: that is not what is compared."""
    import napari_udvd.jobs.restoring  # noqa: F401


# --- movies and a model ---------------------------------------------------------------


REQUEST = Request(device="cpu", precision=torch.float32, events=False, refine=False)
"""The network alone, in numbers that do not depend on how busy a machine is."""


def model() -> Denoiser:
    """Return the network that is trained without a choice, with the shipped weights."""
    from napari_udvd.models.catalogue import specs
    from napari_udvd.training.warm_start import warm_start

    spec = next(spec for spec in specs().values() if spec.weights)
    usual = spec.settings().model_dump()
    net = build_network(spec.name, {**usual, "hole": (1, 1), "likelihood": True})
    warm_start(net)
    return Denoiser(net.eval(), (Calibration(130.0, 80.0, CAMERA),))


def movies(folder: Path, count: int, options: argparse.Namespace) -> list[Path]:
    """Write movies of one size."""
    folder.mkdir()
    found = []
    for number in range(count):
        stack = Stack.from_array(drawn(options.each, options.edge, number), "TYX")
        path = folder / f"movie-{number}.ome.tif"
        with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
            sink.write(stack.read(), 0)
        found.append(path)
    return found


def drawn(frames: int, side: int, seed: int) -> Any:
    """Draw a noisy movie; the larger ones of a part that comes again."""
    edge = min(side, 256)
    short = simulate(
        "nuclei", frames=min(frames, REPEATED), shape=(edge, edge), seed=seed
    )
    pixels = np.asarray(short.noisy.data)
    times = (-(-frames // len(pixels)), -(-side // edge), -(-side // edge))
    return np.tile(pixels, times)[:frames, :side, :side]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.ome.tif")}


if __name__ == "__main__":
    main()
