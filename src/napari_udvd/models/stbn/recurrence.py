"""Features that travel from frame to frame, and the flow that they follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_udvd.models.flow.warp import sample_bilinear, sample_nearest
from napari_udvd.models.precision import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from napari_udvd.models.flow.base import FlowNetwork
    from napari_udvd.models.stbn.lattice import BlindSpotBlock, Fusion

__all__ = ["flow_around", "travel"]


def travel(
    block: BlindSpotBlock,
    fuse: Fusion,
    frames: Iterable[Tensor],
    flows: Iterable[Tensor | None],
    how: str,
) -> Iterator[Tensor]:
    """Carry features from frame to frame, fetched along the flow.

    Parameters
    ----------
    block
        Sees a frame and what was fetched; of one direction.
    fuse
        Joins what it says with what was fetched.
    frames
        What the block sees, ``(N, S, H, W)`` each, in order of travel.
    flows
        From every frame but the first to the one before it in order of travel, ``(N,
        2, H, W)`` each; None where nothing is taken to move.
    how
        Features are fetched: "nearest" or "bilinear".

    Yields
    ------
    Tensor
        Features at every frame, ``(N, F, H, W)``.
    """
    flows = iter(flows)
    hidden = None
    for frame in frames:
        if hidden is None:
            hidden = block(pack(frame))
        else:
            flow = next(flows)
            fetched = hidden if flow is None else _fetched(hidden, flow, how)
            own = block(pack(frame), fetched)
            hidden = fuse(torch.cat([own, fetched], dim=1))
        yield hidden


def _fetched(hidden: Tensor, flow: Tensor, how: str) -> Tensor:
    """Features ``(N, F, H, W)`` from where the flow leads, zero outside."""
    if how == "nearest":
        return sample_nearest(hidden, flow)
    fetched = sample_bilinear(hidden.to(flow.dtype), flow, "zeros")
    return pack(fetched.to(hidden.dtype))


@torch.no_grad()
def flow_around(
    net: FlowNetwork | None,
    frames: Tensor,
    first: int,
    last: int,
    precision: torch.dtype,
) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """Estimate the flow that leads to the frames `first` to `last` of a clip.

    Parameters
    ----------
    net
        Estimates it; None where nothing is taken to move.
    frames
        ``(T, C, H, W)``.
    first, last
        Numbers of frames.
    precision
        Floating-point type of the convolutions.

    Returns
    -------
    to_next, to_previous
        From every frame but the last one, from `first` on, and from every frame but the
        first one, up to `last`; ``(1, 2, H, W)`` each, or None. Features of frames are
        kept for one pair at a time.
    """
    to_next: list[Tensor | None] = [None] * (len(frames) - 1 - first)
    to_previous: list[Tensor | None] = [None] * last
    if net is None:
        return to_next, to_previous
    size, before = (frames.shape[2], frames.shape[3]), None
    for t, frame in enumerate(frames):
        now = net.features(frame[None], precision)
        if before is not None and t > first:
            to_next[t - 1 - first] = net.match(before, now, size, precision)
        if before is not None and t <= last:
            to_previous[t - 1] = net.match(now, before, size, precision)
        before = now
    return to_next, to_previous
