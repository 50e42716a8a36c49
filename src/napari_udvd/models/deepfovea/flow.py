"""Frames compared along their optical flow, and the PWC-Net that finds it.

The loss takes any flow. The published training takes that of NVIDIA's PWC-Net, whose
weights may not be used commercially (CC BY-NC-SA 4.0); they are not in this package.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.models.flow.pwc_net import GRID, PWCNet, fetch_inside
from napari_udvd.models.flow.warp import sample_bilinear

__all__ = ["FoveaFlow", "along_flow", "flow_loss"]


def along_flow(clip: Tensor, flow: Tensor) -> Tensor:
    """Return what each frame but the last looks like by the frame after it.

    Parameters
    ----------
    clip
        ``(N, T, C, H, W)``.
    flow
        ``(N, T - 1, 2, H, W)`` as (dy, dx), px: from each frame to the next.

    Returns
    -------
    Tensor
        ``(N, T - 1, C, H, W)``. The border goes on outside of the frames.
    """
    n = len(clip)
    fetched = sample_bilinear(clip[:, 1:].flatten(0, 1), flow.flatten(0, 1))
    warped: Tensor = fetched.unflatten(0, (n, -1))
    return warped


def flow_loss(clip: Tensor, flow: Tensor) -> Tensor:
    """Return the mean absolute difference between frames and the next along the flow.

    The published program computes the value without gradient through the later frame,
    so that only earlier frames are pulled towards later ones. Here both are.

    Parameters
    ----------
    clip, flow
        See :func:`along_flow`.
    """
    return F.l1_loss(clip[:, :-1], along_flow(clip, flow))


class FoveaFlow(PWCNet):
    """PWC-Net as NVIDIA published it in PyTorch, and DeepFovea++ uses it.

    Frames are not resized, so rows and columns have to be multiples of 64, and the flow
    is enlarged to their size by bicubic interpolation. Its weights were learned on
    blue, green and red; DeepFovea++ shows it red, green and blue. Features are fetched
    from half a pixel above and left of where they should be at one end of the image,
    to half a pixel below and right at the other: they were not when the weights were
    learned, before PyTorch changed the meaning of its coordinates.

    Parameters
    ----------
    channels
        3, or 1 for grey frames, which are shown as three alike.

    Raises
    ------
    ValueError
        If `channels` is neither.
    """

    def _pyramid(self, frames: Tensor) -> list[Tensor]:
        height, width = frames.shape[2:]
        if height % GRID or width % GRID:
            raise ValueError(
                f"this PWC-Net takes frames whose sizes are multiples of {GRID}, got "
                f"{height} x {width}"
            )
        return self._levels(frames)

    def _match(
        self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        flow = self._quarter(first, second)
        flow = F.interpolate(flow, size, mode="bicubic", align_corners=False)
        return flow.flip(1)  # the published order is (dx, dy)

    @staticmethod
    def _fetch(image: Tensor, flow: Tensor) -> Tensor:
        rows, columns = (
            torch.arange(n, device=flow.device, dtype=flow.dtype)
            for n in image.shape[2:]
        )
        at = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        height, width = image.shape[2:]
        stretch = flow.new_tensor([height / (height - 1), width / (width - 1)])
        fetched_from = (at + flow) * stretch.view(1, 2, 1, 1) - 0.5
        return fetch_inside(image, fetched_from - at, 0.9999)
