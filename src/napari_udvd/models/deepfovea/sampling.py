"""Which pixels of a foveated scan are measured: many near a point, few elsewhere.

As DeepFovea++ samples its training data: whether a pixel is measured is drawn anew in
every frame, by a probability that falls with the distance from one point of the movie.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw_centre", "fovea_masks", "keep_probability"]

MARGIN = 50.0
"""Least distance of the point from the border of the published frames, px."""


def keep_probability(
    size: tuple[int, int],
    centre: tuple[float, float],
    *,
    near: float = 20.0,
    far: float = 40.0,
    dense: float = 0.98,
    sparse: float = 0.15,
    line_end: float | None = None,
) -> Tensor:
    """Return the probability with which each pixel is measured.

    Parameters
    ----------
    size
        Rows and columns.
    centre
        Row and column of the point, px.
    near, far
        Distances up to which the probability is `dense`, and from which it is
        `sparse`, px. Between them it is a straight line.
    dense, sparse
        Probabilities.
    line_end
        Distance at which that line reaches `sparse`, px; `far` if None. The published
        program for inference draws it to 45 px and cuts it at 40; so 19.7 % of pixels
        were measured there, and 19.0 % in its training data.

    Returns
    -------
    Tensor
        Rows x columns, float64.

    Raises
    ------
    ValueError
        If distances or probabilities are out of order.
    """
    end = far if line_end is None else line_end
    if not 0 <= near < far <= end:
        raise ValueError(
            f"distances must satisfy 0 <= near < far <= line_end, got {near}, {far}, "
            f"{end}"
        )
    if not 0 <= sparse <= dense <= 1:
        raise ValueError(
            f"probabilities must satisfy 0 <= sparse <= dense <= 1, got {sparse}, "
            f"{dense}"
        )
    rows, columns = (
        torch.arange(n, dtype=torch.float64) - at
        for n, at in zip(size, centre, strict=True)
    )
    distance = torch.hypot(rows.view(-1, 1), columns)
    line = dense + (sparse - dense) * (distance - near) / (end - near)
    line = torch.where(distance < near, dense, line)
    return torch.where(distance > far, sparse, line)


def draw_centre(
    size: tuple[int, int], generator: torch.Generator | None = None
) -> tuple[float, float]:
    """Draw row and column of the point, 50 px from the border or half of the size."""
    shares = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    margins = [min(MARGIN, n / 2) for n in size]
    row, column = (
        margin + share * (n - 2 * margin)
        for n, margin, share in zip(size, margins, shares, strict=True)
    )
    return row, column


def fovea_masks(
    frames: int, probability: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draw which pixels of each frame are measured.

    Parameters
    ----------
    frames
        How many.
    probability
        Rows x columns, see :func:`keep_probability`.
    generator
        Of the random numbers.

    Returns
    -------
    Tensor
        ``(frames, 1, rows, columns)``, bool; the same for all channels.
    """
    drawn = torch.rand(
        (frames, 1, *probability.shape), generator=generator, dtype=probability.dtype
    )
    return measured(probability, drawn)


def measured(probability: Tensor, drawn: Tensor) -> Tensor:
    """Return where a pixel is measured, given uniform numbers from 0 to 1."""
    return probability >= drawn
