"""What S2SVR adds to Richardson-Lucy, when it has nothing to learn from but the movie.

    python -m benchmarks.s2svr

Six of the movies of ``sharpen.py``, which no network has been trained on: each is
denoised (*Fast*, trained on it), sharpened by as many Richardson-Lucy iterations as an
independent noisy copy asks for, and S2SVR goes on from there. *Network* is its result
whether or not the program would use it, *result* the one that it gives. Distances are
those by which it decides: of frames that the network did not learn from to an
independent copy, over the noise.

With ``--unblurred`` the network is taught to denoise alone: nothing is sharpened, and
PSNR is that against the blurred scene, away from the border. Flicker is the standard
deviation of the error's change from frame to frame, before and after, in grey levels.

Then the training step of 8 frames of 64 x 64 is timed, as published and as here.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import machine, progress, set_up, table
from benchmarks.quality import psnr
from benchmarks.sharpen import CASES, blurred, enlarged
from napari_udvd.inference.request import Request
from napari_udvd.models import S2SVR, S2SVRSettings
from napari_udvd.models.s2svr import charbonnier
from napari_udvd.optics import Blur, Gaussian, Unblurred, richardson_lucy
from napari_udvd.sharpening import (
    Effort,
    Optics,
    choose_iterations,
    learn_to_improve,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.sharpen import Case, Frames
    from napari_udvd.optics import PointSpread

Result = TypeVar("Result")

MOVIES = 0, 2, 4, 5, 6, 7
"""Of the cases of ``sharpen.py``."""

BORDER = 10
"""Pixels at the border that do not count where the blur of the scene is not known."""

AIM = 0.5
"""Gain in dB, on average, from which the network would be the default."""


def finished(steps: Generator[object, None, Result]) -> Result:
    """Run to the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def row(case: Case, options: argparse.Namespace) -> dict[str, object]:
    """Measure one movie."""
    movie = blurred(case)
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    denoiser = nu.train(movie.noisy, "TYX", steps=options.steps, seed=options.seed)
    offset = np.float32(denoiser.calibrations_for(stack)[0].noise.offset)
    psf: PointSpread = Unblurred() if options.unblurred else Gaussian(case.sigma)
    optics = Optics(psf, 1 if options.unblurred else case.zoom)
    effort = Effort(steps=options.network_steps, seed=options.seed)
    request = Request()
    how = (denoiser, stack, 0, optics)
    surveys = denoiser.survey(stack, request)
    choice = finished(choose_iterations(*how, request, surveys))
    began = time.process_time()
    improvement = finished(
        learn_to_improve("s2svr", *how, choice.iterations, request, surveys, effort)
    )
    seconds = time.process_time() - began
    level = denoiser.denoise(stack, dtype=np.float32) - offset
    blur = Blur(psf, stack.frame_shape, optics.zoom)
    *_, last = islice(
        richardson_lucy(torch.from_numpy(level), blur), choice.iterations + 1
    )
    plain = blur.inside(last.scene).numpy()
    network = replace(improvement, used=True).apply(level, plain)
    denoised, truth = enlarged(level, optics.zoom), movie.truth
    inner = (slice(None),) * 3
    if options.unblurred:
        truth = seen(movie.truth, case)
        inner = (slice(None), *2 * (slice(BORDER, -BORDER),))
    before, after = (psnr(truth[inner], each[inner]) for each in (plain, network))
    assert improvement.distances is not None
    found: dict[str, object] = {
        "movie": case.name,
        "denoised": psnr(truth[inner], denoised[inner]),
        "Richardson-Lucy": before,
        "network": after,
        "gain": after - before,
        "result": after if improvement.used else before,
        "iterations": choice.iterations,
        "distances": "{:.5f}, {:.5f}".format(*improvement.distances),
        "standard errors": improvement.gain,
        "flow": "used" if improvement.follows else "none",
        "s": f"{seconds:.0f}",
    }
    if options.unblurred:
        found["flicker"] = ", ".join(
            f"{np.diff(each - truth, axis=0)[inner].std():.3f}"
            for each in (plain, network)
        )
    progress(json.dumps(found))
    return found


def seen(scene: Frames, case: Case) -> Frames:
    """Blur a scene on the grid of the movie; its border is guessed."""
    if case.zoom > 1:
        raise ValueError("only movies on the grid of their scene are denoised alone")
    blur = Blur(Gaussian(case.sigma), scene.shape[1:])
    found: Frames = blur(blur.canvas(torch.from_numpy(scene))).numpy()
    return found


def steps_timed(repeats: int) -> list[tuple[str, str, str]]:
    """Time training steps; the flow is trained with the rest but in the last row."""
    wide: dict[str, Any] = {
        "channels": 3,
        "features": 24,
        "flow_levels": 6,
        "flow_radius": 4,
    }
    published = S2SVR(S2SVRSettings(**wide, flow_size=256, flow_border=False))
    native = S2SVR(S2SVRSettings(**wide))
    native.load_state_dict(published.state_dict())
    own = S2SVR(S2SVRSettings(channels=2, features=16))
    rows, first = [], 0.0
    for name, net, flow_is_known in (
        ("24 features, flow at 256 x 256 as published", published, False),
        ("the same weights, flow at the size of the frame", native, False),
        ("16 features, flow of 3 levels", own, False),
        ("16 features, flow is known, as sharpening trains it", own, True),
    ):
        clip = torch.rand(1, 8, net.settings.channels, 64, 64)
        flows = net.flow_net.of_clip(clip) if flow_is_known else None
        flows = flows and type(flows)(*(way.detach() for way in flows))
        seconds = []
        for _ in range(repeats):
            began = time.process_time()
            charbonnier(net(clip, flows), torch.zeros_like(clip)).backward()
            seconds.append(time.process_time() - began)
        first = first or min(seconds)
        rows.append((name, f"{min(seconds):.2f}", f"{first / min(seconds):.1f}"))
        progress(" | ".join(rows[-1]))
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, nargs="*", default=list(MOVIES))
    parser.add_argument("--steps", type=int, default=60, help="of the denoiser")
    parser.add_argument("--network-steps", type=int, default=100)
    parser.add_argument("--unblurred", action="store_true", help="denoise alone")
    parser.add_argument("--repeats", type=int, default=2, help="of the timing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="gets all numbers, as JSON")
    options = parser.parse_args()
    set_up(options.threads)
    rows = [row(CASES[k], options) for k in options.cases]
    print(machine(), "\n")
    if rows:
        columns = list(rows[0])
        cells = [
            [f"{v:.2f}" if isinstance(v, float) else str(v) for v in each.values()]
            for each in rows
        ]
        print(table(columns, cells))
        gains = [float(str(each["gain"])) for each in rows]
        print(f"\nGain on average: {np.mean(gains):+.2f} dB (default from {AIM} dB)\n")
    if options.keep:
        options.keep.write_text(json.dumps(rows, indent=1))
    if options.repeats:
        columns = ["training step", "CPU, s", "times as fast"]
        print(table(columns, [list(each) for each in steps_timed(options.repeats)]))


if __name__ == "__main__":
    main()
