"""Whether the refiner pays: error, standard deviation and weave, with and without it.

*Fast* is trained on each noisy movie alone, as a user's would be. What it predicts is
averaged over 1, 2 and 8 views. Three results are compared: the posterior, the refined
one, and the guarded one, which takes the share of the correction that a recorrupted
copy of the movie says. Beside it is the share that would be best, found with the truth.

PSNR is as in ``quality.py``, in dB. Coverage is the share of errors within one standard
deviation: of all pixels, and of the decile of the truth farthest from 68 %. The weave
is the power of the error at a period of 2, 4 and 8 pixels, over that of the frequencies
around it: the largest of rows, columns and both.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

import napari_udvd as nu
from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import MOVIES, Frames, KnownMovie
from benchmarks.quality import known_movies, psnr
from benchmarks.uncertainty import coverage
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.guard import Share, find_share
from napari_udvd.inference.refiner import load_refiner
from napari_udvd.models.camera import CameraNoise
from napari_udvd.models.refiner import Evidence, Refiner, refined
from napari_udvd.pretraining.evidence import predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_udvd import Denoiser, Stack
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.planes import Series

VIEWS = 1, 2, 8
PERIODS = 2, 4, 8


class Result(NamedTuple):
    """A denoised movie, in grey levels."""

    mean: Frames
    std: Frames


class Predictor(BlockDenoiser):
    """What the guard asks for blind predictions, averaged over some views."""

    def __init__(
        self, denoiser: Denoiser, stack: Stack, views: int, calibration: Calibration
    ) -> None:
        super().__init__(denoiser.net, [calibration], stack)
        self._views = views
        self._noisy = torch.from_numpy(stack.read().astype(np.float32))
        self._noise = _camera(calibration)

    def block(self, series: Series, start: int, stop: int) -> tuple[Frames, Frames]:
        """Predict frames, see ``BlockDenoiser``."""
        ((mean, std),) = predict(
            self._net, self._noisy, self._noise, range(start, stop), [self._views]
        )
        return mean[:, None].numpy(), std[:, None].numpy()

    def steps(
        self, series: Series, start: int, stop: int
    ) -> Iterator[tuple[Frames, Frames]]:
        """Predict frames, in one go."""
        yield self.block(series, start, stop)


def trained(name: str, movie: KnownMovie, options: argparse.Namespace) -> Denoiser:
    """Train on the noisy movie, or take what was trained before."""
    kept = options.keep and options.keep / f"{name}-{options.steps}.safetensors"
    if kept and kept.exists():
        return nu.load(kept)
    denoiser = nu.train(movie.noisy, "TYX", steps=options.steps, seed=options.seed)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        denoiser.save(kept)
    return denoiser


def first_stage(
    name: str,
    denoiser: Denoiser,
    movie: KnownMovie,
    calibration: Calibration,
    options: argparse.Namespace,
) -> dict[int, tuple[Frames, Frames]]:
    """Predict the whole movie, averaged over every number of views."""
    kept = options.keep and options.keep / f"{name}-{options.steps}.npz"
    if kept and kept.exists():
        with np.load(kept) as found:
            return {n: (found[f"mean{n}"], found[f"std{n}"]) for n in VIEWS}
    predicted = predict(
        denoiser.net,
        torch.from_numpy(movie.noisy),
        _camera(calibration),
        range(len(movie.noisy)),
        VIEWS,
    )
    pairs = {
        n: (mean.numpy(), std.numpy())
        for n, (mean, std) in zip(VIEWS, predicted, strict=True)
    }
    if kept:
        arrays: dict[str, Any] = {}
        for n, (mean, std) in pairs.items():
            arrays |= {f"mean{n}": mean, f"std{n}": std}
        np.savez(kept, **arrays)
    return pairs


def refine(
    net: Refiner,
    pair: tuple[Frames, Frames],
    noisy: Frames,
    calibration: Calibration,
    share: float,
) -> Result:
    """Refine every frame."""
    mean, std = map(torch.from_numpy, pair)
    variance = _camera(calibration).variance(mean)
    parts = Evidence(mean, std, torch.from_numpy(noisy), variance)
    last = len(noisy) - 1
    frames = []
    for t in range(len(noisy)):
        around = [t - 1 if t else 1, t, t + 1 if t < last else last - 1]
        evidence = Evidence(*(part[around] for part in parts))
        frames.append(refined(net, evidence, precision=torch.bfloat16, share=share))
    return Result(*(torch.stack(each).numpy() for each in zip(*frames, strict=True)))


def _camera(calibration: Calibration) -> CameraNoise:
    noise = calibration.noise
    values = noise.gain, noise.offset, noise.read_noise**2
    return CameraNoise(*(torch.tensor(v, dtype=torch.float32) for v in values))


def guarded_share(
    denoiser: Denoiser,
    movie: KnownMovie,
    calibration: Calibration,
    net: Refiner,
    views: int,
) -> Share:
    """Ask a recorrupted copy of the movie."""
    found = find_share(
        lambda stack, noises: Predictor(denoiser, stack, views, noises[0]),
        nu.Stack.from_array(movie.noisy, "TYX"),
        0,
        calibration,
        net,
        context=denoiser.net.geometry.context,
        precision=torch.bfloat16,
    )
    while True:
        try:
            next(found)
        except StopIteration as end:
            share: Share = end.value
            return share


def best_share(truth: Frames, before: Frames, after: Frames) -> float:
    """Share of the correction that brings it closest to the truth."""
    correction = (after - before).astype(np.float64)
    total = float(np.square(correction).sum())
    return float(((truth - before) * correction).sum()) / total if total else 0.0


def weave(error: Frames, period: int) -> float:
    """Power at a period over that around it, see above."""
    height, width = (n - n % 8 for n in error.shape[1:])
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.square(np.abs(np.fft.fft2(error[:, :height, :width] * window))).mean(0)
    found = []
    for down, across in ((1, 0), (0, 1), (1, 1)):
        y, x = down * height // period, across * width // period
        near = np.mgrid[-6:7, -6:7].reshape(2, -1)
        far = np.abs(near).max(axis=0) > 2
        ring = power[(y + near[0, far]) % height, (x + near[1, far]) % width]
        found.append(power[y % height, x % width] / np.median(ring))
    return float(max(found))


def measure(
    name: str, movie: KnownMovie, net: Refiner, options: argparse.Namespace
) -> list[tuple[object, ...]]:
    """Compare on one movie; a row for every number of views."""
    denoiser = trained(name, movie, options)
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    (calibration,) = denoiser.calibrations_for(stack)
    pairs = first_stage(name, denoiser, movie, calibration, options)
    rows = []
    for views in options.views:
        progress(f"{name}, {views} views")
        share = guarded_share(denoiser, movie, calibration, net, views)
        results = [
            refine(net, pairs[views], movie.noisy, calibration, each)
            for each in (0.0, 1.0, share.value)
        ]
        best = best_share(movie.truth, results[0].mean, results[1].mean)
        scores = [psnr(movie.truth, result.mean) for result in results]
        covered = [coverage(movie.truth, *result) for result in results]
        errors = [result.mean - movie.truth for result in results]
        rows.append(
            (
                name,
                views,
                *(f"{score:.2f}" for score in scores),
                f"{scores[2] - scores[0]:+.3f}",
                f"{share.best:.2f} ± {share.error:.2f}",
                f"{best:.2f}",
                *(
                    f"{100 * each.whole:.0f} ({100 * each.deciles[each.worst]:.0f})"
                    for each in covered
                ),
                *(
                    " / ".join(f"{weave(error, p):.1f}" for p in PERIODS)
                    for error in (errors[0], errors[2])
                ),
            )
        )
        print("|", " | ".join(map(str, rows[-1])), "|", flush=True)
    return rows


HEADER = (
    "",
    "views",
    "posterior",
    "refined",
    "guarded",
    "gain",
    "share, judged",
    "best",
    "within, posterior",
    "refined",
    "guarded",
    "weave 2/4/8, posterior",
    "guarded",
)


def main() -> None:
    """Measure every movie, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, help="all if left out")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--steps", type=int, default=200, help="of training")
    parser.add_argument("--views", type=int, nargs="+", choices=VIEWS, default=VIEWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--weights", type=Path, help="of the refiner; those that are shipped if None"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder of what was trained, to be used again"
    )
    options = parser.parse_args()
    set_up(options.threads)
    net = load_refiner(options.weights)
    rows = []
    for name, movie in known_movies(options.movies, options.data).items():
        rows += measure(name, movie, net, options)
    print(machine())
    print()
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()
