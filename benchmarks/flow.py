"""Learned optical flow against classical flow, for rising noise.

    python -m benchmarks.flow
    python -m benchmarks.flow --minutes 4 --snr 1

Mean end-point error (px) of displacements to the next frame on noisy movies with known
motion, where there is texture. Without ``--minutes`` the flow network is used with the
weights that are shipped; the movement found on frames held out, by which useless
flow is told, is shown, too. With it, STBN is trained on each movie first, its flow
beside it, and all flows are also computed on the movie that it denoised.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.common import machine, progress, table
from benchmarks.known_motion import SCENES, moving_scene
from benchmarks.stbn import SPACING, end_point_error, trained
from napari_udvd import Denoiser, Stack
from napari_udvd.inference.scaling import calibrate
from napari_udvd.models import STBN
from napari_udvd.motion import estimated_motion, learned_motion
from napari_udvd.noise import diagnose
from napari_udvd.planes import Series
from napari_udvd.tasks import DENOISE
from napari_udvd.training.flow_course import movement as movement_of
from napari_udvd.training.sampling import Movie
from napari_udvd.training.validation import Validation
from napari_udvd.training.warm_start import warm_start


def shipped(stack: Stack) -> Denoiser:
    """STBN that has learned nothing, but for the shipped weights of its flow."""
    net = STBN(features=8, modules=2, blocks=2).eval()
    remark = warm_start(net).remark
    if remark:
        raise SystemExit(remark)
    return Denoiser(net, (calibrate([stack], 0, diagnose(stack).noise),))


def movement(denoiser: Denoiser, stack: Stack) -> float:
    """Movement per frame by the flow of a network, as training judges it, px."""
    movie = Movie(stack, Series((0,), 0), DENOISE.hold_out(stack.n_frames))
    judge = Validation(
        [movie],
        denoiser.calibrations,
        task=DENOISE,
        context=denoiser.net.geometry.context,
        device=torch.device("cpu"),
        precision=torch.float32,
    )
    assert isinstance(denoiser.net, STBN)
    return movement_of(denoiser.net, judge.clips(), torch.float32)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=SCENES)
    parser.add_argument("--snr", nargs="+", type=float, default=[4.0, 2.0, 1.0, 0.5])
    parser.add_argument("--minutes", type=float)
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for snr in options.snr:
        for name in options.scenes:
            scene = moving_scene(name, snr=snr)
            stack = Stack.from_array(scene.noisy, "TYX")
            movies = [stack]
            if options.minutes:
                # where the noise is weak, motion can be mistaken for correlated noise
                denoiser = trained(stack, options.minutes, "stbn", hole=(1, 1))
                frames = denoiser.denoise(stack, dtype=np.float32)
                movies.append(Stack.from_array(frames, "TYX"))
            else:
                denoiser = shipped(stack)
            cells = [name, f"{snr:g}"]
            for movie in movies:
                cells.append("off")
                if denoiser.net.configuration()["flow"] != "none":
                    motion = learned_motion(denoiser, movie, scene.middle, SPACING)
                    cells[-1] = f"{end_point_error(motion, scene):.2f}"
                for method in ("tvl1", "ilk"):
                    motion = estimated_motion(movie, scene.middle, method, SPACING)
                    cells.append(f"{end_point_error(motion, scene):.2f}")
            if not options.minutes:
                truth = np.sqrt(np.square(scene.flow).sum(axis=0).mean())
                cells += [f"{movement(denoiser, stack):.2f}", f"{truth:.2f}"]
            rows.append(cells)
            progress(" | ".join(cells))
    print(machine())
    heads = ["motion", "SNR"]
    for frames in ("noisy", "denoised")[: 2 if options.minutes else 1]:
        heads += [f"{method}, {frames}" for method in ("learned", "TV-L1", "ILK")]
    if not options.minutes:
        heads += ["movement found", "in truth"]
    print(table(heads, rows))


if __name__ == "__main__":
    main()
