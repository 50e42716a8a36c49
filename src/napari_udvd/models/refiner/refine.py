"""Refine one frame, in tiles where it is large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_udvd.cutting import place_in, tiles, with_halo
from napari_udvd.models.refiner.inputs import Evidence, inputs_of, posterior_of
from napari_udvd.models.refiner.network import GRID, RADIUS

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.refiner.network import Refiner

__all__ = ["EDGE", "fine", "refined"]

BINOMIAL = 1.0, 4.0, 6.0, 4.0, 1.0
"""Blur of one pixel standard deviation; only what is finer is corrected."""

EDGE = 512
"""Rows and columns of a tile, at most."""


@torch.inference_mode()
def refined(
    net: Refiner,
    evidence: Evidence,
    *,
    precision: torch.dtype = torch.float32,
    share: float = 1.0,
    edge: int = EDGE,
) -> tuple[Tensor, Tensor]:
    """Refine the middle one of three frames.

    Parameters
    ----------
    net
        Where the evidence is, with its weights.
    evidence
        Of the frame before, the frame itself and the frame after, ``(3, ..., H, W)``
        each. At either end of a movie the frame on the other side stands in for the
        one that there is not.
    precision
        Floating-point type of the convolutions.
    share
        How much of the correction is taken: 0 is the posterior, 1 all of it. The
        logarithm of the standard deviation is shared in the same way.
    edge
        Rows and columns of a tile, at most; the result is the same whatever it is.

    Returns
    -------
    mean, std
        ``(..., H, W)`` each, in the unit of the evidence.
    """
    shape = evidence.mean.shape[1:]
    height, width = shape[-2:]
    evidence = Evidence(*(e.reshape(3, -1, height, width) for e in evidence))
    mean = torch.empty_like(evidence.mean[1])
    std = torch.empty_like(mean)
    for rows, columns in tiles(height, width, edge):
        seen_rows = with_halo(rows, height, RADIUS, GRID)
        seen_columns = with_halo(columns, width, RADIUS, GRID)
        part = Evidence(*(e[..., seen_rows, seen_columns] for e in evidence))
        posterior = posterior_of(part)
        step, widening = net(inputs_of(part, posterior), precision).unbind(1)
        own, rho = posterior.mean[1], posterior.std[1]
        inner = ..., place_in(seen_rows, rows), place_in(seen_columns, columns)
        whole = rho * step
        taken = fine(whole)
        # what is not taken is an error that is left
        left = torch.hypot(rho * widening.exp(), whole - taken)
        mean[..., rows, columns] = (own + share * taken)[inner]
        std[..., rows, columns] = (rho * (left / rho) ** share)[inner]
    return mean.reshape(shape), std.reshape(shape)


def fine(correction: Tensor) -> Tensor:
    """Return what of a correction ``(N, H, W)`` is finer than a blur of it.

    What is wrong over many pixels is decided by how much their noise averages to, and
    by how sure the first stage says it is: as movies differ in both, corrections of it
    do more harm than good.
    """
    row = correction.new_tensor(BINOMIAL) / sum(BINOMIAL)
    reach = len(BINOMIAL) // 2
    image = F.pad(correction[:, None], (reach,) * 4, mode="replicate")
    blurred = F.conv2d(image, torch.outer(row, row)[None, None])
    return correction - blurred[:, 0]
