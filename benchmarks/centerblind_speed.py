"""Speed of the centre-blind network: denoising, and steps of training.

Denoising is a movie in memory, without self-ensemble, everything included. A training
step is forward, backward and the optimiser, with the batch that a user gets. Presets
and precisions take turns; the best turn counts, since other programs only ever make it
slower. Speed does not depend on the weights: these are random.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import Request
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.models import CenterBlind, Clip
from napari_udvd.models.catalogue import find
from napari_udvd.models.centerblind import PRESETS
from napari_udvd.models.centerblind.spec import CenterBlindSettings
from napari_udvd.noise import NoiseModel
from napari_udvd.runtime.device import (
    choose_device,
    choose_precision,
)
from napari_udvd.tasks import DENOISE
from napari_udvd.training.learner import Learner
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PHOTONS = 10.0

READ_NOISE = 1.0
"""In photons."""

CALIBRATION = Calibration(PHOTONS, 10.0, NoiseModel(1.0, 0.0, READ_NOISE))

GOALS = {"cpu": {256: 25.0, 512: 7.0}, "cuda": {512: 500.0}}
"""Frames per second of the default preset, by device and rows and columns."""

TRAINING_STEPS = 4
"""In each turn."""


class Case(NamedTuple):
    """A network, and what it computes in."""

    preset: str
    precision: torch.dtype

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.preset}, {str(self.precision).removeprefix('torch.')}"


def movie(frames: int, size: int) -> nu.Stack:
    """Return noise: speed does not depend on what a movie shows."""
    rng = np.random.default_rng(0)
    shape = frames, size, size
    noisy = rng.poisson(PHOTONS, shape) + rng.normal(0, READ_NOISE, shape)
    return nu.Stack.from_array(noisy.astype(np.float32), "TYX")


def network(case: Case, device: torch.device) -> CenterBlind:
    """Build a network with random weights."""
    torch.manual_seed(0)
    return CenterBlind(preset=case.preset).to(device)


def denoising(case: Case, stack: nu.Stack, device: torch.device) -> Callable[[], None]:
    """Prepare to denoise a movie."""
    net = network(case, device)

    def run() -> None:
        with ArraySink(stack, np.float32) as sink:
            for _ in denoise_stack(
                net,
                [CALIBRATION],
                stack,
                sink,
                Request(device=device, precision=case.precision),
            ):
                pass

    return run


def training(case: Case, device: torch.device) -> Callable[[], None]:
    """Prepare a few steps of training."""
    net = network(case, device).train()
    course, patch = find(net.name).recipe, make_settings().patch
    frames = course.targets + 2 * net.geometry.context
    scaler = Scaler([CALIBRATION], device)
    learner = Learner(net, case.precision, DENOISE)
    clips = scaler.normalise(_clips(course.batch, frames, patch).to(device))
    is_target = torch.ones(course.batch, course.targets, dtype=torch.bool)
    batch = DENOISE.batch(Clip(clips, scaler.noise), is_target.to(device))

    def run() -> None:
        for _ in range(TRAINING_STEPS):
            learner.learn(batch, course.rate)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def _clips(batch: int, frames: int, patch: int) -> Tensor:
    grey = torch.from_numpy(movie(batch * frames, patch).read())
    return grey.reshape(batch, frames, 1, patch, patch)


def best_seconds(
    tasks: dict[tuple[Case, str], Callable[[], None]], turns: int
) -> dict[tuple[Case, str], float]:
    """Seconds of each task in its best turn, after one to warm up."""
    best = dict.fromkeys(tasks, float("inf"))
    for turn in range(turns + 1):
        for key, run in tasks.items():
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            case, what = key
            progress(f"turn {turn}: {case.name}: {what}: {seconds:.2f} s")
            if turn > 0:
                best[key] = min(best[key], seconds)
    return best


def verdict(name: str, size: int, rate: float | None, goal: float) -> str:
    """Say in one line whether a goal is reached and what it is missed by."""
    what = f"- {name}, {size} x {size}"
    if rate is None:
        return f"{what}: not measured"
    missed = f"**missed by {goal - rate:.1f}**"
    reached = "reached" if rate >= goal else missed
    return f"{what}: {rate:.1f} frames per second, goal {goal:g}: {reached}"


def main() -> None:
    """Measure everything, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 512], help="of a frame, in pixels"
    )
    parser.add_argument("--frames", type=int, default=32, help="of a movie")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    options = parser.parse_args()
    set_up(options.threads)
    device = choose_device(options.device)
    chosen = choose_precision(device)
    precisions = dict.fromkeys((torch.float32, chosen))
    cases = [Case(preset, p) for preset in options.presets for p in precisions]
    stacks = {size: movie(options.frames, size) for size in options.sizes}
    tasks = {}
    for case in cases:
        for size, stack in stacks.items():
            tasks[case, f"{size} x {size}"] = denoising(case, stack, device)
        tasks[case, "training"] = training(case, device)
    seconds = best_seconds(tasks, options.turns)
    rates = {
        key: (TRAINING_STEPS if key[1] == "training" else options.frames) / s
        for key, s in seconds.items()
    }
    columns = [f"{size} x {size}" for size in stacks]
    rows = [
        (
            case.name,
            f"{sum(p.numel() for p in network(case, device).parameters()):,}",
            *(f"{rates[case, column]:.1f}" for column in (*columns, "training")),
        )
        for case in cases
    ]
    units = *(f"{column}, frames/s" for column in columns), "training, steps/s"
    where = f"{torch.cuda.get_device_name(device)}; " if device.type == "cuda" else ""
    print(f"{where}{machine()}; {str(chosen).removeprefix('torch.')} is what users get")
    print(f"\n{table(('', 'weights', *units), rows)}")
    print("\n### Goals\n")
    default = Case(CenterBlindSettings.model_validate({}).preset, chosen)
    for size, goal in GOALS.get(device.type, {}).items():
        print(
            verdict(default.name, size, rates.get((default, f"{size} x {size}")), goal)
        )


if __name__ == "__main__":
    main()
