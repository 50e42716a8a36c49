"""Which pixels are hidden together, so that each is predicted from others alone.

DeepFovea++ sees the pixels that it is given: what it says of one of these is no
prediction. So the pixels of a movie are dealt to a few *folds*, whether they were
measured or not, and the network passes over the movie once for each: a fold is hidden
in its pass, and what is said of its pixels there is the answer (Batson and Royer 2019
call such a function J-invariant).
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["FOLDS", "PERIOD", "around", "dealt", "halved"]

FOLDS = 4
"""One for each pixel of a square of 2 x 2: three quarters of a scan are given."""

PERIOD = 16
"""Rows and columns, in pixels of the hole's size, after which the pattern repeats."""

CYCLE = 8
"""Frames after which it does."""

SHARES = 0.25, 0.75
"""Share that is hidden in training, and is given in the second pass."""

Hole = tuple[int, int]


def dealt(frames: int, height: int, width: int, hole: Hole) -> list[Tensor]:
    """Deal the pixels of a movie, always alike.

    Each square of four holds one pixel of each fold, in an order drawn for every
    square and frame.

    Parameters
    ----------
    frames, height, width
        Of the movie.
    hole
        Rows and columns that are dealt together.

    Returns
    -------
    list of Tensor
        For each fold ``(1, T, 1, H, W)``, bool: its pixels. Every pixel is in one.
    """
    tall, wide = hole
    cells = _pattern()[
        torch.arange(frames)[:, None, None] % CYCLE,
        torch.arange(height)[:, None] // tall % PERIOD,
        torch.arange(width) // wide % PERIOD,
    ]
    return [(cells == fold)[None, :, None] for fold in range(FOLDS)]


def halved(clip: Tensor, hole: Hole) -> list[Tensor]:
    """Deal the pixels of training clips to two folds, of sizes that chance wants.

    The network so learns from scans that are sparser than the movie, and from nearly
    all of it.

    Parameters
    ----------
    clip
        ``(N, T, C, H, W)`` float32. The same clips are dealt alike, so that a training
        can be repeated.
    hole
        As for :func:`dealt`.

    Returns
    -------
    list of Tensor
        For each fold ``(N, T, 1, H, W)``, bool.
    """
    count, frames, _, height, width = clip.shape
    bits = clip.detach().contiguous().view(torch.int32).sum(dtype=torch.int64)
    chance = torch.Generator().manual_seed(int(bits))
    low, high = SHARES
    share = low + (high - low) * torch.rand(count, 1, 1, 1, 1, generator=chance)
    tall, wide = hole
    cells = (count, frames, 1, -(-height // tall), -(-width // wide))
    one = torch.rand(cells, generator=chance) < share
    one = one.repeat_interleave(tall, -2).repeat_interleave(wide, -1)
    one = one[..., :height, :width].to(clip.device)
    return [one, ~one]


def around(fold: Tensor, hole: Hole) -> Tensor:
    """Return the pixels of a fold and all that their holes hide, ``(…, H, W)``."""
    if hole == (1, 1):
        return fold
    padding = hole[0] // 2, hole[1] // 2
    grown = F.max_pool2d(fold.flatten(0, 2).float(), hole, 1, padding)
    hidden: Tensor = grown.view_as(fold) > 0
    return hidden


@lru_cache(maxsize=1)
def _pattern() -> Tensor:
    """Numbers of folds, ``(CYCLE, PERIOD, PERIOD)``."""
    side = PERIOD // 2
    with torch.inference_mode(False):  # it serves gradients, too
        chance = torch.Generator().manual_seed(0)
        order = torch.rand(CYCLE, side, side, FOLDS, generator=chance).argsort(dim=-1)
        squares = order.view(CYCLE, side, side, 2, 2).permute(0, 1, 3, 2, 4)
        return squares.reshape(CYCLE, PERIOD, PERIOD)
