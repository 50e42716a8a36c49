"""Stream a trained network over a stack.

Frames go through in blocks and tiles, so that memory depends neither on the length
of the movie nor, with tiles, on the size of its frames. Tiles overlap by the radius
of the network's receptive field and are aligned to its pooling grid: there are no
seams to blend. Beyond the ends of the movie every frame sees
those equally far away on its other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise, product
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_udvd.calibration import Calibration, Scaler
from napari_udvd.errors import InputError
from napari_udvd.models import Network, posterior, sweep_views
from napari_udvd.parallel import run_parts, threads_on
from napari_udvd.series import Series, read_clip, series_of, window

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from napari_udvd.stack import Plane, Stack

__all__ = ["FrameSink", "Progress", "denoise_stack", "is_out_of_memory"]

BLOCK_BYTES = 64 * 2**20
"""Size of the frames of one block in float32."""

BLOCK_FRAMES = 16
"""Largest block: the frames around it are read and half processed once more."""

TILE = {"cpu": 768, "mps": 768, "cuda": 1536}
"""Rows and columns of a tile to begin with; frames up to 1.5 times that are whole."""

SMALLEST_TILE = 32
"""Below this, running out of memory is final."""

Block = npt.NDArray[np.float32]


class FrameSink(Protocol):
    """Where denoised frames go: an array, a file (see ``formats``)."""

    def write(self, frames: Block, start: int, plane: Plane) -> None:
        """Take frames ``(T, Y, X)`` that begin at time `start`."""


@dataclass(frozen=True)
class Progress:
    """Frames denoised so far, of all frames of all planes."""

    done: int
    total: int


def denoise_stack(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    sink: FrameSink,
    *,
    joint: bool = False,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    use_posterior: bool = True,
    self_ensemble: bool = False,
    std_sink: FrameSink | None = None,
    tile: int | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[Progress]:
    """Denoise every frame of every plane, writing block by block.

    Parameters
    ----------
    net
        Trained network.
    calibrations
        One per channel of the stack.
    stack
        Movie to denoise; only a block of it is in memory at a time.
    sink
        Receives the result, in grey levels.
    joint
        The network takes all channels at once.
    device, precision
        Where and in which floating-point type to compute.
    use_posterior
        Combine prediction and noisy pixel (needs a likelihood head; without one the
        prediction is written).
    self_ensemble
        Average over mirrored and turned views of the movie: a little better, four to
        eight times slower.
    std_sink
        Receives the standard deviation of the result; needs a likelihood head.
    tile
        Rows and columns of a tile; chosen by the device if None. It is halved as
        often as memory runs out.
    cancel
        Set it to stop after the current block.

    Yields
    ------
    Progress
        After each block.

    Raises
    ------
    InputError
        If the tile is not positive, or a standard deviation is asked of a network
        that has none.
    MemoryError
        If not even the smallest tile fits in memory.
    """
    if tile is not None and tile < 1:
        raise InputError(f"tile is {tile}; it must be a positive number of pixels")
    if std_sink is not None and not net.likelihood:
        raise InputError(
            "a network trained on the mean only has no standard deviation to write"
        )
    device = torch.device(device)
    net = net.to(device).eval()
    runner = _Runner(
        net,
        device,
        precision,
        use_posterior,
        self_ensemble,
        std_sink is not None,
    )
    edge = tile or _first_tile(stack.frame_shape, device)
    all_series = series_of(stack, joint)
    total = len(all_series) * stack.n_frames * len(all_series[0].channels)
    done = 0
    for series in all_series:
        scaler = Scaler([calibrations[c] for c in series.channels], device)
        buffer = _FrameBuffer(stack, series)
        for start, stop in _blocks(stack):
            while True:
                try:
                    mean, std = runner.block(stack, buffer, scaler, start, stop, edge)
                    break
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    if edge <= SMALLEST_TILE:
                        raise MemoryError(
                            f"not even tiles of {edge} x {edge} pixels fit in the "
                            f"memory of {device}; close other programs, or choose a "
                            "smaller network or another device"
                        ) from error
                edge = max(edge // 2, SMALLEST_TILE)
                _release(device)
            for k, plane in enumerate(series.planes()):
                sink.write(mean[:, k], start, plane)
                if std_sink is not None:
                    std_sink.write(std[:, k], start, plane)
            done += (stop - start) * len(series.channels)
            yield Progress(done, total)
            if cancel is not None and cancel.is_set():
                return


def is_out_of_memory(error: BaseException) -> bool:
    """Tell memory running out, on any device, from other errors."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


@dataclass(frozen=True)
class _Runner:
    """One block of frames, tile by tile."""

    net: Network
    device: torch.device
    precision: torch.dtype
    use_posterior: bool
    self_ensemble: bool
    with_std: bool

    def block(
        self,
        stack: Stack,
        buffer: _FrameBuffer,
        scaler: Scaler,
        start: int,
        stop: int,
        edge: int,
    ) -> tuple[Block, Block]:
        """Denoise frames ``start .. stop - 1``: mean and std ``(T, C, H, W)``."""
        windows = [
            window(t, self.net.context, stack.n_frames) for t in range(start, stop)
        ]
        needed = sorted({t for frames in windows for t in frames})
        place = {t: k for k, t in enumerate(needed)}
        windows = [[place[t] for t in frames] for frames in windows]
        grey = buffer.read(needed)
        height, width = stack.frame_shape
        mean = np.empty((stop - start, grey.shape[1], height, width), np.float32)
        std = np.empty(mean.shape if self.with_std else (0,), np.float32)
        for rows, columns in _tiles(height, width, edge):
            seen_rows = _with_halo(rows, height, self.net)
            seen_columns = _with_halo(columns, width, self.net)
            inner = (
                ...,
                slice(rows.start - seen_rows.start, rows.stop - seen_rows.start),
                slice(
                    columns.start - seen_columns.start,
                    columns.stop - seen_columns.start,
                ),
            )
            clip = torch.from_numpy(grey[:, :, seen_rows, seen_columns])
            with torch.inference_mode():
                frames = scaler.normalise(clip.to(self.device))

            sweep = partial(self._sweep, frames, scaler)
            results = chain(*run_parts(sweep, self._parts(windows)))
            for t, (tile_mean, tile_std) in enumerate(results):
                mean[t, :, rows, columns] = tile_mean[inner].numpy()
                if self.with_std and tile_std is not None:
                    std[t, :, rows, columns] = tile_std[inner].numpy()
        return mean, std

    def _parts(self, windows: list[list[int]]) -> list[list[list[int]]]:
        """Cut a block into runs of frames that are denoised at the same time."""
        parts = 1 if self.net.shares_frames else threads_on(self.device)
        cores = _cores(len(windows), -(-len(windows) // parts))
        return [windows[core] for core in cores]

    def _sweep(
        self, frames: Tensor, scaler: Scaler, windows: list[list[int]]
    ) -> list[tuple[Tensor, Tensor | None]]:
        middle = self.net.context
        sweep = sweep_views if self.self_ensemble else type(self.net).sweep
        results = []
        with torch.inference_mode():
            predictions = sweep(self.net, frames, windows, scaler.noise, self.precision)
            for seen, prediction in zip(windows, predictions, strict=True):
                mean, std = prediction.mean, prediction.std
                if self.use_posterior and prediction.factor is not None:
                    noisy = frames[seen[middle]][None]
                    variance = scaler.noise.variance(mean)
                    mean, std = posterior(prediction, noisy, variance)
                result = scaler.restore(mean)[0].cpu()
                deviation = None if std is None else scaler.restore_std(std)[0].cpu()
                results.append((result, deviation))
        return results


class _FrameBuffer:
    """Frames of a series, each read once although blocks overlap in time."""

    def __init__(self, stack: Stack, series: Series) -> None:
        self._stack, self._series = stack, series
        self._frames: dict[int, Block] = {}

    def read(self, frames: Sequence[int]) -> Block:
        """Return frames ``(T, C, Y, X)``, given in rising order; forget all others."""
        missing = [t for t in frames if t not in self._frames]
        if missing:
            read = read_clip(self._stack, self._series, missing)
            self._frames |= dict(zip(missing, read, strict=True))
        self._frames = {t: self._frames[t] for t in frames}
        return np.stack(list(self._frames.values()))


def _blocks(stack: Stack) -> Iterator[tuple[int, int]]:
    height, width = stack.frame_shape
    size = max(1, min(BLOCK_FRAMES, BLOCK_BYTES // (4 * height * width)))
    for start in range(0, stack.n_frames, size):
        yield start, min(start + size, stack.n_frames)


def _first_tile(shape: tuple[int, int], device: torch.device) -> int:
    edge = TILE[device.type]
    return max(shape) if max(shape) <= 1.5 * edge else edge


def _tiles(height: int, width: int, edge: int) -> Iterator[tuple[slice, slice]]:
    yield from product(_cores(height, edge), _cores(width, edge))


def _cores(length: int, edge: int) -> list[slice]:
    """Cut an axis into nearly equal parts of at most `edge` pixels."""
    parts = -(-length // edge)
    cuts = [round(length * k / parts) for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(cuts)]


def _with_halo(core: slice, length: int, net: Network) -> slice:
    """Widen to what the network sees, with both ends on its pooling grid.

    Half-planes that look down or right count the grid from the far end, so the
    distance to that end must be aligned too.
    """
    before = max(core.start - net.radius, 0)
    after = max(length - core.stop - net.radius, 0)
    return slice(
        before - before % net.alignment, length - (after - after % net.alignment)
    )


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
