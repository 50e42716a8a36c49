"""How close a dense movie from a sparse scan comes to the truth.

Movies with known truth and the noise of a camera, of which only some pixels of every
frame are kept. Ours is trained on those pixels alone. Beside it stand

- *average*: normalised convolution over space and time, with the widths that the truth
  says are best. It is the opponent: nobody can choose them so well without the truth;
- *preview*: the same, with the widths that our preview finds by itself;
- *interpolate, then denoise*: what users do now: the average fills the movie, and the
  centre-blind network of the denoiser is trained on that for as many steps;
- *biharmonic*: each frame filled by inpainting, then a Gaussian whose width the truth
  chooses; on two frames, because it takes long.

PSNR is 10 log10(peak^2 / mean squared error) over all pixels of all frames, measured or
not; the peak is the 99.9th minus the 0.1th percentile of the truth. *Within one std* is
the share of pixels whose truth is no further from the result than its standard
deviation, 68 % where that is Gaussian and right. Seconds are those of the processor,
of all threads. All methods are told the noise.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from skimage.restoration import inpaint_biharmonic

import napari_udvd as nu
from common import DATA, machine, progress, table
from movies import MOVIES, Frames, KnownMovie
from napari_udvd import metrics
from napari_udvd.formats import ArraySink
from napari_udvd.inference.interpolation import (
    FRAMES,
    PIXELS,
    Widths,
    choose_widths,
    interpolate,
)
from napari_udvd.inference.request import Request
from napari_udvd.tasks import DENOISE, RECONSTRUCT
from napari_udvd.training import Failed, Finished, train_events
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Mask = npt.NDArray[np.bool_]

SCENES = "nuclei", "calcium", "lattice", "cancer-cells-15", "tem"
"""Measured unless others are named."""

AVERAGE = "average, by the truth"
PREVIEW = "preview"
DENOISED = "interpolate, then denoise"
BIHARMONIC = "biharmonic, Gaussian by the truth"

SIGMAS = 0.5, 0.8, 1.2, 1.8, 2.7, 4.0
"""Widths of the Gaussian after biharmonic inpainting."""


class Result(NamedTuple):
    """What a method makes of a sparse movie.

    Attributes
    ----------
    mean
        ``(T, Y, X)`` in grey levels.
    std
        Likewise; None where the method knows none.
    frames
        Which of the frames it has done.
    """

    mean: Frames
    std: Frames | None = None
    frames: slice = slice(None)


class Score(NamedTuple):
    """How good a result is and what it took.

    Attributes
    ----------
    psnr
        In dB.
    seen, unseen
        Share of the measured and of the other pixels within one std; None where there
        is none.
    seconds
        Of the processor.
    """

    psnr: float
    seen: float | None
    unseen: float | None
    seconds: float


# --- which pixels are kept ------------------------------------------------------------


def _random(shape: tuple[int, ...], rng: np.random.Generator, share: float) -> Mask:
    return rng.random(shape) < share


def _rows(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """One row in five, moved on by two in every frame."""
    t, y, _ = np.indices(shape)
    return np.asarray((y + 2 * t) % 5 == 0)


def _fovea(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """All pixels in the middle, fewer and fewer towards the border."""
    _, y, x = np.indices(shape)
    far = np.hypot(y - shape[1] / 2, x - shape[2] / 2)
    dense = np.exp(-6 * far / shape[2])
    return np.asarray(rng.random(shape) < 0.06 + 0.94 * dense)


def _fixed(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """Keep the same pixels in every frame."""
    return np.broadcast_to(rng.random(shape[1:]) < 0.2, shape).copy()


MASKS: Mapping[str, Callable[[tuple[int, ...], np.random.Generator], Mask]] = {
    "random-20": partial(_random, share=0.2),
    "random-10": partial(_random, share=0.1),
    "rows-5": _rows,
    "fovea": _fovea,
    "fixed-20": _fixed,
}
"""Every mask by its name; each is a function of shape and source of randomness."""


# --- methods --------------------------------------------------------------------------


def psnr(truth: Frames, estimate: Frames) -> float:
    """PSNR in dB, see above."""
    low, high = np.percentile(truth, (0.1, 99.9))
    return metrics.psnr(truth, estimate, peak=float(high - low))


def best_average(movie: KnownMovie, measured: Mask) -> Result:
    """Average with the best widths of a grid."""
    found = (
        interpolate(movie.noisy, measured, Widths(*widths))
        for widths in product(PIXELS, FRAMES)
    )
    return Result(max(found, key=lambda mean: psnr(movie.truth, mean)))


def preview(movie: KnownMovie, measured: Mask) -> Result:
    """Average with the widths that it finds."""
    widths = choose_widths(movie.noisy, measured)
    return Result(interpolate(movie.noisy, measured, widths))


def biharmonic(movie: KnownMovie, measured: Mask) -> Result:
    """Inpaint two frames, then smooth them."""
    some = slice(len(measured) // 2, len(measured) // 2 + 2)
    filled = np.stack(
        [
            inpaint_biharmonic(np.where(known, frame, 0), ~known)
            for frame, known in zip(movie.noisy[some], measured[some], strict=True)
        ]
    )
    found = (gaussian_filter(filled, (0, s, s)) for s in (0.0, *SIGMAS))
    best = max(found, key=lambda mean: psnr(movie.truth[some], mean))
    return Result(best.astype(np.float32), frames=some)


def trained(
    frames: Frames, movie: KnownMovie, task: str, seed: int, **budget: Any
) -> Result:
    """Train a network on frames and apply it to them."""
    stack = nu.Stack.from_array(frames, "TYX")
    noise = movie.gain, movie.offset, movie.read_noise
    settings = make_settings(seed=seed, device="cpu", noise=noise, **budget)
    for event in train_events([stack], settings, follows=Request(), task=task):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            denoiser = event.denoiser
    request = Request(device="cpu", with_std=True, dtype=np.float32)
    dtype = np.dtype(np.float32)
    with (
        ArraySink(stack.layout, dtype) as mean,
        ArraySink(stack.layout, dtype) as std,
    ):
        for _ in denoiser.restore(stack, mean, request, std_sink=std):
            pass
    return Result(mean.array, std.array)


def ours(movie: KnownMovie, measured: Mask, seed: int, **budget: Any) -> Result:
    """Train on the measured pixels alone."""
    sparse = np.where(measured, movie.noisy, np.float32(np.nan))
    return trained(sparse, movie, RECONSTRUCT.name, seed, **budget)


def denoised(movie: KnownMovie, measured: Mask, seed: int, **budget: Any) -> Result:
    """Fill with the best average, then denoise that."""
    filled = np.where(measured, movie.noisy, best_average(movie, measured).mean)
    return trained(filled, movie, DENOISE.name, seed, **budget)


def methods(
    options: argparse.Namespace, seed: int
) -> dict[str, Callable[[KnownMovie, Mask], Result]]:
    """Return every column that was asked for."""
    found: dict[str, Callable[[KnownMovie, Mask], Result]] = {
        AVERAGE: best_average,
        PREVIEW: preview,
    }
    if options.biharmonic:
        found[BIHARMONIC] = biharmonic
    budgets: dict[str, dict[str, Any]] = {
        f"{steps} steps": {"steps": steps} for steps in options.steps
    }
    budgets |= {f"{s:g} s": {"minutes": s / 60} for s in options.seconds}
    if options.denoise and budgets:
        last = list(budgets.values())[-1]
        found[DENOISED] = partial(denoised, seed=seed, **last)
    for name, budget in budgets.items():
        found[f"ours, {name}"] = partial(ours, seed=seed, **budget)
    return found


def measure(
    movie: KnownMovie, measured: Mask, method: Callable[[KnownMovie, Mask], Result]
) -> Score:
    """Apply a method and compare with the truth."""
    began = time.process_time()
    mean, std, frames = method(movie, measured)
    took = time.process_time() - began
    truth, known = movie.truth[frames], measured[frames]
    seen = unseen = None
    if std is not None:
        within = np.abs(truth - mean) <= std
        seen, unseen = float(within[known].mean()), float(within[~known].mean())
    return Score(psnr(truth, mean), seen, unseen, took)


# --- tables ---------------------------------------------------------------------------


Scores = dict[str, dict[str, list[Score]]]
"""By movie and mask, then by column: one for each seed."""


def decibels(scores: Scores) -> str:
    """Table of PSNR: a row for each movie and mask, and one for their average."""
    columns = list(next(iter(scores.values())))
    values = {
        name: [float(np.mean([s.psnr for s in row[c]])) for c in columns]
        for name, row in scores.items()
    }
    values["average"] = [float(v) for v in np.mean(list(values.values()), axis=0)]
    rows = [(name, *(f"{v:.2f}" for v in row)) for name, row in values.items()]
    return table(("PSNR, dB", *columns), rows)


def honesty(scores: Scores) -> str:
    """Table of the shares within one std, measured / not measured, and of seconds."""
    rows = []
    for name, row in scores.items():
        for column, found in row.items():
            seconds = f"{np.mean([s.seconds for s in found]):.1f}"
            shares = ["", ""]
            for k, field in enumerate(("seen", "unseen")):
                each = [getattr(s, field) for s in found]
                if None not in each:
                    shares[k] = f"{100 * np.mean(each):.0f} %"
            rows.append((name, column, *shares, seconds))
    head = "", "method", "within one std, measured", "not measured", "processor, s"
    return table(head, rows)


def verdict(scores: Scores) -> str:
    """Say in a line for each of our columns what it gains over the average."""
    said = []
    for column in next(iter(scores.values())):
        if column in (AVERAGE, BIHARMONIC):
            continue
        gains = {
            name: float(
                np.mean([s.psnr for s in row[column]])
                - np.mean([s.psnr for s in row[AVERAGE]])
            )
            for name, row in scores.items()
        }
        worst = min(gains, key=gains.__getitem__)
        mean = float(np.mean(list(gains.values())))
        said.append(
            f"- {column}, against the {AVERAGE}: on average {mean:+.2f} dB, at worst "
            f"({worst}) {gains[worst]:+.2f} dB"
        )
    return "\n".join(said)


def save(path: Path, scores: Scores, options: Mapping[str, object]) -> None:
    """Write all numbers, and what they were measured on and with, as JSON."""
    content = {
        "machine": machine(),
        "options": options,
        "scores": {
            name: {
                column: [s._asdict() for s in found] for column, found in row.items()
            }
            for name, row in scores.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=SCENES)
    parser.add_argument("--masks", nargs="+", choices=MASKS, default=["random-20"])
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument(
        "--seconds", type=float, nargs="*", default=[], help="budgets of ours"
    )
    parser.add_argument("--steps", type=int, nargs="*", default=[], help="the same")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="of masks and training"
    )
    parser.add_argument(
        "--denoise", action=argparse.BooleanOptionalAction, default=True
    )
    parser.add_argument(
        "--biharmonic", action=argparse.BooleanOptionalAction, default=True
    )
    parser.add_argument(
        "--frames", type=int, help="of a movie, rows and columns 128: all if left out"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--save-json", type=Path, metavar="FILE", help="gets all numbers"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Measure every movie with every mask and method, print the tables."""
    options = parsed()
    torch.set_num_threads(options.threads)
    scores: Scores = {}
    for name, mask in product(options.movies, options.masks):
        movie = MOVIES[name](options.data)
        part = slice(options.frames), slice(128), slice(128)
        movie = movie._replace(truth=movie.truth[part], noisy=movie.noisy[part])
        row: dict[str, list[Score]] = {}
        for seed in options.seeds:
            rng = np.random.default_rng(seed)
            measured = MASKS[mask](movie.truth.shape, rng)
            for column, method in methods(options, seed).items():
                score = measure(movie, measured, method)
                row.setdefault(column, []).append(score)
                progress(f"{name}, {mask}, {column}: {score}")
        scores[f"{name}, {mask}"] = row
        if options.save_json:
            save(options.save_json, scores, vars(options))
    print(machine())
    print(f"\n{decibels(scores)}\n\n{honesty(scores)}\n\n{verdict(scores)}")


if __name__ == "__main__":
    main()
