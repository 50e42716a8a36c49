"""Networks and fields whose motion is known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from napari_udvd.models import Geometry, Network, Prediction
from napari_udvd.motion import Motion

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_udvd.models import Clip

    Way = Callable[[int], tuple[int, int]]

__all__ = ["Following", "moved"]


class Following(Network):
    """An average over boxes, in each frame where the object has gone.

    Parameters
    ----------
    *ways
        Where the box is in the frame so many frames later, (dy, dx) px; one for each
        part of the frame, which is cut into so many columns of equal width.
    box
        Its rows and columns, odd.
    context
        Frames before and after.
    """

    name, title = "following", "Following"
    channels, likelihood, hole = 1, False, (1, 1)
    geometry = Geometry(context=1, radius=1, grid=1, least_frames=1)
    size, shares_frames = "", False

    def __init__(
        self, *ways: Way, box: tuple[int, int] = (3, 3), context: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1 / (2 * context)))
        self.ways, self.box, self.context = ways, box, context
        radius = max(max(map(abs, way(context))) for way in ways) + max(box)
        self.geometry = Geometry(context, radius, grid=1, least_frames=1)

    def configuration(self) -> dict[str, Any]:
        """Return nothing: it is made for tests alone."""
        return {}

    def predict(self, seen: Clip, precision: torch.dtype) -> Prediction:
        clip = seen.frames
        middle, parts = clip.shape[1] // 2, []
        for way, columns in zip(
            self.ways,
            torch.arange(clip.shape[-1]).tensor_split(len(self.ways)),
            strict=True,
        ):
            total = torch.zeros_like(clip[:, middle])
            for step in range(-self.context, self.context + 1):
                if step:
                    dy, dx = way(step)
                    total = total + clip[:, middle + step].roll((-dy, -dx), (-2, -1))
            parts.append(total[..., columns])
        rows, width = self.box
        mean = F.avg_pool2d(
            torch.cat(parts, dim=-1) * self.weight,
            self.box,
            stride=1,
            padding=(rows // 2, width // 2),
        )
        return Prediction(mean[:, None])


def moved(
    t: int,
    to_next: np.ndarray | tuple[float, float],
    *,
    shape: tuple[int, int] = (64, 80),
    spacing: int = 8,
    confidence: np.ndarray | float = 1.0,
    frames: int | None = None,
) -> Motion:
    """Even motion: `to_next`, and back the same way; known ends of a movie."""
    rows = np.arange(spacing // 2, shape[0], spacing)
    columns = np.arange(spacing // 2, shape[1], spacing)
    grid = len(rows), len(columns)
    ahead = np.broadcast_to(np.asarray(to_next, np.float32), (*grid, 2)).copy()
    back = -ahead
    if frames is not None and t == frames - 1:
        ahead = np.full_like(ahead, np.nan)
    if frames is not None and t == 0:
        back = np.full_like(back, np.nan)
    return Motion(
        t=t,
        shape=shape,
        rows=rows,
        columns=columns,
        to_next=ahead,
        to_previous=back,
        confidence=np.broadcast_to(np.float32(confidence), grid).copy(),
        method="known",
    )
