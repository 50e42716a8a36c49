"""What the layers of the centre-blind network see of the frames around a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Window", "together"]


class Window(NamedTuple):
    """Frames around an output frame, as the layers see them.

    Attributes
    ----------
    frames
        Condensed frames ``(N, F, C, H, W)``, relative to the base, in units of their
        noise.
    base
        What they are relative to, ``(N, C, H, W)``, made without the output frame.
    known
        How much of each condensed frame was measured, ``(N, F, C, H, W)``, from 0 to
        1; None in a network that does not ask.
    smooth
        Averages of the other frames, ``(N, K, H, W)``; None likewise.
    """

    frames: Tensor
    base: Tensor
    known: Tensor | None = None
    smooth: Tensor | None = None


def together(windows: Sequence[Window]) -> Window:
    """Put windows into one batch, all clips of a window in a row."""
    frames, bases, known, smooth = zip(*windows, strict=True)
    return Window(
        torch.cat(frames),
        torch.cat(bases),
        None if known[0] is None else torch.cat(known),
        None if smooth[0] is None else torch.cat(smooth),
    )
