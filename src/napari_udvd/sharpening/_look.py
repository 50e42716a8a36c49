"""What is on view, sharpened at once: for whoever still chooses the blur.

A part of one frame and an independent noisy copy of it are denoised, once for each
place. Another blur then takes Richardson-Lucy iterations alone: on the copy as long as
they bring it closer to what it knows nothing of, and as many on the frame. The result
of a whole movie is judged by more frames, so that it may take others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from napari_udvd.cutting import central, magnified, place_in, with_halo
from napari_udvd.inference.live_view import View
from napari_udvd.optics import richardson_lucy
from napari_udvd.planes import Series
from napari_udvd.sharpening._blocks import sharpened
from napari_udvd.sharpening._cells import cell_sums, sureness
from napari_udvd.sharpening._copies import Excerpt, added_noise, restored
from napari_udvd.sharpening._stop import COPIES, MOST, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.optics import Blur
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Stack

__all__ = ["Look", "SharpLook"]

Floats = npt.NDArray[np.float32]

EDGE = 256
"""Most rows and columns that are shown: the middle of what is on view."""

HALO = 16
"""Rows and columns around them that are denoised, too, at least: from there light
shines in. As many as the point spread function has where that is more."""


SURE = 1.0
"""Standard errors that iterations must bring the part closer by. One frame tells less
than what a result is judged by, and nothing is decided here."""


class Look(NamedTuple):
    """What was on view.

    Attributes
    ----------
    view
        Where it is, in pixels of the movie: at most 256 x 256 of them.
    pixels
        ``(C, zoom rows, zoom columns)``, grey levels; NaN where nothing was measured.
    iterations
        Of Richardson-Lucy, for each channel.
    zoom
        Pixels of it to a pixel of the movie, along each edge.
    """

    view: View
    pixels: Floats
    iterations: tuple[int, ...]
    zoom: int


class _Place(NamedTuple):
    """A channel of the part on view, and the copy of it; ``(1, rows, columns)`` each.

    Attributes
    ----------
    light, guess
        Denoised, offset taken off: the frame, and its copy with noise added.
    second
        The other copy, of which `guess` knows nothing.
    weight
        One over the variance of its noise; 0 where nothing was measured.
    offset
        Grey level without light.
    """

    light: Floats
    guess: Floats
    second: Floats
    weight: Floats
    offset: np.float32


class SharpLook:
    """Sharpens parts of single frames; for use by one thread at a time.

    Parameters
    ----------
    denoiser
        Trained on the movie.
    stack
        The movie.
    request
        How it is denoised; events and refinement are left out here.
    """

    def __init__(self, denoiser: Denoiser, stack: Stack, request: Request) -> None:
        self._denoiser, self._stack, self._request = denoiser, stack, request
        self._where: tuple[View, tuple[slice, ...]] | None = None
        self._places: list[_Place] = []

    def steps(self, view: View, optics: Optics) -> Iterator[Look | None]:
        """Sharpen what is on view, with pauses in which it can be left.

        Parameters
        ----------
        view
            A part of a frame.
        optics
            What blurred the movie.

        Yields
        ------
        Look or None
            The look, last.
        """
        psfs = [optics.psf_of(c) for c in range(self._stack.n_channels)]
        halo = max(HALO, *(max(psf.kernel().shape) for psf in psfs))
        rows, columns = _middle(view.rows), _middle(view.columns)
        seen = View(view.t, view.z, rows, columns)
        grid = self._denoiser.net.geometry.grid
        around = tuple(
            with_halo(own, length, halo, grid)
            for own, length in zip(
                (rows, columns), self._stack.frame_shape, strict=True
            )
        )
        if (seen, around) != self._where:
            self._where = None
            self._places = yield from self._denoised(seen, *around)
            self._where = seen, around
        inner = [
            magnified(place_in(outer, own), optics.zoom)
            for outer, own in zip(around, (rows, columns), strict=True)
        ]
        shape, device = self._places[0].light.shape[1:], self._request.place().device
        found, chosen = [], []
        for channel, place in enumerate(self._places):
            blur = optics.blur((shape[0], shape[1]), channel, device)
            count = yield from _chosen(place, blur)
            measured = place.weight > 0
            sharp = sharpened(place.light, blur, count, measured)[0] + place.offset
            gaps = ~measured[0].repeat(optics.zoom, 0).repeat(optics.zoom, 1)
            sharp[gaps] = np.nan
            found.append(sharp[inner[0], inner[1]])
            chosen.append(count)
            yield None
        yield Look(seen, np.stack(found), tuple(chosen), optics.zoom)

    def _denoised(
        self, view: View, rows: slice, columns: slice
    ) -> Generator[None, None, list[_Place]]:
        """Denoise a part of a frame, and a noisy copy of it, in all channels."""
        stack, denoiser = self._stack, self._denoiser
        reach = denoiser.net.geometry.context
        times = slice(max(view.t - reach, 0), min(view.t + reach + 1, stack.n_frames))
        at = slice(view.t - times.start, view.t - times.start + 1)
        channels = range(stack.n_channels)
        together = [tuple(channels)] if denoiser.joint else [(c,) for c in channels]
        calibrations = denoiser.calibrations_for(stack)
        places = []
        for own in together:
            series = Series(own, view.z)
            clip = np.stack(
                [
                    np.where(
                        stack.read_mask(times, plane, rows, columns),
                        stack.read(times, plane, rows, columns).astype(np.float32),
                        np.nan,
                    )
                    for plane in series.planes()
                ],
                axis=1,
            )
            excerpt = Excerpt(clip, at, series)
            noises = [calibrations[c].noise for c in own]
            level = yield from self._restored(excerpt)
            drawn = added_noise(excerpt, level, noises, seed=view.t)
            first = excerpt._replace(clip=COPIES.first(clip, drawn))
            guess = yield from self._restored(first, COPIES.of_first)
            second, measured = COPIES.second(clip[at], drawn[at]), excerpt.measured
            for k, noise in enumerate(noises):
                offset, known = np.float32(noise.offset), measured[:, k]
                variance = noise.variance(level[:, k]) * COPIES.of_second
                places.append(
                    _Place(
                        level[:, k] - offset,
                        guess[:, k] - offset,
                        np.where(known, second[:, k] - offset, 0),
                        np.where(known, 1 / variance, 0).astype(np.float32),
                        offset,
                    )
                )
        return places

    def _restored(
        self, excerpt: Excerpt, times: float = 1.0
    ) -> Generator[None, None, Floats]:
        return restored(self._denoiser, excerpt, self._stack, self._request, (), times)


def _chosen(place: _Place, blur: Blur) -> Generator[None, None, int]:
    """Choose iterations, see :func:`~napari_udvd.sharpening.choose_iterations`."""
    measured = torch.from_numpy(place.weight > 0)
    if not bool(measured.any()):
        return 1
    second, weight = torch.from_numpy(place.second), torch.from_numpy(place.weight)
    light = torch.from_numpy(np.nan_to_num(place.guess)).to(blur.seen.device)
    known = None if bool(measured.all()) else measured.to(light.device)
    start = nearest = None
    best = 0
    for k, iterate in enumerate(richardson_lucy(light, blur, known)):
        yield
        cells = cell_sums(weight * (second - iterate.predicted.cpu()).square())
        if start is None or nearest is None:
            start = nearest = cells
        elif cells.sum() < nearest.sum():
            best, nearest = k, cells
        if k >= MOST or k - best >= max(PATIENCE, best):
            break
    assert start is not None and nearest is not None
    return best if best and sureness(start - nearest) > SURE else 1


def _middle(part: slice) -> slice:
    inside = central(part.stop - part.start, EDGE)
    return slice(part.start + inside.start, part.start + inside.stop)
