"""Many filters from few backward passes.

Output pixels further apart than the filters reach share no inputs, so the gradient
of the sum of their values holds all their filters side by side. In principle a filter
reaches as far as the receptive field; in practice its weights are within a few pixels.
Pixels are taken a cell apart and their values with alternating signs, so that what
little reaches over from the neighbours cancels in sums (see the benchmarks for how
little it is). The network is run once per tile, and backwards once per set of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice, product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from napari_udvd.cutting import tiles
from napari_udvd.errors import InputError
from napari_udvd.filters._window import (
    check_place,
    device_of,
    frozen,
    read_window,
    series_with,
    views_of,
)
from napari_udvd.models import predict_frame_in_views
from napari_udvd.runtime.memory import is_out_of_memory

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_udvd.filters._window import Window
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.planes import Series
    from napari_udvd.stack import Stack

__all__ = ["CELL", "Cells", "filter_cells", "grid_points"]

CELL = 64
"""Rows and columns of a cell: where the weights of a pixel are looked for."""

TILE = 512
"""Rows and columns of a tile to begin with."""

SMALLEST_TILE = 64
"""Below this, running out of memory is final."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Filters of several pixels.

    Attributes
    ----------
    points
        Row and column of each pixel, ``(P, 2)``.
    steps
        Frames, counted from that of the pixels, ``(F,)``.
    weights
        ``(P, F, cell, cell)``. The pixel is at row and column ``cell // 2``. Zero in
        frames beyond the ends of the movie: what the network saw instead has their
        weights.
    """

    points: npt.NDArray[np.intp]
    steps: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float32]


def grid_points(length: int, spacing: int) -> list[int]:
    """Place points along an axis, `spacing` apart and as far from both ends."""
    count = max(length // spacing, 1)
    first = (length - (count - 1) * spacing) // 2
    return [min(first + k * spacing, length - 1) for k in range(count)]


def filter_cells(
    denoiser: Denoiser,
    stack: Stack,
    t: int,
    spacing: int,
    *,
    c: int = 0,
    z: int = 0,
    steps: Sequence[int] | None = None,
    cell: int = CELL,
    blob: int = 1,
    precision: torch.dtype = torch.float32,
    cancel: threading.Event | None = None,
) -> Iterator[Cells]:
    """Compute the filters of the pixels of a grid, some at a time.

    Parameters
    ----------
    denoiser, stack, c, z
        As for :func:`adaptive_filter`.
    t
        Frame.
    spacing
        Rows and columns between pixels.
    steps
        Frames to look at, counted from `t`; all that the network sees if None.
    cell
        Even; rows and columns around each pixel in which its weights are looked for.
        The time goes with its square.
    blob
        Odd; the average filter of so many rows and columns of pixels around each
        grid point, steadier than that of one pixel, and wider by as much.
    precision
        Floating-point type of the network; bfloat16 is faster where it is supported
        and moves weights by about a percent.
    cancel
        Set it to stop early.

    Yields
    ------
    Cells
        After each backward pass.

    Raises
    ------
    InputError
        If the frame is not in the movie, the model does not fit it, or the spacing is
        not positive.
    MemoryError
        If not even a small tile fits in memory.
    """
    check_place(denoiser, stack, t=t, c=c, z=z)
    if spacing < 1:
        raise InputError(f"spacing is {spacing}; it must be a positive number of px")
    height, width = stack.frame_shape
    context = denoiser.net.geometry.context
    job = _Job(
        denoiser,
        stack,
        t,
        *series_with(denoiser, stack, c, z),
        spacing,
        np.array(range(-context, context + 1) if steps is None else steps),
        cell,
        blob,
        precision,
    )
    rows, columns = grid_points(height, spacing), grid_points(width, spacing)
    waiting = list(tiles(height, width, TILE))
    while waiting:
        core = waiting.pop(0)
        ys = [y for y in rows if core[0].start <= y < core[0].stop]
        xs = [x for x in columns if core[1].start <= x < core[1].stop]
        try:
            passes = job.passes(core, ys, xs)
            # the first pass backwards takes as much memory again
            first = list(islice(passes, 1))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            edge = max(part.stop - part.start for part in core) // 2
            if edge < SMALLEST_TILE:
                raise MemoryError(
                    f"not even the filters of {2 * edge} x {2 * edge} pixels fit in "
                    "memory; close other programs, or choose a smaller network"
                ) from error
            waiting = [*_quarters(core, edge), *waiting]
            continue
        for cells in chain(first, passes):
            yield cells
            if cancel is not None and cancel.is_set():
                return


@dataclass(frozen=True, eq=False)
class _Job:
    """What all tiles have in common."""

    denoiser: Denoiser
    stack: Stack
    t: int
    series: Series
    own: int
    spacing: int
    steps: npt.NDArray[np.intp]
    cell: int
    blob: int
    precision: torch.dtype

    def passes(
        self, core: tuple[slice, slice], ys: list[int], xs: list[int]
    ) -> Iterator[Cells]:
        """Run the network forwards over a tile; the iterator runs it backwards."""
        if not ys or not xs:
            return iter(())
        net = self.denoiser.net
        seen = read_window(self.denoiser, self.stack, self.series, self.t, *core)
        with frozen(net):
            leaf = seen.leaf(device_of(net))
            frame = predict_frame_in_views(
                net, seen.seen(leaf), seen.at, self.precision, views_of(self.denoiser)
            )
            value = frame.mean[0, self.own]
        return self._backwards(seen, leaf, value, ys, xs)

    def _backwards(
        self, seen: Window, leaf: Tensor, value: Tensor, ys: list[int], xs: list[int]
    ) -> Iterator[Cells]:
        apart = -(-self.cell // self.spacing)
        times = self.t + self.steps
        real = (times >= 0) & (times < self.stack.n_frames)
        there = [seen.frames.index(time) for time in times[real]]
        for first_y, first_x in product(range(apart), range(apart)):
            rows, columns = ys[first_y::apart], xs[first_x::apart]
            if not rows or not columns:
                continue
            places = [
                (y - seen.rows.start, x - seen.columns.start)
                for y, x in product(rows, columns)
            ]
            signs = [
                (-1) ** (i + j)
                for i, j in product(range(len(rows)), range(len(columns)))
            ]
            chosen = self._chosen(value, places, signs)
            with frozen(self.denoiser.net):
                (gradient,) = torch.autograd.grad(
                    value, leaf, chosen, retain_graph=True
                )
            weights = np.zeros(
                (len(places), len(times), self.cell, self.cell), np.float32
            )
            weights[:, real] = _cut(gradient[there, self.own], places, signs, self.cell)
            points = np.array(list(product(rows, columns)))
            yield Cells(points, self.steps, weights)

    def _chosen(
        self, value: Tensor, places: list[tuple[int, int]], signs: list[int]
    ) -> Tensor:
        """Gradient of the output that picks the pixels of a pass."""
        chosen = torch.zeros_like(value)
        reach = self.blob // 2
        for (y, x), sign in zip(places, signs, strict=True):
            rows = slice(max(y - reach, 0), y + reach + 1)
            columns = slice(max(x - reach, 0), x + reach + 1)
            area = chosen[rows, columns]
            area += sign / area.numel()
        return chosen


def _cut(
    gradient: Tensor, places: list[tuple[int, int]], signs: list[int], cell: int
) -> npt.NDArray[np.float32]:
    """Cut ``(F, h, w)`` into ``(P, F, cell, cell)`` around places."""
    half = cell // 2
    padded = F.pad(gradient, (half, half, half, half)).cpu().numpy()
    cells = [
        sign * padded[:, y : y + cell, x : x + cell]
        for (y, x), sign in zip(places, signs, strict=True)
    ]
    return np.stack(cells).astype(np.float32, copy=False)


def _quarters(core: tuple[slice, slice], edge: int) -> list[tuple[slice, slice]]:
    """Cut a tile into tiles of at most `edge`."""
    top, left = core[0].start, core[1].start
    return [
        (
            slice(top + rows.start, top + rows.stop),
            slice(left + columns.start, left + columns.stop),
        )
        for rows, columns in tiles(core[0].stop - top, core[1].stop - left, edge)
    ]
