"""Look into a network: the filter of one pixel, from model and movie to a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.filters import adaptive_filter, check_filter_output, save_filter
from napari_udvd.formats import open_stack
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.loading import load
from napari_udvd.jobs.events import Inspected, Written
from napari_udvd.noise import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.jobs.events import Event

__all__ = ["FilterFile"]


@dataclass(frozen=True, kw_only=True)
class FilterFile:
    """The filter of one pixel of a file.

    Attributes
    ----------
    model
        Model file.
    place
        Frame, row and column.
    channel, plane
        Counted from 0.
    posterior
        Of the prediction combined with the noisy pixel.
    axes, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    overwrite
        Whether an earlier result may be replaced.
    """

    model: Path
    place: tuple[int, int, int]
    channel: int = 0
    plane: int = 0
    posterior: bool = False
    axes: str | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    overwrite: bool = False

    def run(self, file: Path, output: Path) -> Iterator[Event]:
        """Find it and write it.

        Raises
        ------
        InputError, OutputError
            Before anything is written.
        """
        check_filter_output(output, overwrite=self.overwrite)
        denoiser = load(self.model)
        stack = open_stack(file, self.axes, mask=self.mask, unmeasured=self.unmeasured)
        check_fits(denoiser, stack)
        t, y, x = self.place
        context = denoiser.net.geometry.context
        seen = slice(max(t - context, 0), min(t + context + 1, stack.n_frames))
        if 0 <= t < stack.n_frames:
            check_finite(stack.crop(seen))
        found = adaptive_filter(
            denoiser,
            stack,
            t,
            y,
            x,
            c=self.channel,
            z=self.plane,
            posterior=self.posterior,
        )
        yield Inspected(found, 2 * context + 1)
        save_filter(found, output, overwrite=self.overwrite)
        yield Written(output)
