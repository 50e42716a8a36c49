"""Restore any frames of a movie, block by block and tile by tile.

Tiles overlap by the radius of the network's receptive field and are aligned to its
pooling grid: there are no seams to blend (hardly any in a network whose features come
along the flow from further away). Beyond the ends of the movie every frame sees those
equally far away on its other side; recurrent networks take the frames that there are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_udvd.cutting import (
    cores,
    magnified,
    place_in,
    runs,
    tiles,
    window,
    with_halo,
)
from napari_udvd.inference.request import EXACT, Request
from napari_udvd.inference.scaling import Calibration, Scaler
from napari_udvd.models import Clip, Network, Views
from napari_udvd.planes import Series, measured_box, missing_frames, series_of
from napari_udvd.runtime.memory import is_out_of_memory, release, return_freed
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.runtime.transfer import Arrivals, pinned, read_frames, send
from napari_udvd.tasks import DENOISE
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_udvd.inference.flashes import Flash
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["LARGE", "BlockDenoiser", "Blocks", "Denoised"]

TILE = {"cpu": 768, "mps": 768, "cuda": 1536}
"""Rows and columns of a tile to begin with; frames up to 1.5 times that are whole."""

SMALLEST_TILE = 32
"""Below this, running out of memory is final."""

HELD_BYTES = 6 * 2**20
"""Frames of one piece of a run, in float32. Those around them, and what is made of both
for every view, are held as long as it takes to denoise the piece."""

LEAST_HELD = 4
"""Frames of a piece, however large: those around it are prepared once more for each."""

SMALL = {"uint8": torch.uint8, "int16": torch.int16, "uint16": torch.uint16}
"""Data types in which frames that were read are held as they are."""

LARGE = 2 * 2**20
"""Bytes of denoised frames behind which freed memory is returned."""

Block = npt.NDArray[np.float32]

Denoised = tuple[Block, Block | None]
"""Mean and, if it was asked for, standard deviation: ``(T, C, Y, X)``, grey levels."""


class Blocks(Protocol):
    """What denoises any run of frames, see :class:`BlockDenoiser`."""

    series: list[Series]

    @property
    def pixels_seen(self) -> int:
        """Pixels of a frame that are computed, overlaps of tiles counted again."""

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        """Denoise frames ``start .. stop - 1``."""

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        """Do what :meth:`block` does with pauses, in which other runs may be done."""

    def flashes_in(self, series: Series, start: int, stop: int) -> list[Flash]:
        """Events that were put back into frames of a run that is done."""


class BlockDenoiser:
    """Denoises any run of frames of any series of a stack, in any order.

    Frames are read as they are needed; those that a run has in common with the run
    before are not read again. For use by one thread at a time.

    Parameters
    ----------
    net, calibrations, stack, request, joint, task
        As for :func:`~napari_udvd.inference.stream.denoise_stack`.

    Attributes
    ----------
    series
        The series of the stack, in the order in which they are denoised.

    Raises
    ------
    InputError
        If a standard deviation is asked of a network that has none.
    """

    def __init__(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request = EXACT,
        *,
        joint: bool = False,
        task: Task = DENOISE,
    ) -> None:
        request.check(net)
        self.series = series_of(stack, joint)
        self._device, self._precision = request.place()
        self._net = net.to(self._device).eval()
        self._calibrations = calibrations
        self._stack = stack
        self._is_inspected = False
        self._use_posterior = request.use_posterior
        self._with_std, self._task = request.with_std, task
        self._out = task.layout(stack.layout).frame_shape
        grid = tuple(net.geometry.zoom * edge for edge in stack.frame_shape)
        self._has_pixels = self._out == grid
        # what is said of a whole frame cannot be turned back
        self._views = request.views(net) if self._has_pixels else 1
        # a view may leave out the last row and column that a tile sees
        self._halo = net.geometry.radius + (self._views > 1)
        self._edge = request.tile or _first_tile(stack.frame_shape, self._device)
        self._buffer = _FrameBuffer(stack, self._device, task.fills)

    def _inspect(self) -> None:
        """Find what was not measured; the first time that frames are needed."""
        if not self._is_inspected:
            self._stack = inspect(self._stack)
            self._buffer = _FrameBuffer(self._stack, self._device, self._task.fills)
            self._is_inspected = True

    @property
    def pixels_seen(self) -> int:
        """Pixels of a frame that are computed, overlaps of tiles counted again."""
        height, width = self._stack.frame_shape
        total, grid = 0, self._net.geometry.grid
        for rows, columns in tiles(height, width, self._edge):
            seen_rows = with_halo(rows, height, self._halo, grid)
            seen_columns = with_halo(columns, width, self._halo, grid)
            total += (seen_rows.stop - seen_rows.start) * (
                seen_columns.stop - seen_columns.start
            )
        return total

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        """Denoise frames ``start .. stop - 1``.

        Returns
        -------
        mean, std
            ``(T, C, Y, X)`` float32, grey levels; `std` is None unless asked for.

        Raises
        ------
        IndexError
            If the movie does not have these frames.
        MemoryError
            If not even the smallest tile fits in memory.
        """
        for result in self.steps(series, start, stop):
            if result is not None:
                return result
        raise AssertionError("the steps ended without a result")

    def flashes_in(self, series: Series, start: int, stop: int) -> list[Flash]:
        """Return none: what is predicted is put out as it is."""
        return []

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        """Do what :meth:`block` does with pauses, in which other runs may be denoised.

        Yields
        ------
        tuple or None
            None before every frame of a tile (on several cores, before as many frames
            at once), and last the result.

        Raises
        ------
        IndexError, MemoryError
            As :meth:`block`.
        """
        n_frames = self._stack.n_frames
        if not 0 <= start < stop <= n_frames:
            raise IndexError(f"frames {start} to {stop - 1} of {n_frames}")
        self._inspect()
        shape = (stop - start, len(series.channels), *self._out)
        mean = np.empty(shape, np.float32)
        std = np.empty_like(mean) if self._with_std else None
        for piece in self.pieces(stop - start):
            first, last = start + piece.start, start + piece.stop
            here = mean[piece], None if std is None else std[piece]
            yield from self._piece(series, first, last, here)
        self.keep(series, start, mean, std)
        yield mean, std

    def pieces(self, count: int, beside: int = 0) -> list[slice]:
        """Cut a run into pieces, of which one is held at a time.

        A run stays whole where its frames share work or depend on each other.

        Parameters
        ----------
        count
            Frames of the run.
        beside
            How many more are denoised with each piece.
        """
        if self._net.shares_frames or self._net.geometry.recurrent:
            return [slice(0, count)]
        height, width = self._stack.frame_shape
        most = max(HELD_BYTES // (4 * height * width) - beside, LEAST_HELD)
        threads = threads_on(self._device)
        # all threads have a frame until the end of a piece
        most = max(most - most % threads, threads)
        return [slice(k, min(k + most, count)) for k in range(0, count, most)]

    def _piece(
        self, series: Series, start: int, stop: int, result: Denoised
    ) -> Iterator[None]:
        """Denoise a part of a run into its place in a result, see :meth:`steps`."""
        while True:
            edge = self._edge
            try:
                yield from self._attempt(series, start, stop, edge, result)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if edge <= SMALLEST_TILE:
                    raise MemoryError(
                        f"not even tiles of {edge} x {edge} pixels fit in the "
                        f"memory of {self._device}; close other programs, or choose a "
                        "smaller network or another device"
                    ) from error
            self._edge = min(self._edge, max(edge // 2, SMALLEST_TILE))
            release(self._device)

    def _attempt(
        self, series: Series, start: int, stop: int, edge: int, result: Denoised
    ) -> Iterator[None]:
        """Denoise in tiles of at most `edge` pixels, see :meth:`_piece`."""
        missing = missing_frames(self._stack, series)
        windows = [
            window(t, self._net.geometry.context, self._stack.n_frames, missing)
            for t in range(start, stop)
        ]
        needed = sorted({t for frames in windows for t in frames})
        place = {t: k for k, t in enumerate(needed)}
        windows = [[place[t] for t in frames] for frames in windows]
        grey, measured = self._buffer.read(series, needed)
        calibrations = [self._calibrations[c] for c in series.channels]
        scaler = Scaler(calibrations, self._device)
        geometry = self._net.geometry
        zoomed: Callable[[slice], slice] = partial(magnified, zoom=geometry.zoom)
        mean, std = result
        height, width = grey[0].shape[1:]
        if self._has_pixels:
            rows, columns = self._buffer.box(series)
            box = (..., zoomed(rows), zoomed(columns))
            mean, std = mean[box], None if std is None else std[box]
        else:  # what is said of a whole frame has no tiles
            edge, zoomed = max(height, width), _all_of
        arrivals, told_bytes = Arrivals(), 0
        for rows, columns in tiles(height, width, edge):
            seen_rows = with_halo(rows, height, self._halo, geometry.grid)
            seen_columns = with_halo(columns, width, self._halo, geometry.grid)
            inner_rows = zoomed(place_in(seen_rows, rows))
            inner = ..., inner_rows, zoomed(place_in(seen_columns, columns))
            clip = torch.stack([frame[:, seen_rows, seen_columns] for frame in grey])
            clip = clip.to(torch.float32)
            if not clip.is_cuda:
                clip = send(pinned(clip.numpy(), self._device), self._device)
            known = None
            if measured is not None:
                seen = np.stack([mask[:, seen_rows, seen_columns] for mask in measured])
                known = send(pinned(seen, self._device), self._device)
            with torch.inference_mode():
                clip = scaler.normalise_(clip)
                mask = None if known is None else known[None]
                views = Views(
                    self._net, Clip(clip[None], scaler.noise, mask), self._views
                )
                # of the others nothing is wanted any more
                own = {seen[geometry.context] for seen in windows}
                frames = {t: clip[t].clone() for t in own}
                del clip
            parts = self._parts(len(windows))
            sweeps = [
                self._sweep(views, frames, known, scaler, windows[part])
                for part in parts
            ]
            for step in range(max(part.stop - part.start for part in parts)):
                yield None
                told = run_parts(_advance, sweeps)
                for part, prediction in zip(parts, told, strict=True):
                    if prediction is None:  # a part that is shorter by one
                        continue
                    tile_mean, tile_std = prediction
                    frame = part.start + step
                    here = (frame, slice(None), zoomed(rows), zoomed(columns))
                    arrivals.expect(tile_mean[inner], mean[here])
                    if std is not None and tile_std is not None:
                        arrivals.expect(tile_std[inner], std[here])
                    told_bytes += tile_mean.nbytes
                if told_bytes >= LARGE:
                    return_freed()
                    told_bytes = 0
        arrivals.finish()

    def keep(self, series: Series, start: int, mean: Block, std: Block | None) -> None:
        """Put back, in place, what was not measured and is not predicted."""
        validity = self._stack.validity
        if validity is None or not self._has_pixels or self._task.fills:
            return
        for k, plane in enumerate(series.planes()):
            raw = self._stack.read(slice(start, start + len(mean)), plane)
            kept = validity.kept(raw, plane, start)
            raw, kept = (_enlarged(a, self._net.geometry.zoom) for a in (raw, kept))
            mean[:, k][kept] = raw[kept]
            if std is not None:
                std[:, k][kept] = 0.0

    def _parts(self, count: int) -> list[slice]:
        """Cut a block into runs of frames that are denoised at the same time."""
        parts = 1 if self._net.shares_frames else threads_on(self._device)
        return cores(count, -(-count // parts))

    def _sweep(
        self,
        views: Views,
        frames: dict[int, Tensor],
        known: Tensor | None,
        scaler: Scaler,
        windows: list[list[int]],
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Denoise the middle frame of one window after the other, in grey levels.

        Pixels that are not `known` are not put back.
        """
        middle = self._net.geometry.context
        predictions = views.sweep(windows, self._precision)
        for seen in windows:
            # not around the loop: whoever waits between frames needs gradients
            with torch.inference_mode():
                prediction, at = next(predictions), seen[middle]
                own = None if known is None else known[at][None]
                mean, std, is_light = self._task.finish(
                    scaler.adjusted(prediction, own),
                    Clip(frames[at][None], scaler.noise, own),
                    use_posterior=self._use_posterior,
                )
                if is_light:
                    mean = scaler.restore(mean)
                    std = None if std is None else scaler.restore_std(std)
            yield mean[0], None if std is None else std[0]


def _all_of(part: slice) -> slice:
    """Whatever the part of a frame, what is said of it is all there is."""
    return slice(None)


def _advance(
    sweep: Iterator[tuple[Tensor, Tensor | None]],
) -> tuple[Tensor, Tensor | None] | None:
    return next(sweep, None)


class _FrameBuffer:
    """Frames that were read last, since runs of frames overlap in what they see."""

    def __init__(self, stack: Stack, device: torch.device, whole: bool) -> None:
        self._stack, self._device, self._whole = stack, device, whole
        self._series: Series | None = None
        self._frames: dict[int, tuple[Tensor, npt.NDArray[np.bool_] | None]] = {}
        self._dtype = torch.float32
        if device.type == "cpu":
            self._dtype = SMALL.get(stack.dtype.name, self._dtype)

    def box(self, series: Series) -> tuple[slice, slice]:
        """Rows and columns that are read: whole frames, or what of them has pixels."""
        if not self._whole:
            return measured_box(self._stack, series)
        height, width = self._stack.frame_shape
        return slice(0, height), slice(0, width)

    def read(
        self, series: Series, frames: Sequence[int]
    ) -> tuple[list[Tensor], list[npt.NDArray[np.bool_]] | None]:
        """Return frames ``(C, Y, X)``, given in rising order; forget all others.

        In float32 or, where that has the same numbers, the movie's own data type.
        Those of the :meth:`box`; with them which pixels were measured, None where all
        were.
        """
        known = self._frames if series == self._series else {}
        known = {t: known[t] for t in frames if t in known}
        for run in runs([t for t in frames if t not in known]):
            box = self.box(series)
            clip, measured = read_frames(self._stack, series, run, *box, self._device)
            # what was measured has the few bytes of the file, what was filled has not
            wanted = clip.dtype if measured is not None else self._dtype
            for k, t in enumerate(run):
                # copies: a part keeps the whole array that it belongs to
                mask = None if measured is None else measured[k].copy()
                known[t] = clip[k].to(wanted, copy=True), mask
        self._series, self._frames = series, known
        seen = [mask for t in frames if (mask := known[t][1]) is not None]
        return [known[t][0] for t in frames], seen or None


def _enlarged(frames: npt.NDArray[Any], zoom: int) -> npt.NDArray[Any]:
    """Repeat pixels of ``(T, Y, X)`` along rows and columns."""
    return frames.repeat(zoom, axis=1).repeat(zoom, axis=2) if zoom > 1 else frames


def _first_tile(shape: tuple[int, int], device: torch.device) -> int:
    edge = TILE[device.type]
    return max(shape) if max(shape) <= 1.5 * edge else edge
