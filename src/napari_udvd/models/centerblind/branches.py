"""Two branches: neighbouring frames in full, and the lattice that stays blind.

Each brings its layers to the network, which is made of both. Their names, and the order
in which they are made, are those of the files that hold weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from napari_udvd.cutting import place_in, with_halo
from napari_udvd.models.centerblind.layers import (
    Residual,
    apply,
    convolution,
    rows_of,
    weave_filter,
)
from napari_udvd.models.precision import pack

__all__ = ["PRESETS", "LatticeBranch", "OpenBranch", "Preset"]


STRIP = 2**17
"""Pixels that a processor takes through full resolution at once: the features of more
of them leave its cache, and take up memory."""


class Preset(NamedTuple):
    """Channels of the layers.

    Attributes
    ----------
    full
        On the lattice, at full resolution.
    half, quarter, eighth
        Of the open branch, at half, quarter and eighth resolution.
    without
        Names of the residual blocks that are left out.
    """

    full: int
    half: int
    quarter: int
    eighth: int
    without: tuple[str, ...] = ()

    def block(self, name: str, width: int) -> nn.Module:
        """Make a residual block, or nothing where it is left out."""
        return nn.Identity() if name in self.without else Residual(width)


PRESETS = {
    "small": Preset(16, 32, 48, 64),
    # the medium one without the blocks that were missed least, see the benchmarks
    "light": Preset(32, 48, 96, 128, ("lattice_a", "open_quarter", "open_join")),
    "medium": Preset(32, 48, 96, 128),
    "large": Preset(48, 96, 128, 192),
}
"""Sizes to choose from."""


class OpenBranch(nn.Module):
    """U-Net over frames that are seen in full, at half resolution.

    Its last layer makes two by two pixels of one, with weights of their own for each of
    them. The likelihood of dim movies hardly notices where these do not agree, so a
    weave of period two is taken out behind it. The frame that is predicted is not seen
    here: whatever is done to the features, they stay blind.
    """

    weave_filter: Tensor

    def add_open_layers(self, inputs: int, preset: Preset) -> None:
        """Make the layers, for so many channels at half resolution."""
        full, half, quarter, eighth, _ = preset
        self.open_in = convolution(inputs, half, 3)
        self.open_half = Residual(half)
        self.open_down = nn.Conv2d(half, quarter, 2, stride=2)
        self.open_quarter = preset.block("open_quarter", quarter)
        self.open_deeper = nn.Conv2d(quarter, eighth, 2, stride=2)
        self.open_eighth = Residual(eighth)
        self.open_rise = nn.ConvTranspose2d(eighth, quarter, 2, stride=2)
        self.open_join = preset.block("open_join", quarter)
        self.open_up = nn.ConvTranspose2d(quarter, half, 2, stride=2)
        self.open_out = Residual(half)
        self.open_full = nn.ConvTranspose2d(half, full, 2, stride=2)
        self.register_buffer("weave_filter", weave_filter(full), persistent=False)

    def look_openly(self, first: Tensor) -> Tensor:
        """Features at half resolution from those behind the first layer.

        ``(N, half, H / 2, W / 2)``; they are overwritten.
        """
        half = self.open_half(F.relu_(first))
        quarter = self.open_quarter(F.relu_(apply(self.open_down, half)))
        eighth = self.open_eighth(F.relu_(apply(self.open_deeper, quarter)))
        quarter = self.open_join(quarter + apply(self.open_rise, eighth))
        half = self.open_out(half + apply(self.open_up, quarter))
        return F.relu_(half)

    def at_full_resolution(self, half: Tensor, rows: slice) -> Tensor:
        """Bring features of :meth:`look_openly` up: ``(N, full, rows, W)``."""
        seen = with_halo(rows, 2 * half.shape[2], 2, 2)
        part = rows_of(half, slice(seen.start // 2, seen.stop // 2))
        woven = apply(self.open_full, part)
        weight = self.weave_filter.to(woven.dtype)
        found = F.conv2d(woven, weight, padding=2, groups=len(weight))
        return rows_of(found, place_in(seen, rows))


class LatticeBranch(nn.Module):
    """Convolutions that join only pixels that are multiples of a stride apart."""

    def add_lattice_layers(self, preset: Preset) -> None:
        """Make the layers."""
        self.lattice_a = preset.block("lattice_a", preset.full)
        self.lattice_b = preset.block("lattice_b", preset.full)

    def lattice_radius(self, stride: int) -> int:
        """Pixels that a pixel sees of the others on its lattice."""
        blocks = (self.lattice_a, self.lattice_b)
        return 2 * stride * sum(isinstance(block, Residual) for block in blocks)

    def strips(self, image: Tensor, stride: int) -> list[tuple[slice, slice]]:
        """Cut rows into strips: what the lattice sees of each, and its own of these."""
        height, width = image.shape[2:]
        rows = height
        if image.device.type == "cpu":
            rows = stride * max(STRIP // (stride * width), 1)
        halo = self.lattice_radius(stride)
        strips = []
        for start in range(0, height, rows):
            stop = min(start + rows, height)
            first, last = max(start - halo, 0), min(stop + halo, height)
            strips.append((slice(first, last), slice(start - first, stop - first)))
        return strips

    def on_lattice(self, x: Tensor, stride: tuple[int, int]) -> Tensor:
        """Convolve pixels that are multiples of the stride apart; positive features."""
        height, width = x.shape[2:]
        rows, columns = stride
        down, right = -height % rows, -width % columns
        if down or right:
            x = F.pad(x, (0, right, 0, down))
        lattice = {"rows": rows, "columns": columns}
        # channels are last in memory, of gradients too
        x = rearrange(x, "n c h w -> n h w c")
        apart = "n (h rows) (w columns) c -> (n rows columns) h w c"
        x = rearrange(rearrange(x, apart, **lattice), "n h w c -> n c h w")
        x = self.lattice_a(x)  # under its name: what goes in is let go
        x = F.relu_(self.lattice_b(x))
        x = rearrange(x, "n c h w -> n h w c")
        together = "(n rows columns) h w c -> n (h rows) (w columns) c"
        x = rearrange(x, together, **lattice)
        if down or right:
            x = x[:, :height, :width]
        return rearrange(x, "n h w c -> n c h w")

    def on_one_lattice(
        self,
        x: Tensor,
        base: Tensor,
        pixel: tuple[int, int],
        stride: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Features and base ``(N, ..., 1, 1)`` of one pixel, from its own lattice."""
        (rows, columns), (top, left) = stride, pixel
        x = F.pad(x, (0, -x.shape[3] % columns, 0, -x.shape[2] % rows))
        points = x[:, :, top % rows :: rows, left % columns :: columns]
        points = F.relu_(self.lattice_b(self.lattice_a(pack(points))))
        row, column = top // rows, left // columns
        return (
            points[:, :, row : row + 1, column : column + 1],
            base[:, :, top : top + 1, left : left + 1],
        )
