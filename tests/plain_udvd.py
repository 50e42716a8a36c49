"""UDVD layer by layer, as the papers draw it: the oracle for the fast network.

Nothing is shared, fused or reordered here. Parameter names are the published ones,
so a state dict of this module is a published state dict.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """3x3 convolution with replicated borders; causal ones see rows r-2 .. r."""

    def __init__(self, inputs: int, outputs: int, causal: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, bias=False)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        if self.causal:
            x = F.pad(x, (0, 0, 1, 0))
        x = F.leaky_relu(self.conv(F.pad(x, (1, 1, 1, 1), mode="replicate")), 0.1)
        return x[:, :, :-1] if self.causal else x


class Block(nn.Module):
    """Three or four convolutions in a row."""

    def __init__(self, *channels: int, causal: bool) -> None:
        super().__init__()
        pairs = pairwise(channels)
        for k, (inputs, outputs) in enumerate(pairs, start=1):
            self.add_module(f"conv{k}", Conv(inputs, outputs, causal))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.children():
            x = conv(x)
        return x


class UNet(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int, causal: bool) -> None:
        super().__init__()
        wide = 2 * width
        self.enc1 = Block(inputs, width, width, width, causal=causal)
        self.enc2 = Block(width, width, width, width, causal=causal)
        self.enc3 = Block(width, wide, wide, width, causal=causal)
        self.dec2 = Block(2 * width, wide, wide, wide, wide, causal=causal)
        self.dec1 = Block(wide + inputs, wide, wide, wide, outputs, causal=causal)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        half = self._pool(self.enc1(x))
        low = self.enc3(self._pool(self.enc2(half)))
        low = self.dec2(self._join(low, half))
        out: Tensor = self.dec1(self._join(low, x))
        return out

    def _pool(self, x: Tensor) -> Tensor:
        if self.causal:
            x = shift_down(x, 1)
        return F.max_pool2d(x, 2)

    @staticmethod
    def _join(low: Tensor, skip: Tensor) -> Tensor:
        up = F.interpolate(low, scale_factor=2)
        down, right = skip.shape[2] - up.shape[2], skip.shape[3] - up.shape[3]
        return torch.cat([F.pad(up, (0, right, 0, down)), skip], dim=1)


class PlainUDVD(nn.Module):
    """Takes ``(N, frames * channels, S, S)``: square frames only."""

    def __init__(
        self,
        frames: int = 5,
        channels: int = 1,
        outputs: int = 1,
        width: int = 48,
        stage_one_features: int = 32,
        shift: int = 1,
        blind_noise: bool = False,
    ) -> None:
        super().__init__()
        wide = 2 * width
        self.frames, self.channels, self.shift = frames, channels, shift
        if frames == 5:
            self.denoiser_1 = UNet(3 * channels, stage_one_features, width, True)
            self.denoiser_2 = UNet(3 * stage_one_features, wide, width, True)
        elif frames == 3:
            self.denoiser_1 = UNet(3 * channels, wide, width, True)
        else:
            self.unet = UNet(channels, wide, width, True)
        self.nin_A = nn.Conv2d(4 * wide, 4 * wide, 1, bias=False)
        self.nin_B = nn.Conv2d(4 * wide, wide, 1, bias=False)
        self.nin_C = nn.Conv2d(wide, outputs, 1, bias=False)
        if blind_noise:
            self.sigma_net = UNet(frames * channels, 1, width, False)

    def forward(self, x: Tensor) -> Tensor:
        c = self.channels
        if self.frames == 5:
            triples = [x[:, k * c : (k + 3) * c] for k in range(3)]
            stage_one = [self.denoiser_1(rotations(triple)) for triple in triples]
            y = self.denoiser_2(torch.cat(stage_one, dim=1))
        elif self.frames == 3:
            y = self.denoiser_1(rotations(x))
        else:
            y = self.unet(rotations(x))
        y0, y90, y180, y270 = shift_down(y, self.shift).chunk(4, dim=0)
        y = torch.cat(
            [y0, y90.rot90(1, (2, 3)), y180.rot90(2, (2, 3)), y270.rot90(3, (2, 3))],
            dim=1,
        )
        y = F.leaky_relu(self.nin_A(y), 0.1)
        y = F.leaky_relu(self.nin_B(y), 0.1)
        out: Tensor = self.nin_C(y)
        return out


def rotations(x: Tensor) -> Tensor:
    return torch.cat([x.rot90(-k, (2, 3)) for k in range(4)], dim=0)


def shift_down(x: Tensor, rows: int) -> Tensor:
    return F.pad(x, (0, 0, rows, 0))[:, :, : x.shape[2]]
