"""Pairs of frames with known motion, drawn on a device a whole batch at once.

What `napari_udvd.pretraining.flow` draws one by one, with cubic convolution in
place of splines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.gpu_corpus import LARGEST, Store, log_uniform
from napari_udvd.pretraining import flow as pretrain_flow
from napari_udvd.pretraining.flow import Pairs

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

__all__ = ["PairSource"]

DISCS = 3
"""At most so many go their own way."""


class PairSource:
    """Draws pairs.

    Parameters
    ----------
    device
        Where.
    seed
        Of what is drawn.
    most
        Pictures that it holds.
    """

    def __init__(self, device: torch.device, seed: int, most: int) -> None:
        self._device = device
        self._rng = np.random.default_rng(seed)
        self._generator = torch.Generator(device).manual_seed(seed)
        self.store = Store(device, most)

    def draw(self, count: int) -> Pairs:
        """Draw so many pairs."""
        rng, store, size = self._rng, self.store, pretrain_flow.PATCH
        assert store.roots is not None
        which = torch.from_numpy(rng.integers(store.count, size=count)).to(self._device)
        pictures = (store.roots[which].float() / LARGEST).square()
        pictures = pictures * store.peaks[which][:, None, None, None]
        edge = pictures.shape[-1]
        flow = self.flows(count, size)
        corner = rng.integers(0, edge - size + 1, (count, 2, 1, 1))
        line = torch.arange(size, device=self._device, dtype=torch.float32)
        here = torch.stack(torch.meshgrid(line, line, indexing="ij"))
        here = here + self._numbers(corner)
        photons = self._numbers(log_uniform(rng, pretrain_flow.PHOTONS, count))
        dark = photons * self._numbers(rng.choice([0.0, 0.1, 0.5], count))
        read = self._numbers(rng.choice([0.0, 0.5, 2.0], count))

        def photograph(light: Tensor) -> Tensor:
            level = photons[:, None, None, None] * light + dark[:, None, None, None]
            seen = torch.poisson(level, self._generator)
            return seen + read[:, None, None, None] * self._normal(light.shape)

        # what is at `here` in the first frame is at `here + flow` in the second
        first = photograph(_at(pictures, here + flow))
        second = photograph(_at(pictures, here))
        whole = photograph(pictures[:, :, ::2, ::2]).flatten(1)
        bounds = torch.tensor([0.01, 0.999], device=self._device)
        low, high = torch.quantile(whole, bounds, dim=1)
        mean = whole.mean(dim=1)[:, None, None, None]
        span = (high - low).clamp_min(1e-6)[:, None, None, None]
        first, second = (first - mean) / span, (second - mean) / span
        turned = torch.from_numpy(rng.random(count) < 0.5).to(self._device)
        turned = turned[:, None, None, None]
        first, second = (
            torch.where(turned, frame.transpose(2, 3), frame)
            for frame in (first, second)
        )
        return Pairs(
            first, second, torch.where(turned, flow.transpose(2, 3).flip(1), flow)
        )

    def flows(self, count: int, size: int) -> Tensor:
        """Draw fields ``(N, 2, size, size)`` like :func:`pretrain_flow.random_flow`."""
        line = torch.arange(size, device=self._device, dtype=torch.float32)
        y, x = torch.meshgrid(*[(line - size / 2) / size] * 2, indexing="ij")
        speed = pretrain_flow.FARTHEST * self._uniform(count, 1, 1).square()
        angle = 2 * torch.pi * self._uniform(count, 1, 1)
        turn = 2 * self._normal((count, 4, 1, 1))
        turn = turn * self._uniform(count, 1, 1, 1).square()
        flow = torch.stack(
            [
                speed * torch.sin(angle) + turn[:, 0] * y + turn[:, 1] * x,
                speed * torch.cos(angle) + turn[:, 2] * y + turn[:, 3] * x,
            ],
            dim=1,
        )
        knots = int(self._rng.integers(4, 13))
        coarse = self._normal((count, 2, knots, knots))
        waves = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
        waves = waves / waves.std(dim=(1, 2, 3), keepdim=True)
        strength = 2 * self._uniform(count, 1, 1, 1).square()
        flow = flow + strength * (self._uniform(count, 1, 1, 1) < 0.6) * waves
        some = self._uniform(count, 1, 1) < 0.5
        discs = 1 + (DISCS * self._uniform(count, 1, 1)).long()
        for k in range(DISCS):
            centre = self._uniform(count, 2, 1, 1) - 0.5
            radius = 0.08 + 0.22 * self._uniform(count, 1, 1)
            inside = torch.hypot(y - centre[:, 0], x - centre[:, 1]) < radius
            inside = inside & some & (k < discs)
            own = 2.5 * self._normal((count, 2, 1, 1))
            flow = torch.where(inside[:, None], own, flow)
        still = self._uniform(count, 1, 1, 1) < 0.1
        return torch.where(still, 0.05 * flow, flow)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator, device=self._device)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)

    def _numbers(self, values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self._device)


def _at(pictures: Tensor, positions: Tensor) -> Tensor:
    """Brightness ``(N, 1, H, W)`` at positions ``(N, 2, H, W)``, never negative."""
    unit = 2 * positions / (pictures.shape[-1] - 1) - 1
    grid = torch.stack([unit[:, 1], unit[:, 0]], dim=-1)
    light = F.grid_sample(
        pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=True
    )
    return light.clamp_min(0)
