"""Make the weights that flow networks start from.

``python -m napari_udvd.training.pretrain_flow weights.safetensors`` runs it.

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

from napari_udvd.denoiser import write_model_file
from napari_udvd.device import keep_freed_memory
from napari_udvd.models import LightFlow
from napari_udvd.training.adam import Adam, clipped
from napari_udvd.training.corpus import clean_movie
from napari_udvd.training.warm_start import checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Image = npt.NDArray[np.float64]

PATCH = 64
"""Rows and columns of a training pair."""

SIZE, FRAMES = 128, 2
"""Of the simulated movies that images are taken from."""

IMAGES = 400
"""Images held at a time; one is replaced in every step."""

BATCH = 8
FARTHEST = 8.0
"""Largest displacement of the whole frame, px."""

PHOTONS = 1.0, 300.0
"""Photons of the 99.9th percentile, drawn on a log scale."""

RATE = 1e-3
WARM_UP_STEPS = 100
LARGEST_GRADIENT = 1.0
AVERAGE_DECAY = 0.995


class Pairs(NamedTuple):
    """Two noisy frames and where the content of the first is in the second."""

    first: Tensor  # (N, 1, H, W)
    second: Tensor
    flow: Tensor  # (N, 2, H, W), px


def random_flow(rng: np.random.Generator, size: int) -> Image:
    """Draw a displacement field ``(2, size, size)``, px.

    Everything moves, turns and swells a little; waves run over it; and sometimes a
    disc goes its own way.
    """
    y, x = (np.mgrid[:size, :size] - size / 2) / size
    flow = np.empty((2, size, size))
    speed = FARTHEST * rng.random() ** 2
    angle = rng.uniform(0, 2 * np.pi)
    affine = rng.normal(0, 2.0, (2, 2)) * rng.random()
    for k, shift in enumerate((np.sin(angle), np.cos(angle))):
        flow[k] = speed * shift + affine[k, 0] * y + affine[k, 1] * x
        waves = ndimage.gaussian_filter(
            rng.standard_normal((size, size)), rng.uniform(6, 24), mode="wrap"
        )
        flow[k] += rng.uniform(0, 2) * waves / waves.std()
    for _ in range(rng.integers(0, 4)):
        centre = rng.uniform(-0.5, 0.5, 2)
        inside = np.hypot(y - centre[0], x - centre[1]) < rng.uniform(0.08, 0.3)
        flow[:, inside] = rng.normal(0, 2.5, (2, 1))
    return flow if rng.random() > 0.1 else 0.05 * flow


def moved(image: Image, flow: Image) -> Image:
    """First frame of a pair whose second is `image`."""
    size = image.shape[0]
    at = np.mgrid[:size, :size] + flow
    return np.asarray(ndimage.map_coordinates(image, at, order=3, mode="reflect"))


def noisy(rng: np.random.Generator, images: Image) -> Image:
    """Take a pair with a camera, and normalise as movies are."""
    photons = np.exp(rng.uniform(*np.log(PHOTONS)))
    dark = rng.choice([0.0, 0.1, 0.5]) * photons
    low, high = np.percentile(images, (1, 99.9))
    light = np.clip((images - low) / max(high - low, 1e-6), 0, None) * photons + dark
    read = rng.choice([0.0, 0.5, 2.0])
    seen = rng.poisson(light) + rng.normal(0, read, light.shape)
    low, high = np.percentile(seen, (1, 99.9))
    return np.asarray((seen - seen.mean()) / max(high - low, 1e-6))


class Source:
    """Draws pairs from a pool of images that is renewed bit by bit."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._images: list[Image] = []

    def _new_image(self) -> Image:
        movie = clean_movie(self._rng, FRAMES, SIZE)
        return np.asarray(movie[0], dtype=np.float64)

    def draw(self, count: int) -> Pairs:
        """Draw so many pairs."""
        if len(self._images) < IMAGES:
            self._images.append(self._new_image())
        else:
            self._images[self._rng.integers(IMAGES)] = self._new_image()
        pairs = [self._pair() for _ in range(count)]
        first, second, flow = (
            torch.from_numpy(np.stack(part)).float()
            for part in zip(*pairs, strict=True)
        )
        return Pairs(first[:, None], second[:, None], flow)

    def _pair(self) -> tuple[Image, Image, Image]:
        rng = self._rng
        image = self._images[rng.integers(len(self._images))]
        flow = random_flow(rng, SIZE)
        pair = noisy(rng, np.stack([moved(image, flow), image]))
        margin = int(np.ceil(FARTHEST))
        y, x = rng.integers(margin, SIZE - PATCH - margin + 1, 2)
        place = (..., slice(y, y + PATCH), slice(x, x + PATCH))
        first, second = pair[place]
        flow = flow[place]
        if rng.random() < 0.5:  # rows become columns
            first, second = first.T, second.T
            flow = flow.swapaxes(1, 2)[::-1]
        return first, second, flow


def end_point_error(flow: Tensor, truth: Tensor) -> Tensor:
    """Distance between displacements, ``(N, H, W)``, px."""
    return (flow - truth).square().sum(dim=1).add(1e-6).sqrt()


def pretrain(minutes: float, seed: int = 0) -> tuple[LightFlow, dict[str, float]]:
    """Train; return the average of the weights and how it went."""
    torch.manual_seed(seed)
    net, average = LightFlow(), LightFlow()
    average.load_state_dict(net.state_dict())
    parameters = list(net.parameters())
    adam, source, judge = Adam(parameters), Source(seed), Source(seed + 1000)
    held_out = [judge.draw(BATCH) for _ in range(8)]
    began, step, error = time.monotonic(), 0, float("nan")
    while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
        pairs = source.draw(BATCH)
        loss = _loss(net.levels(pairs.first, pairs.second), pairs.flow)
        gradients = torch.autograd.grad(loss, parameters)
        warm = min((step + 1) / WARM_UP_STEPS, 1.0)
        rate = RATE * warm * (0.02 + 0.98 * (1 + np.cos(np.pi * progress)) / 2)
        adam.step(clipped(list(gradients), LARGEST_GRADIENT), rate)
        decay = min(AVERAGE_DECAY, step / (step + 10))
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), parameters, strict=True):
                mean.lerp_(weight, 1 - decay)
        step += 1
        if step % 200 == 0:
            error = _judged(average, held_out)
            print(f"{step} {progress:.0%} held out {error:.3f} px", flush=True)
    error = _judged(average, held_out)
    still = float(
        np.mean([end_point_error(0 * p.flow, p.flow).mean() for p in held_out])
    )
    return average, {"steps": step, "end_point_error": error, "no_motion": still}


def _loss(levels: Sequence[Tensor], truth: Tensor) -> Tensor:
    """End-point error of all levels, in pixels of the frame, averaged."""
    errors = []
    for flow in levels:
        factor = truth.shape[2] // flow.shape[2]
        small = F.avg_pool2d(truth, factor) / factor
        errors.append(factor * end_point_error(flow, small).mean())
    return torch.stack(errors).mean()


@torch.no_grad()
def _judged(net: LightFlow, held_out: list[Pairs]) -> float:
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
    options = parser.parse_args()
    keep_freed_memory()
    net, record = pretrain(options.minutes, options.seed)
    tensors = {
        name: tensor.to(torch.float16) for name, tensor in net.state_dict().items()
    }
    header = {
        "weights": {
            "checksum": checksum(tensors),
            "network": net.name,
            "minutes": options.minutes,
            "seed": options.seed,
            **record,
        }
    }
    write_model_file(options.output, tensors, header)
    print(record)


if __name__ == "__main__":
    main()
