"""Motion implied by the filters against the truth, and against optical flow.

    python -m benchmarks.motion --minutes 2 --snr 2 1

Trains the default network (or ``--model udvd``) on noisy movies whose motion is known
and compares displacements to the next frame on a grid, where there is texture.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.common import machine, table
from benchmarks.known_motion import SCENES, MovingScene, moving_scene
from napari_udvd import Stack, train
from napari_udvd.motion import Motion, estimated_motion, implied_motion

SPACING = 8


def end_point_error(motion: Motion, scene: MovingScene) -> tuple[float, float]:
    """Median and 90th percentile (px) at grid points with texture; NaN counts as lost.

    Displacements are to the next frame.
    """
    where = np.ix_(motion.rows, motion.columns)
    truth = np.stack([scene.flow[0][where], scene.flow[1][where]], axis=-1)
    error = np.hypot(*np.moveaxis(motion.to_next - truth, -1, 0))[scene.textured[where]]
    error = np.where(np.isfinite(error), error, np.inf)
    return float(np.median(error)), float(np.percentile(error, 90))


def confidences(motion: Motion, scene: MovingScene) -> tuple[float, float]:
    """Median confidence with texture and on the empty background."""
    textured = scene.textured[np.ix_(motion.rows, motion.columns)]
    empty = motion.confidence[~textured]
    return (
        float(np.median(motion.confidence[textured])),
        float(np.median(empty)) if empty.size else float("nan"),
    )


def run(name: str, snr: float, settings: dict[str, Any]) -> list[str]:
    """One row of the table."""
    scene = moving_scene(name, snr=snr)
    stack = Stack.from_array(scene.noisy, "TYX")
    denoiser = train(stack, **settings)
    clean = Stack.from_array(denoiser.denoise(stack), "TYX")
    t = scene.middle
    start = time.perf_counter()
    implied = implied_motion(denoiser, stack, t, SPACING)
    seconds = time.perf_counter() - start
    cells = [
        name,
        f"{snr:g}",
        "{:.2f} ({:.2f})".format(*end_point_error(implied, scene)),
    ]
    for movie in (stack, clean):
        for method in ("tvl1", "ilk"):
            flow = estimated_motion(movie, t, method, SPACING)
            cells.append("{:.2f} ({:.2f})".format(*end_point_error(flow, scene)))
    sure, unsure = confidences(implied, scene)
    cells.append(f"{sure:.2f}" + ("" if np.isnan(unsure) else f" / {unsure:.2f}"))
    cells.append(f"{seconds:.1f} s")
    return cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES)[1:], choices=SCENES)
    parser.add_argument("--snr", nargs="+", type=float, default=[2.0, 1.0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--width", type=int)
    options = parser.parse_args()
    settings: dict[str, Any] = {"model": options.model, "minutes": options.minutes}
    if options.width:
        settings["width"] = options.width
    heads = (
        "motion",
        "SNR",
        "implied",
        "TV-L1, noisy",
        "ILK, noisy",
        "TV-L1, denoised",
        "ILK, denoised",
        "confidence",
        "map",
    )
    print(f"{machine()}\n", flush=True)
    rows = []
    for snr in options.snr:
        for name in options.scenes:
            rows.append(run(name, snr, settings))
            print(" | ".join(rows[-1]), flush=True)
    print(table(heads, rows))


if __name__ == "__main__":
    main()
