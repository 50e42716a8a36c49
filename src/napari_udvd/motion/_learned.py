"""Optical flow of the network that a model learned from the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.errors import InputError
from napari_udvd.filters import (
    check_place,
    device_of,
    grid_points,
    read_window,
    series_with,
)
from napari_udvd.models.catalogue import specs
from napari_udvd.motion._motion import Motion, agreement

if TYPE_CHECKING:
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.models import FlowNetwork
    from napari_udvd.stack import Stack

__all__ = ["flow_network", "learned_motion"]


def flow_network(denoiser: Denoiser) -> FlowNetwork:
    """Return the flow network of a model.

    Raises
    ------
    InputError
        If it has none.
    """
    found = denoiser.net.flow_network()
    if found is None:
        able = {name: spec for name, spec in specs().items() if spec.companion}
        why = (
            "its flow was switched off, or was of no use in training"
            if denoiser.net.name in able
            else f"{denoiser.net.title} has none"
        )
        titles = " or ".join(spec.title for spec in able.values())
        raise InputError(
            f"this model has no learned optical flow: {why}; train {titles}, or take "
            "another kind of motion"
        )
    return found


def learned_motion(
    denoiser: Denoiser,
    stack: Stack,
    t: int,
    spacing: int = 1,
    *,
    c: int = 0,
    z: int = 0,
) -> Motion:
    """Estimate motion with the flow network of a model, from the noisy frames.

    Parameters
    ----------
    denoiser
        A model with a flow network.
    stack
        The noisy movie.
    t
        Frame.
    spacing
        Grid on which the result is kept; every pixel by default.
    c, z
        Channel and depth.

    Raises
    ------
    InputError
        If the model has no flow, does not fit the movie, or the movie does not have
        this frame.
    """
    check_place(denoiser, stack, t=t, c=c, z=z)
    if spacing < 1:
        raise InputError(f"spacing is {spacing}; it must be a positive number of px")
    net = flow_network(denoiser)
    series, _ = series_with(denoiser, stack, c, z)
    height, width = stack.frame_shape
    seen = read_window(denoiser, stack, series, t, slice(0, height), slice(0, width))
    rows = np.array(grid_points(height, spacing))
    columns = np.array(grid_points(width, spacing))
    ways = np.full((2, len(rows), len(columns), 2), np.nan, np.float32)
    with torch.inference_mode():

        def frame(n: int) -> torch.Tensor:
            grey = torch.from_numpy(seen.grey[seen.frames.index(n)])
            return seen.scaler.normalise(grey[None].to(device_of(denoiser.net)))

        for k, other in enumerate((t + 1, t - 1)):
            if other in seen.frames:
                flow = net(frame(t), frame(other))[0].cpu().numpy()
                ways[k] = np.moveaxis(flow, 0, -1)[np.ix_(rows, columns)]
    return Motion(
        t=t,
        shape=(height, width),
        rows=rows,
        columns=columns,
        to_next=ways[0],
        to_previous=ways[1],
        confidence=agreement(*ways),
        method="learned",
    )
