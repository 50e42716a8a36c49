"""Pixels that a second frame does not show, found from flow alone.

Flow is ``(N, 2, H, W)`` as (dy, dx), px.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_udvd.models.flow.warp import sample_bilinear

__all__ = ["hidden_by_return", "hidden_by_sources", "sources"]

TOLERANCE = (0.01, 0.5)
"""How far a way there and back may miss: part of the squared lengths, and px^2."""

FEW = 0.2
"""A pixel that so few pixels of the other frame lead to is hidden there."""


def hidden_by_return(flow: Tensor, back: Tensor) -> Tensor:
    """Find pixels from which there and back again does not lead to where it began.

    Sundaram, Brox and Keutzer, ECCV 2010, with the constants of UnFlow (Meister et al.
    2018). What leaves the frame is hidden if it moves by more than about 0.7 px.

    Parameters
    ----------
    flow, back
        From the first frame to the second, and from the second to the first.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)``: 1 where the second frame does not show a pixel of the first,
        0 elsewhere.
    """
    returned = sample_bilinear(back, flow, "zeros")
    gap = (flow + returned).square().sum(dim=1, keepdim=True)
    length = (flow.square() + returned.square()).sum(dim=1, keepdim=True)
    part, offset = TOLERANCE
    return (gap > part * length + offset).to(flow.dtype)


def hidden_by_sources(back: Tensor) -> Tensor:
    """Find pixels of the first frame that nothing of the second one came from.

    Wang et al., *Occlusion Aware Unsupervised Learning of Optical Flow*, CVPR 2018.

    Parameters
    ----------
    back
        From the second frame to the first.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)``: 1 where a pixel of the first frame is hidden, 0 elsewhere.
    """
    return (sources(back) < FEW).to(back.dtype)


def sources(flow: Tensor) -> Tensor:
    """Count the pixels that a flow leads to each pixel, shared among neighbours.

    Parameters
    ----------
    flow
        Where every pixel of a frame goes to.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)``: the sum of bilinear weights; 1 everywhere if nothing moves.
        There is no gradient.
    """
    flow = flow.detach()
    n, _, height, width = flow.shape
    rows = torch.arange(height, device=flow.device).view(1, -1, 1) + flow[:, 0]
    columns = torch.arange(width, device=flow.device).view(1, 1, -1) + flow[:, 1]
    counts = flow.new_zeros(n, height * width)
    for down in (0, 1):
        for right in (0, 1):
            row, column = rows.floor() + down, columns.floor() + right
            weight = (1 - (rows - row).abs()) * (1 - (columns - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = torch.where(inside, row * width + column, 0).long()
            weight = torch.where(inside, weight, 0)
            counts.scatter_add_(1, place.flatten(1), weight.flatten(1))
    return counts.view(n, 1, height, width)
