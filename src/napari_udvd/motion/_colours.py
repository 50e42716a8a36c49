"""Motion as colours: the direction is the hue, the speed the saturation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["colour_wheel", "flow_colours"]


def flow_colours(
    flow: npt.NDArray[np.floating], largest: float
) -> npt.NDArray[np.uint8]:
    """Draw motion in colours.

    Parameters
    ----------
    flow
        ``(2, H, W)``, dy and dx.
    largest
        Speed drawn in full colour; nothing moves in white.

    Returns
    -------
    ndarray
        ``(H, W, 3)``. Right is red, down yellow-green, left cyan, up violet.
    """
    dy, dx = np.nan_to_num(flow)
    hue = (np.arctan2(dy, dx) / (2 * np.pi)) % 1
    speed = np.clip(np.hypot(dy, dx) / max(largest, 1e-9), 0, 1)
    # of HSV at full value, one channel after the other
    offset = np.array([5, 3, 1])
    k = (offset + 6 * hue[..., None]) % 6
    level = 1 - speed[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1)
    return np.asarray(np.rint(255 * level), dtype=np.uint8)


def colour_wheel(size: int) -> npt.NDArray[np.uint8]:
    """Draw the legend of :func:`flow_colours`, ``(size, size, 4)``, clear outside."""
    middle = (size - 1) / 2
    way = np.mgrid[:size, :size] - middle
    wheel = flow_colours(way, middle)
    inside = np.hypot(*way) <= middle
    return np.dstack([wheel, 255 * inside.astype(np.uint8)])
