"""Fetching pixels along a flow.

A flow ``(N, 2, H, W)`` holds ``(dy, dx)`` in pixels: what is at ``(y, x)`` in one
frame is at ``(y + dy, x + dx)`` in the other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

__all__ = ["sample_bilinear", "sample_nearest"]

FAR = 1e6
"""Instead of infinitely far, px."""


def sample_nearest(image: Tensor, flow: Tensor) -> Tensor:
    """Fetch from every position along the flow the nearest pixel, zero outside.

    No pixel is mixed with another, so noise stays as white as it was. The result is
    piecewise constant in the flow: there is no gradient with respect to it.

    The numbers of ``grid_sample(mode="nearest", align_corners=True)``, several times
    as fast because whole pixels are copied.

    Parameters
    ----------
    image
        ``(N, C, H, W)``, best with its memory channels last.
    flow
        ``(N, 2, H, W)`` as (dy, dx), px.

    Returns
    -------
    Tensor
        ``(N, C, H, W)``, memory channels last.
    """
    n, _, height, width = image.shape
    # positions need more digits than bfloat16 has
    rows, columns = _targets(flow.to(torch.promote_types(flow.dtype, torch.float)))
    rows, columns = rows.round(), columns.round()
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    first = torch.arange(n, device=image.device).view(n, 1, 1) * (height * width)
    row, column = (torch.where(inside, at, 0).long() for at in (rows, columns))
    pixels = rearrange(image, "n c h w -> (n h w) c")
    fetched = pixels.index_select(0, (first + row * width + column).flatten())
    fetched = fetched.masked_fill(~inside.view(-1, 1), 0)
    return rearrange(fetched, "(n h w) c -> n c h w", h=height, w=width)


def sample_bilinear(image: Tensor, flow: Tensor, outside: str = "border") -> Tensor:
    """Interpolate at every position along the flow.

    Parameters
    ----------
    image
        ``(N, C, H, W)``.
    flow
        ``(N, 2, H, W)`` as (dy, dx), px.
    outside
        What is outside of the image: its "border" goes on, or "zeros". A flow that is
        not a number points nowhere else.

    Returns
    -------
    Tensor
        ``(N, C, H, W)``.
    """
    height, width = image.shape[2:]
    # the gradient of grid_sample crashes where a position is not a number
    rows, columns = _targets(flow.nan_to_num(0.0, FAR, -FAR))
    if outside == "border":  # not all devices know it
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    grid = torch.stack([_unit(columns, width), _unit(rows, height)], dim=-1)
    return F.grid_sample(
        image, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns that a flow points to, ``(N, H, W)`` each."""
    height, width = flow.shape[2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    return rows.view(1, -1, 1) + flow[:, 0], columns.view(1, 1, -1) + flow[:, 1]


def _unit(position: Tensor, length: int) -> Tensor:
    """Pixel position in the units of ``grid_sample``: the edges are at -1 and 1."""
    return (2 * position + 1) / length - 1
