"""STBN against UDVD and the default network, where things move and where not.

    python -m benchmarks.stbn --minutes 2 5

Every network is trained from scratch, except for weights that are shipped with it, for
the same time on the same movies with known truth and motion; then the movies are
denoised. The learned flow is compared with classical optical flow on the noisy and on
the denoised frames.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import machine, progress, table
from benchmarks.known_motion import SCENES, MovingScene, moving_scene
from napari_udvd import Stack, metrics, train
from napari_udvd.motion import Motion, estimated_motion, learned_motion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd import Denoiser

EDGE = 2
"""Frames left out at both ends, where no network sees its full context."""

SPACING = 4

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "UDVD": ("udvd", {}),
    "STBN, no flow": ("stbn", {"flow": False}),
    "STBN": ("stbn", {}),
    "fast": ("auto", {}),
}
"""What is compared: model and settings."""


def psnr(frames: np.ndarray, scene: MovingScene) -> float:
    """PSNR of the inner frames, dB; the peak is the 99.9th percentile of the scene."""
    inner = slice(EDGE, len(scene.clean) - EDGE)
    peak = float(np.percentile(scene.clean, 99.9)) - float(scene.clean.min())
    return metrics.psnr(scene.clean[inner], frames[inner], peak=peak)


def end_point_error(motion: Motion, scene: MovingScene) -> float:
    """Mean error of displacements to the next frame, where there is texture, px."""
    where = np.ix_(motion.rows, motion.columns)
    truth = np.stack([scene.flow[0][where], scene.flow[1][where]], axis=-1)
    error = np.hypot(*np.moveaxis(motion.to_next - truth, -1, 0))
    return float(error[scene.textured[where]].mean())


def trained(stack: Stack, minutes: float, model: str, **more: Any) -> Denoiser:
    """Train, and say how far it came."""
    began = time.perf_counter()
    denoiser = train(stack, minutes=minutes, model=model, **more)
    steps = denoiser.record["steps"]
    progress(f"{model} {more}: {steps} steps, {time.perf_counter() - began:.0f} s")
    return denoiser


def run(
    name: str, snr: float, minutes: float, networks: Sequence[str]
) -> dict[str, Any]:
    """Train and measure networks on one scene."""
    scene = moving_scene(name, snr=snr)
    stack = Stack.from_array(scene.noisy, "TYX")
    found: dict[str, Any] = {
        "scene": name,
        "snr": snr,
        "minutes": minutes,
        "noisy": psnr(scene.noisy, scene),
    }
    clean = None
    for label in networks:
        model, more = NETWORKS[label]
        denoiser = trained(stack, minutes, model, **more)
        frames = denoiser.denoise(stack, dtype=np.float32)
        found[label] = psnr(frames, scene)
        if label == "STBN":
            clean = Stack.from_array(frames, "TYX")
            found["flow"] = denoiser.net.configuration()["flow"]
            if found["flow"] != "none":
                for where, movie in (("noisy", stack), ("denoised", clean)):
                    motion = learned_motion(denoiser, movie, scene.middle, SPACING)
                    found[f"learned {where}"] = end_point_error(motion, scene)
        progress(f"{name}, {minutes:g} min: {label} {found[label]:.2f} dB")
    if clean is None:
        return found
    for method in ("tvl1", "ilk"):
        for where, movie in (("noisy", stack), ("denoised", clean)):
            motion = estimated_motion(movie, scene.middle, method, SPACING)
            found[f"{method} {where}"] = end_point_error(motion, scene)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scenes", nargs="+", default=["still", "0.5 px", "2 px"], choices=SCENES
    )
    parser.add_argument("--snr", nargs="+", type=float, default=[1.0])
    parser.add_argument("--minutes", nargs="+", type=float, default=[2.0, 5.0])
    parser.add_argument(
        "--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS
    )
    parser.add_argument("--save-json", type=Path)
    options = parser.parse_args()
    results = []
    for snr, name, minutes in product(options.snr, options.scenes, options.minutes):
        results.append(run(name, snr, minutes, options.networks))
        if options.save_json:
            options.save_json.write_text(json.dumps(results))
    print(machine())
    keys = ("scene", "snr", "minutes")
    columns = ("noisy", *options.networks)
    rows = [
        (*(str(r[k]) for k in keys), *(f"{r[n]:.2f}" for n in columns)) for r in results
    ]
    print(table((*keys, *columns), rows))
    flows = (
        "learned noisy",
        "learned denoised",
        "tvl1 noisy",
        "ilk noisy",
        "tvl1 denoised",
        "ilk denoised",
    )
    rows = [
        (
            *(str(r[k]) for k in keys),
            *(f"{r[n]:.2f}" if n in r else "off" for n in flows),
        )
        for r in results
        if "flow" in r
    ]
    if rows:
        print(table((*keys, *flows), rows))


if __name__ == "__main__":
    main()
