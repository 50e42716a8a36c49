"""Long movies in segments against the whole recurrence at once.

    python -m benchmarks.segments --minutes 3

STBN is trained on a noisy movie with known truth. Then the movie is denoised in
segments that overlap by more and more frames, and with the recurrence over all frames.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from benchmarks.common import machine, progress, table
from benchmarks.known_motion import SCENES, moving_scene
from benchmarks.stbn import psnr, trained
from napari_udvd import Stack
from napari_udvd.cutting import BLOCK_FRAMES
from napari_udvd.models import build_network


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="1 px", choices=SCENES)
    parser.add_argument("--snr", type=float, default=1.0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--overlap", nargs="+", type=int, default=[1, 2, 4, 8])
    options = parser.parse_args()
    scene = moving_scene(options.scene, snr=options.snr, frames=options.frames)
    stack = Stack.from_array(scene.noisy, "TYX")
    denoiser = trained(stack, options.minutes, "stbn")

    def denoised(context: int) -> np.ndarray:
        net = build_network(
            "stbn", {**denoiser.net.configuration(), "context": context}
        )
        net.load_state_dict(denoiser.net.state_dict())
        found = replace(denoiser, net=net.eval()).denoise(stack, dtype=np.float32)
        return np.asarray(found)

    whole = denoised(options.frames)
    best = psnr(whole, scene)
    rows = [("all frames at once", f"{best:.3f}", "", "")]
    for context in options.overlap:
        frames = denoised(context)
        apart = float(np.abs(frames - whole).max() / np.ptp(whole))
        found = psnr(frames, scene)
        rows.append(
            (
                f"{context} frames",
                f"{found:.3f}",
                f"{found - best:+.3f}",
                f"{apart:.1%}",
            )
        )
        progress(" | ".join(rows[-1]))
    print(machine())
    print(f"{options.frames} frames in segments of {BLOCK_FRAMES}")
    print(table(("overlap on each side", "PSNR, dB", "", "largest difference"), rows))


if __name__ == "__main__":
    main()
