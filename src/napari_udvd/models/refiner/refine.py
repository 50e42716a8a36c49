"""Refine one frame, in tiles where it is large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_udvd.cutting import cores, place_in, tiles, with_halo
from napari_udvd.models.refiner.inputs import (
    BLUR,
    INPUTS,
    Evidence,
    inputs_of,
    posterior_of,
)
from napari_udvd.models.refiner.network import GRID, RADIUS

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models.refiner.network import Refiner

__all__ = ["EDGE", "fine", "refined"]

BINOMIAL = 1.0, 4.0, 6.0, 4.0, 1.0
"""Blur of one pixel standard deviation; only what is finer is corrected."""

EDGE = 512
"""Rows and columns of a tile, at most."""

STRIP = 2**16
"""Pixels of a strip of rows, about, of which the inputs are computed at once."""


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
        seen, own, rho = _seen(part, precision)
        step, widening = net(seen, precision).unbind(1)
        inner = ..., place_in(seen_rows, rows), place_in(seen_columns, columns)
        whole = step.mul_(rho)
        taken = fine(whole)
        # what is not taken is an error that is left
        left = torch.hypot(rho * widening.exp(), whole - taken)
        mean[..., rows, columns] = (own + share * taken)[inner]
        if share < 1:
            left = rho * (left / rho) ** share
        std[..., rows, columns] = left[inner]
    return mean.reshape(shape), std.reshape(shape)


def _seen(evidence: Evidence, precision: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Gather what the network sees of a tile, and the posterior of its frame.

    In strips of rows: what is computed on the way is many times as large.
    """
    _, n, height, width = evidence.mean.shape
    seen = torch.empty(
        (n, INPUTS, height, width),
        dtype=precision,
        device=evidence.mean.device,
        memory_format=torch.channels_last,
    )
    own, rho = (torch.empty_like(evidence.mean[1]) for _ in range(2))
    for rows in cores(height, max(STRIP // (n * width), 1)):
        wide = slice(max(rows.start - BLUR // 2, 0), rows.stop + BLUR // 2)
        inner = place_in(wide, rows)
        part = Evidence(*(each[..., wide, :] for each in evidence))
        posterior = posterior_of(part)
        # first the precision, then the order: both at once take twice as long
        inputs = inputs_of(part, posterior)[:, :, inner].to(precision)
        seen[:, :, rows] = inputs
        own[:, rows] = posterior.mean[1, :, inner]
        rho[:, rows] = posterior.std[1, :, inner]
    return seen, own, rho


def fine(correction: Tensor) -> Tensor:
    """Return what of a correction ``(N, H, W)`` is finer than a blur of it.

    What is wrong over many pixels is decided by how much their noise averages to, and
    by how sure the first stage says it is: as movies differ in both, corrections of it
    do more harm than good.
    """
    blurred = correction
    for axis in (-2, -1):
        length, reach = correction.shape[axis], len(BINOMIAL) // 2
        pad = (0, 0, reach, reach) if axis == -2 else (reach, reach, 0, 0)
        wide = F.pad(blurred[:, None], pad, mode="replicate")[:, 0]
        taps = [wide.narrow(axis, k, length) for k in range(len(BINOMIAL))]
        blurred = taps[0] * (BINOMIAL[0] / sum(BINOMIAL))
        for tap, weight in zip(taps[1:], BINOMIAL[1:], strict=True):
            blurred.add_(tap, alpha=weight / sum(BINOMIAL))
    return correction - blurred
