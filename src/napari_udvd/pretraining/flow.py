"""Make the weights that flow networks start from.

``python -m napari_udvd.pretraining.flow weights.safetensors`` runs it.

Frames of simulated movies (see `corpus`) are moved by random displacements that are
known at every pixel, and both frames are given noise of their own. The network learns
the displacements (end-point error). On a movie it goes on without known motion, see
`flow`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.models.flow import LearnedFlow
from napari_udvd.pretraining.corpus import clean_movie
from napari_udvd.runtime.device import keep_freed_memory
from napari_udvd.training.optimiser import Adam, follow, rate_at
from napari_udvd.training.warm_start import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Image = npt.NDArray[np.float64]

PATCH = 96
"""Rows and columns of a training pair."""

SIZE, FRAMES = 144, 2
"""Frames of the simulated movies that images are taken from."""

IMAGES = 400
"""Images held at a time."""

RENEWED_EVERY = 8
"""Steps after which one of them is replaced."""

BATCH = 4
HELD_OUT = 32
"""Batches by which it is judged."""

FARTHEST = 8.0
"""Largest displacement of a whole frame, px."""

PHOTONS = 1.0, 300.0
"""Photons of the 99.9th percentile, drawn on a log scale."""

RATE = 1e-3
WARM_UP_STEPS = 100
FINAL_RATE = 0.02
"""Learning rate at the end, as a fraction of the highest."""

AVERAGE_DECAY = 0.999

HARD = 1.0
"""End-point error from which a pair counts by its relative error, px."""


class Pairs(NamedTuple):
    """Two noisy frames and where the content of the first is in the second."""

    first: Tensor  # (N, 1, H, W)
    second: Tensor
    flow: Tensor  # (N, 2, H, W), px


class Picture(NamedTuple):
    """A clean image, made ready to be moved."""

    spline: Image  # coefficients
    low: float  # first percentile
    high: float  # 99.9th

    @classmethod
    def of(cls, image: Image) -> Picture:
        """Make an image ready."""
        low, high = np.percentile(image, (1, 99.9))
        spline = ndimage.spline_filter(image, mode="reflect")
        return cls(np.asarray(spline), float(low), float(high))

    def at(self, positions: Image) -> Image:
        """Brightness at positions ``(2, H, W)``; mostly from 0 to 1, never negative."""
        image = ndimage.map_coordinates(
            self.spline, positions, order=3, mode="reflect", prefilter=False
        )
        light = (image - self.low) / max(self.high - self.low, 1e-6)
        return np.asarray(np.clip(light, 0, None))


def random_flow(rng: np.random.Generator, size: int) -> Image:
    """Draw a displacement field ``(2, size, size)``, px.

    Everything moves, turns and swells a little; waves may run over it; and sometimes
    discs go their own way. One field in ten is nearly still.
    """
    y, x = (np.mgrid[:size, :size] - size / 2) / size
    speed = FARTHEST * rng.random() ** 2
    angle = rng.uniform(0, 2 * np.pi)
    turn = rng.normal(0, 2.0, (2, 2)) * rng.random() ** 2
    flow = np.empty((2, size, size))
    for k, shift in enumerate((np.sin(angle), np.cos(angle))):
        flow[k] = speed * shift + turn[k, 0] * y + turn[k, 1] * x
    if rng.random() < 0.6:
        flow += 2 * rng.random() ** 2 * _waves(rng, size)
    if rng.random() < 0.5:
        for _ in range(rng.integers(1, 4)):
            centre = rng.uniform(-0.5, 0.5, 2)
            inside = np.hypot(y - centre[0], x - centre[1]) < rng.uniform(0.08, 0.3)
            flow[:, inside] = rng.normal(0, 2.5, (2, 1))
    return flow if rng.random() > 0.1 else 0.05 * flow


def _waves(rng: np.random.Generator, size: int) -> Image:
    """Smooth field ``(2, size, size)`` of standard deviation one."""
    knots = rng.integers(4, 13)
    coarse = torch.from_numpy(rng.standard_normal((1, 2, knots, knots)))
    field = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    return np.asarray(field[0] / field.std())


class Camera(NamedTuple):
    """What stands between light and grey levels."""

    photons: float
    dark: float
    read: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Camera:
        """Draw one."""
        photons = float(np.exp(rng.uniform(*np.log(PHOTONS))))
        dark = rng.choice([0.0, 0.1, 0.5]) * photons
        return cls(photons, dark, rng.choice([0.0, 0.5, 2.0]))

    def take(self, rng: np.random.Generator, light: Image) -> Image:
        """Photograph, with noise."""
        seen = rng.poisson(light * self.photons + self.dark)
        return np.asarray(seen + self.read * rng.standard_normal(light.shape))


class Source:
    """Draws pairs from a pool of pictures that is renewed bit by bit."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._pictures: list[Picture] = []
        self._draws = 0

    def draw(self, count: int) -> Pairs:
        """Draw so many pairs."""
        if len(self._pictures) < IMAGES:
            self._pictures.append(self._new_picture())
        elif self._draws % RENEWED_EVERY == 0:
            self._pictures[self._rng.integers(IMAGES)] = self._new_picture()
        self._draws += 1
        pairs = [self._pair() for _ in range(count)]
        first, second, flow = (
            torch.from_numpy(np.stack(part)).float()
            for part in zip(*pairs, strict=True)
        )
        return Pairs(first[:, None], second[:, None], flow)

    def _new_picture(self) -> Picture:
        movie = clean_movie(self._rng, FRAMES, SIZE)
        return Picture.of(np.asarray(movie[0], dtype=np.float64))

    def _pair(self) -> tuple[Image, Image, Image]:
        rng = self._rng
        picture = self._pictures[rng.integers(len(self._pictures))]
        camera = Camera.random(rng)
        flow = random_flow(rng, PATCH)
        corner = rng.integers(0, SIZE - PATCH + 1, (2, 1, 1))
        here: Image = np.indices((PATCH, PATCH)).astype(np.float64) + corner
        # what is at `here` in the first frame is at `here + flow` in the second
        seen = [camera.take(rng, picture.at(at)) for at in (here + flow, here)]
        # frames are normalised as a whole, so a patch of them may be dim
        coarse: Image = np.indices((SIZE, SIZE)).astype(np.float64)[:, ::2, ::2]
        whole = camera.take(rng, picture.at(coarse))
        low, high = np.percentile(whole, (1, 99.9))
        first, second = ((x - whole.mean()) / max(high - low, 1e-6) for x in seen)
        if rng.random() < 0.5:  # rows become columns
            first, second = first.T, second.T
            flow = flow.swapaxes(1, 2)[::-1]
        return first, second, flow


def end_point_error(flow: Tensor, truth: Tensor) -> Tensor:
    """Distance between displacements, ``(N, H, W)``, px."""
    return (flow - truth).square().sum(dim=1).add(1e-6).sqrt()


def pretrain(
    minutes: float, seed: int = 0, start: LearnedFlow | None = None, rate: float = RATE
) -> tuple[LearnedFlow, dict[str, float]]:
    """Train; return the average of the weights and how it went.

    Parameters
    ----------
    minutes
        To train.
    seed
        Of everything that is drawn.
    start
        To go on from; drawn at random if None.
    rate
        Highest learning rate.
    """
    torch.manual_seed(seed)
    net, average = LearnedFlow(), LearnedFlow()
    if start is not None:
        net.load_state_dict(start.state_dict())
    average.load_state_dict(net.state_dict())
    parameters = list(net.parameters())
    adam = Adam(parameters, (0.9, 0.999))
    source, judge = Source(seed), Source(seed + 1000)
    held_out = [judge.draw(BATCH) for _ in range(HELD_OUT)]
    began, step, error = time.monotonic(), 0, float("nan")
    while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
        pairs = source.draw(BATCH)
        with torch.autocast("cpu", torch.bfloat16):
            levels = net.levels(pairs.first, pairs.second)
        gradients = torch.autograd.grad(_loss(levels, pairs.flow), parameters)
        now = rate_at(rate, step + 1, progress, warm_up=WARM_UP_STEPS, final=FINAL_RATE)
        adam.step(gradients, now)
        follow(average, net, step, AVERAGE_DECAY, at_once=False)
        step += 1
        if step % 500 == 0:
            error = _judged(average, held_out)
            print(f"{step} {progress:.0%} held out {error:.3f} px", flush=True)
    error = _judged(average, held_out)
    still = float(
        np.mean([end_point_error(0 * p.flow, p.flow).mean() for p in held_out])
    )
    return average, {"steps": step, "end_point_error": error, "no_motion": still}


def _loss(levels: Sequence[Tensor], truth: Tensor) -> Tensor:
    """End-point error of all levels, in pixels of the frame.

    Divided by that of the pair, so that pairs from which nobody could tell the motion
    do not outshout those that are a matter of a tenth of a pixel.
    """
    errors = []
    for flow in levels:
        factor = truth.shape[2] // flow.shape[2]
        small = F.avg_pool2d(truth, factor) / factor
        errors.append(factor * end_point_error(flow.float(), small).mean(dim=(1, 2)))
    by_pair = torch.stack(errors)
    return (by_pair / (HARD + by_pair[-1].detach())).mean()


@torch.no_grad()
def _judged(net: LearnedFlow, held_out: list[Pairs]) -> float:
    errors = [
        end_point_error(net(pairs.first, pairs.second), pairs.flow).mean()
        for pairs in held_out
    ]
    return float(torch.stack(errors).mean())


def main() -> None:
    """Train and write the weights, in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    options = parser.parse_args()
    keep_freed_memory()
    start, before = None, {}
    if options.start is not None:
        header, tensors = read_model_file(options.start)
        start, before = LearnedFlow(), {"start": header["weights"]}
        start.load_state_dict(tensors)
    net, record = pretrain(options.minutes, options.seed, start, options.rate)
    tensors = {
        name: tensor.to(torch.float16) for name, tensor in net.state_dict().items()
    }
    header = {
        "weights": {
            "checksum": checksum(tensors),
            "network": net.name,
            "minutes": options.minutes,
            "seed": options.seed,
            "rate": options.rate,
            **record,
            **before,
        }
    }
    write_model_file(options.output, tensors, header)
    print(record)


if __name__ == "__main__":
    main()
