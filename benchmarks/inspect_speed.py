"""One filter, and a map of motion, against the obvious way.

    python -m benchmarks.inspect_speed

The obvious way to the filter of a pixel is to run the network over the whole frames
and back from that pixel. Both are timed in turn on 512 x 512 pixels, the best of
several runs counts.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.common import machine, table
from napari_udvd import Stack
from napari_udvd.filters import adaptive_filter
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.models import UDVD, CenterBlind, Clip, Network
from napari_udvd.models.catalogue import find
from napari_udvd.motion import implied_motion
from napari_udvd.noise import NoiseModel

if TYPE_CHECKING:
    from collections.abc import Callable

SPACING = 16


def obvious(denoiser: Denoiser, frames: np.ndarray, y: int, x: int) -> np.ndarray:
    """Filter of the middle frame's pixel, from one pass over everything and back."""
    scaler = Scaler(denoiser.calibrations)
    clip = scaler.normalise(torch.from_numpy(frames)[:, None])[None].requires_grad_()
    mean = denoiser.net.predict(Clip(clip, scaler.noise), torch.float32).mean
    (gradient,) = torch.autograd.grad(mean[0, 0, 0, y, x], clip)
    return gradient[0, :, 0].numpy()


def best_of(runs: int, *works: Callable[[], object]) -> list[float]:
    """Run works in turn; the shortest time of each, s."""
    best = [float("inf")] * len(works)
    for _ in range(runs):
        for k, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[k] = min(best[k], time.perf_counter() - start)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--udvd-map", action="store_true", help="minutes")
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    size = options.size
    torch.manual_seed(0)
    noise = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)
    rows = []
    fast = CenterBlind(**find(CenterBlind.name).settings().model_dump())
    networks: dict[str, Network] = {"fast": fast, "UDVD": UDVD()}
    for name, net in networks.items():
        net.eval().requires_grad_(False)
        denoiser = Denoiser(net, (Calibration(150.0, 100.0, noise),))
        rng = np.random.default_rng(0)
        count = 2 * net.geometry.context + 1
        frames = rng.poisson(50, (count, size, size)).astype(np.float32) + 100
        stack = Stack.from_array(frames, "TYX")
        t, y, x = net.geometry.context, size // 2, size // 2

        def one(
            denoiser: Denoiser = denoiser, stack: Stack = stack, t: int = t
        ) -> object:
            return adaptive_filter(denoiser, stack, t, size // 2, size // 2).weights

        def plain(denoiser: Denoiser = denoiser, frames: np.ndarray = frames) -> object:
            return obvious(denoiser, frames, size // 2, size // 2)

        found = adaptive_filter(denoiser, stack, t, y, x)
        whole = obvious(denoiser, frames, y, x)
        top, left = found.origin[1:]
        height, width = found.weights.shape[1:]
        part = whole[:, top : top + height, left : left + width]
        error = np.abs(part - found.weights).max() / np.abs(whole).max()
        ours, slow = best_of(options.runs if name == "fast" else 2, one, plain)
        rows.append(
            (
                name,
                "one filter",
                f"{ours:.3f} s",
                f"{slow:.2f} s",
                f"{slow / ours:.0f}x",
                f"{error:.0e}",
            )
        )
        if name == "fast" or options.udvd_map:
            points = (size // SPACING) ** 2
            (seconds,) = best_of(
                options.runs if name == "fast" else 1,
                lambda: implied_motion(denoiser, stack, t, SPACING),  # noqa: B023
            )
            rows.append(
                (
                    name,
                    f"motion, {points} filters",
                    f"{seconds:.1f} s",
                    f"{points * slow:.0f} s (computed)",
                    f"{points * slow / seconds:.0f}x",
                    "",
                )
            )
        for row in rows[-2:]:
            print(" | ".join(row), flush=True)
    heads = ("network", "what", "ours", "obvious way", "faster", "largest difference")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
