"""Run every benchmark small, so that none of them breaks unseen.

    python -m benchmarks.smoke                 # or: make bench-smoke
    python -m benchmarks.smoke quality weave

The numbers say nothing, only that there are some: movies are cut to :data:`SMALL`. Each
script runs in a process of its own, as a user would start it, as many at once as there
are cores; what it printed is shown if it fails, or does not say what it ran on. Those
that need a recorded movie are left out where the movies are not there, and are named.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

import napari_udvd as nu
from benchmarks.common import DATA, LIMIT, REPOSITORY, machine, table

MOVIE, MODEL = "movie.npy", "model.safetensors"
"""Names of a small movie and of a model that was trained on it, in the folder."""

SMALL = "16x64"
"""Frames, and rows and columns, that movies have at most, see :data:`LIMIT`."""

RUNS = {
    "budget": "--networks centerblind --sizes 8x32x32 --seconds 2",
    "cells": "{folder}/model.safetensors {folder}/movie.npy --spacing 24",
    "centerblind_speed": "--presets small --sizes 64 --frames 6 --turns 1",
    "deepfovea": "--movies nuclei --steps 2 2 --frames 8",
    "distillation": "--movies nuclei --steps 2",
    "equal_dose": "--kinds calcium --read-noise 0 --photons 3 --steps 2 --frames 8",
    "events": "--draws 1 --movies 1 --side 96 --frames 60 --steps 2 --labelled 18",
    "files": "ome imagej",
    "filter_pictures": "{folder}/filters --minutes 0.02",
    "flashes": "--movies calcium --steps 2 --events 1 --price calcium",
    "flow": "--scenes still --snr 2",
    "flow_pictures": None,
    "gpu": "--device cpu --parts fast --seconds 5 --output {folder}/gpu",
    "inspect_speed": "--size 64 --runs 1",
    "memory": "--frames 8 --size 64 --width 4",
    "motion": "--scenes still --snr 2 --minutes 0.03",
    "noise_model": "--kinds nuclei --seeds 0 --photons 30 --frames 12 --side 48 "
    "--movies 1 --steps 2 --repeats 1 --no-offsets",
    "old_files": "{folder}/old --parts models",
    "probe": "imported",
    "quality": "--movies nuclei --seconds 1",
    "real_movies": "--minutes 0.05 --movies ecoli --docs {folder}",
    "reconstruct": "--movies nuclei --masks random-20 --steps 2 --seconds --frames 8 "
    "--no-denoise --no-biharmonic --no-dose --no-speed",
    "reconstruct_pictures": "--folder {folder} --only borders --steps 2",
    "refiner": "--movies nuclei --steps 2 --views 1",
    "report": "--movies nuclei --steps 2 --noise 1 --no-seconds",
    "responsiveness": "--frames 8 --size 64 --seconds 2",
    "s2svr": "--cases 0 --steps 2 --network-steps 1 --repeats 1",
    "same_results": "{repository} {repository} --parts models",
    "scale": "--movies 2 --each 8 --edge 32 --frames 24 --side 48 --parts speed long "
    "plan",
    "scan_noise": "--kinds nuclei --sizes 16x48x48 --seeds 0",
    "scan_patterns": "--picture {folder}/patterns.png",
    "second_stage_pictures": "{folder}/stage.png --movies nuclei --steps 2",
    "segments": "--frames 12 --minutes 0.05 --overlap 1",
    "since": None,
    "sharpen": "--cases 0 --steps 2",
    "sharpen_pictures": "{folder}/sharpen --steps 2",
    "start_weights": "{repository}/src/napari_udvd/weights "
    "{repository}/src/napari_udvd/weights --movies nuclei --steps 1",
    "stbn": "--scenes still --minutes 0.05 --networks UDVD",
    "students": "--movies 0 --steps 2 --network-steps 1 --frames 14 --size 48",
    "two_trees": "{repository} {repository} --measures starts preview --turns 1",
    "udvd_quality": "--movie nuclei --frames 8 --widths 4 --seconds 1",
    "udvd_speed": "--width 8 --size 64 --patch 32 --turns 1 --images 1",
    "uncertainty": "--movies nuclei --steps 2",
    "weave": "--movies nuclei --views 1 --steps 2",
}
"""How each script is run; None where it cannot be small: `flow_pictures` needs a flow
that training found useful, `since` installs the libraries of an earlier commit."""

LONGEST = 300.0
"""Seconds after which a script hangs."""

RECORDED = {"filter_pictures", "real_movies", "sharpen_pictures"}
"""Those that need recorded movies."""


SHOWN = {"responsiveness"}
"""Those that open a window."""

SILENT = {"probe"}
"""Those that print numbers for another script, which says what it ran on."""


class Ran(NamedTuple):
    """One script, and what became of it."""

    name: str
    state: str
    seconds: float


class Done(NamedTuple):
    """A command that was carried out; no code if it did not end by itself."""

    returncode: int | None
    said: str


def carried_out(command: list[str], *, cwd: Path, env: dict[str, str]) -> Done:
    """Wait for a command, for :data:`LONGEST` at most, and end all that it started."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            said, _ = process.communicate(timeout=LONGEST)
        except BaseException as error:
            # also those that it waits for, which would keep the pipe open
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                return Done(None, process.communicate()[0])
            raise
    return Done(process.returncode, said)


def run(name: str, folder: Path) -> Ran:
    """Run a script; what it printed goes to stderr if it fails."""
    arguments = RUNS[name]
    if arguments is None:
        return Ran(name, "not run: needs more than this program, or minutes", 0.0)
    if name in RECORDED and not DATA.is_dir():
        return Ran(name, f"left out: there is no {DATA}", 0.0)
    screen: list[str] = []
    if name in SHOWN and not os.environ.get("DISPLAY"):
        if shutil.which("xvfb-run") is None:
            return Ran(name, "left out: there is no screen, nor xvfb-run", 0.0)
        screen = ["xvfb-run", "-a"]
    words = arguments.format(folder=folder, repository=REPOSITORY).split()
    began = time.perf_counter()
    done = carried_out(
        [*screen, sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=REPOSITORY,
        # one script per core: threads that spin while they wait are in the way
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, LIMIT: SMALL},
    )
    took = time.perf_counter() - began
    state = "ran"
    if done.returncode is None:
        state = f"FAILED to end in {LONGEST:g} s"
    elif done.returncode:
        state = f"FAILED with code {done.returncode}"
    elif name not in SILENT and platform.python_version() not in done.said:
        state = "FAILED to say what it ran on"
    if state != "ran":
        print(f"--- {name} {' '.join(words)}\n{done.said}", file=sys.stderr)
    return Ran(name, state, took)


def prepare(folder: Path) -> None:
    """Write a small movie, and a model that was trained on it."""
    stack = nu.simulate("nuclei", frames=8, shape=(96, 96)).noisy
    np.save(folder / MOVIE, np.asarray(stack.data))
    nu.train(stack, steps=2).save(folder / MODEL)


def main() -> None:
    """Run those that are named, or all, and end with an error if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all if left out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    options = parser.parse_args()
    names = options.names or list(RUNS)
    if unknown := sorted(set(names) - set(RUNS)):
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    print(machine(), flush=True)
    ran = []
    with TemporaryDirectory() as folder:
        prepare(Path(folder))
        with ThreadPoolExecutor(options.jobs) as pool:
            runs = [pool.submit(run, name, Path(folder)) for name in names]
            for done in as_completed(runs):
                ran.append(done.result())
                print(f"{ran[-1].seconds:6.1f} s  {ran[-1].name}: {ran[-1].state}")
                sys.stdout.flush()
    ran.sort()
    failed = [one.name for one in ran if one.state.startswith("FAILED")]
    print(
        table(
            ("script", "seconds", ""),
            [(r.name, f"{r.seconds:.1f}", r.state) for r in ran],
        )
    )
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
