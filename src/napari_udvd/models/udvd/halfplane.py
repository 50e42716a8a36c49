"""Half-plane U-Net: the convolutions of a blind-spot network, without copies.

A blind-spot network (Laine et al. 2019, section 2; Sheth et al. 2021, section 3)
looks at the image four times, rotated by multiples of 90 degrees, each time through
a U-Net whose output row sees only rows above it. The published layers shift rows
down by padding and cropping, and replicate the left and right border by padding,
around every convolution. The same numbers come out of three facts used here:

* A 3x3 convolution that sees rows ``r-2 .. r`` is an ordinary one with two zero rows
  of padding on top. Padding is symmetric in every framework, so two rows appear
  below the frame; rows below are never seen by rows above and are simply ignored.
  The extra zero row that a pool's shift needs is one more row of padding.
* Tensors carry border columns on both sides (4, 2 and 1 at full, half and quarter
  resolution). Only the innermost one is ever read; after each layer it is
  overwritten by its neighbour, which is what replication padding would have put
  there.
* A 3x3 convolution of an image upsampled by nearest neighbours is a transposed
  convolution of the small image with a 4x4 kernel, at 4/9 of the operations. It
  replaces upsampling and concatenation at the head of each decoder block.

All of it is exact for networks without biases (zeros stay zeros above the frame);
the published networks have none.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.udvd.causal import CausalConv, CausalJoin

__all__ = ["BORDER", "HalfPlaneUNet", "relative"]

BORDER = 4
"""Border columns on each side at full resolution, so that a quarter still has one."""

STRIP_NUMBERS = 3 * 2**20
"""Numbers in one activation in inference: what stays in a CPU's cache."""

ROWS_ABOVE = 8
"""Rows that four causal convolutions, or three and a pool, see above a strip."""

ASIDE = 4
"""Columns that they see on either side."""


class HalfPlaneUNet(nn.Module):
    """U-Net whose output row ``r`` depends on input rows ``<= r`` only.

    Parameters
    ----------
    in_channels, out_channels
        Channels in and out.
    width
        Channels of the encoder; the decoder has twice as many. 48 as published.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        wide = 2 * width
        self.enc1 = Encoder(in_channels, width, width, border=BORDER)
        self.enc2 = Encoder(width, width, width, border=BORDER // 2)
        self.enc3 = Encoder(width, wide, width, border=BORDER // 4, pool=False)
        self.dec2 = Decoder(width, width, wide, wide, border=BORDER // 2)
        self.dec1 = Decoder(wide, in_channels, wide, out_channels, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network.

        Parameters
        ----------
        x
            ``(N, C, H, W + 2 BORDER)`` with ``H`` and ``W`` multiples of 4 and the
            border columns filled by replication.

        Returns
        -------
        Tensor
            ``(N, out_channels, H, W + 2 BORDER)``; what is in the border columns has
            no meaning.
        """
        rows = x.shape[2]
        half = self._in_strips(_first_block, x)
        quarter = self.enc2(half)[:, :, : rows // 4]
        low = self.enc3(quarter)[:, :, : rows // 4]
        low = self.dec2(low, half)[:, :, : rows // 2]
        return self._in_strips(_last_block, x, low)

    def forward_at(self, x: Tensor, rows: slice, columns: slice) -> Tensor:
        """Run the network for a part of its output only.

        The encoder runs over all of `x`, the decoder where it is needed.

        Parameters
        ----------
        x
            As for :meth:`forward`.
        rows, columns
            The part, without border columns, on the grid of 4.

        Returns
        -------
        Tensor
            ``(N, out_channels, rows, columns + 2 BORDER)``; what is in the border
            columns has no meaning.
        """
        height, width = x.shape[2], x.shape[3] - 2 * BORDER
        half = self.enc1(x)[:, :, : height // 2]
        quarter = self.enc2(half)[:, :, : height // 4]
        low = self.enc3(quarter)[:, :, : height // 4]
        seen_rows = _widened(rows, ROWS_ABOVE, 0, height)
        seen_columns = _widened(columns, ASIDE, ASIDE, width)
        wide_rows = _widened(seen_rows, 2 * ROWS_ABOVE, 0, height)
        wide_columns = _widened(seen_columns, 2 * ASIDE, 2 * ASIDE, width)
        low = self.dec2(
            _part(low, wide_rows, wide_columns, 4),
            _part(half, wide_rows, wide_columns, 2),
        )[:, :, : (wide_rows.stop - wide_rows.start) // 2]
        low = _part(
            low,
            relative(seen_rows, wide_rows),
            relative(seen_columns, wide_columns),
            2,
        )
        out = self.dec1(low, _part(x, seen_rows, seen_columns, 1))
        return _part(out, relative(rows, seen_rows), relative(columns, seen_columns), 1)

    def _in_strips(self, block: Any, x: Tensor, *low: Tensor) -> Tensor:
        """Run a full-resolution block in strips of rows that stay in the cache.

        Exact, because a strip needs nothing but `ROWS_ABOVE` more rows above it.
        Training keeps every activation anyway and runs in one piece.
        """
        rows = x.shape[2]
        step = rows if torch.is_grad_enabled() else self._rows_per_strip(x)
        strips = []
        for start in range(0, rows, step):
            first = max(start - ROWS_ABOVE, 0)
            strips.append(block(self, x, *low, first, start, min(start + step, rows)))
        return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)

    def _rows_per_strip(self, x: Tensor) -> int:
        widest = self.dec1.conv2.weight.shape[0]
        per_row = x.shape[0] * widest * x.shape[3]
        return max(STRIP_NUMBERS // per_row // 4 * 4, 4 * ROWS_ABOVE)


def _first_block(
    net: HalfPlaneUNet, x: Tensor, first: int, start: int, stop: int
) -> Tensor:
    half: Tensor = net.enc1(x[:, :, first:stop])
    return half[:, :, (start - first) // 2 : (stop - first) // 2]


def _last_block(
    net: HalfPlaneUNet, x: Tensor, low: Tensor, first: int, start: int, stop: int
) -> Tensor:
    out: Tensor = net.dec1(low[:, :, first // 2 : stop // 2], x[:, :, first:stop])
    return out[:, :, start - first : stop - first]


def _widened(part: slice, before: int, after: int, length: int) -> slice:
    return slice(max(part.start - before, 0), min(part.stop + after, length))


def relative(part: slice, whole: slice) -> slice:
    """Move a range so that it counts from the start of another that holds it."""
    return slice(part.start - whole.start, part.stop - whole.start)


def _part(x: Tensor, rows: slice, columns: slice, scale: int) -> Tensor:
    """Cut a part, given at full resolution, out of an image at ``1 / scale`` of it."""
    border = BORDER // scale
    x = x[:, :, rows.start // scale : rows.stop // scale]
    x = x[..., columns.start // scale : columns.stop // scale + 2 * border]
    return x.contiguous(memory_format=torch.channels_last)


class Encoder(nn.Module):
    """Three causal convolutions and a pool over rows ``2q-1`` and ``2q``.

    Rows grow by two per convolution; the caller keeps those of the frame.
    """

    def __init__(
        self, inputs: int, middle: int, outputs: int, border: int, pool: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = CausalConv(inputs, middle, border)
        self.conv2 = CausalConv(middle, middle, border)
        self.conv3 = CausalConv(middle, outputs, border, before_pool=pool)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.conv1(x)))
        return F.max_pool2d(x, 2) if self.pool else x


class Decoder(nn.Module):
    """Join the small image with the skip connection, then three convolutions."""

    def __init__(
        self, low: int, skip: int, middle: int, outputs: int, border: int
    ) -> None:
        super().__init__()
        self.conv1 = CausalJoin(low, skip, middle, border)
        self.conv2 = CausalConv(middle, middle, border)
        self.conv3 = CausalConv(middle, middle, border)
        self.conv4 = CausalConv(middle, outputs, border)

    def forward(self, low: Tensor, skip: Tensor) -> Tensor:
        x: Tensor = self.conv1(low, skip[:, :, : 2 * low.shape[2]])
        x = self.conv4(self.conv3(self.conv2(x)))
        return x
