"""What blurred a movie, and how fine its result may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.optics import Blur, describe, width

if TYPE_CHECKING:
    import torch

    from napari_udvd.optics import PointSpread

__all__ = ["Optics", "check_zoom"]

ZOOMS = 1, 2, 3
"""Pixels of a result to a pixel of the movie, along each edge."""

UNDERSAMPLED = 0.9
"""Standard deviation of the blur, px, below which pixels hide what the optics show."""


@dataclass(frozen=True)
class Optics:
    """The blur of a movie, and the grid of the result.

    Attributes
    ----------
    psf
        The point spread function.
    zoom
        Pixels of the result to a pixel of the movie, along each edge.
    by_channel
        That of each channel where they differ, such as by colour; empty if not.
    notes
        How they were found out, in plain sentences.

    Raises
    ------
    InputError
        If the optics do not support so fine a grid.
    """

    psf: PointSpread
    zoom: int = 1
    by_channel: tuple[PointSpread, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for psf in self.by_channel or (self.psf,):
            check_zoom(psf, self.zoom)

    def psf_of(self, channel: int) -> PointSpread:
        """Return the point spread function of a channel."""
        return self.by_channel[channel] if self.by_channel else self.psf

    def blur(
        self,
        shape: tuple[int, int],
        channel: int = 0,
        device: torch.device | str = "cpu",
    ) -> Blur:
        """Make the blur of a channel, for frames of that shape.

        Raises
        ------
        InputError
            If the point spread function is larger than the frames.
        """
        return Blur(self.psf_of(channel), shape, self.zoom, device)

    def describe(self) -> str:
        """Say what the blur is, and the grid."""
        words = "; ".join(
            f"channel {channel}: {describe(psf)}"
            for channel, psf in enumerate(self.by_channel)
        )
        words = words or describe(self.psf)
        return words if self.zoom == 1 else f"{words}; a grid {self.zoom} times as fine"


def check_zoom(psf: PointSpread, zoom: int) -> None:
    """Check that there is something to be seen on a finer grid.

    Raises
    ------
    InputError
        If there is not, or `zoom` is no such factor.
    """
    if zoom not in ZOOMS:
        raise InputError(
            f"zoom is {zoom!r}; it must be one of {', '.join(map(str, ZOOMS))}: pixels "
            "of the result to a pixel of the movie"
        )
    if zoom == 1:
        return
    sigma = width(psf).sigma
    if sigma >= UNDERSAMPLED:
        raise InputError(
            f"zoom {zoom} is not supported by these optics: a point is "
            f"{sigma:.2f} px wide (standard deviation), so pixels hide nothing that "
            f"the optics show; a finer grid takes less than {UNDERSAMPLED:g} px. Leave "
            "`zoom` at 1, or see whether the pixel size is right"
        )
