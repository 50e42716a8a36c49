"""Any frames of a movie, denoised and sharpened."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.cutting import cores
from napari_udvd.optics import richardson_lucy
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.inference.block_denoiser import Blocks, Denoised
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.optics import Blur
    from napari_udvd.planes import Series
    from napari_udvd.sharpening._network import Improvement
    from napari_udvd.sharpening._optics import Optics
    from napari_udvd.stack import Stack

__all__ = ["SharpenedBlocks", "sharpened"]

PIXELS = {"cpu": 2**17, "gpu": 2**23}
"""Of the result, that are sharpened at once, about: what stays in the cache of a
processor, and what keeps a card busy."""


class SharpenedBlocks:
    """Sharpens what is denoised; has the face of what denoises.

    Parameters
    ----------
    inner
        Denoises any frames of the movie.
    stack
        The movie.
    optics
        What blurred it.
    iterations, offsets
        For each channel: iterations to be made, and the grey level without light.
    device
        Where it computes.
    fills
        Whether `inner` predicts pixels that were not measured.
    improvements
        For each channel what goes on from there; None if nothing does.

    Attributes
    ----------
    series
        As those of `inner`.
    """

    def __init__(
        self,
        inner: Blocks,
        stack: Stack,
        optics: Optics,
        iterations: Sequence[int],
        offsets: Sequence[float],
        device: torch.device,
        fills: bool = False,
        improvements: Sequence[Improvement | None] = (),
    ) -> None:
        self._fills = fills
        self._inner, self._stack = inner, stack
        self._improvements = improvements or [None] * len(iterations)
        self.series = inner.series
        self._iterations, self._offsets = iterations, offsets
        self._zoom = optics.zoom
        self._kind = "cpu" if device.type == "cpu" else "gpu"
        self._blurs = [
            optics.blur(stack.frame_shape, channel, device)
            for channel in range(stack.n_channels)
        ]

    @property
    def pixels_seen(self) -> int:
        """Pixels of a frame that the network computes."""
        return self._inner.pixels_seen

    def flashes_in(self, series: Series, start: int, stop: int) -> list[Flash]:
        """Return the events that were put back before the frames were sharpened."""
        return self._inner.flashes_in(series, start, stop)

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        """Denoise and sharpen frames ``start .. stop - 1``."""
        for result in self.steps(series, start, stop):
            if result is not None:
                return result
        raise AssertionError("the steps ended without a result")

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        """Do what :meth:`block` does with pauses, in which other runs may be done."""
        around = self._around(series)
        first = max(start - around, 0)
        last = min(stop + around, self._stack.n_frames)
        wanted = slice(start - first, stop - first)
        for result in self._inner.steps(series, first, last):
            if result is None:
                yield None
                continue
            mean, _ = result
            kept = None if self._fills else self._kept(series, first, last)
            count, channels, height, width = mean.shape
            zoom = self._zoom
            found = np.empty((count, channels, zoom * height, zoom * width), np.float32)
            at_once = max(PIXELS[self._kind] // (zoom**2 * height * width), 1)
            for part in cores(count, at_once):
                for k, c in enumerate(series.channels):
                    yield None
                    known = None if kept is None else ~kept[part, k]
                    light = mean[part, k] - np.float32(self._offsets[c])
                    found[part, k] = sharpened(
                        light, self._blurs[c], self._iterations[c], known
                    )
            for k, c in enumerate(series.channels):
                improvement = self._improvements[c]
                if improvement is not None:
                    yield None
                    light = mean[:, k] - np.float32(self._offsets[c])
                    if kept is not None:
                        light[kept[:, k]] = np.nan
                    found[:, k] = improvement.apply(light, found[:, k])
                found[:, k] += np.float32(self._offsets[c])
            if kept is not None:
                # as denoising leaves it: what was not measured is not invented
                fine = kept.repeat(zoom, axis=2).repeat(zoom, axis=3)
                found[fine] = mean.repeat(zoom, axis=2).repeat(zoom, axis=3)[fine]
            yield found[wanted], None

    def _around(self, series: Series) -> int:
        """Frames before and after that are sharpened with those that are wanted."""
        of_each = (self._improvements[c] for c in series.channels)
        return max((each.context for each in of_each if each is not None), default=0)

    def _kept(
        self, series: Series, start: int, stop: int
    ) -> npt.NDArray[np.bool_] | None:
        """Pixels ``(T, C, Y, X)`` that denoising left as they were; None if none."""
        stack = inspect(self._stack)
        if stack.validity is None:
            return None
        frames = slice(start, stop)
        found = [
            stack.validity.kept(stack.read(frames, plane), plane, start)
            for plane in series.planes()
        ]
        return np.stack(found, axis=1)


def sharpened(
    light: npt.NDArray[np.float32],
    blur: Blur,
    iterations: int,
    measured: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float32]:
    """Sharpen frames ``(T, Y, X)``, offset taken off, on the grid of the result."""
    device = blur.seen.device
    frames: Tensor = torch.from_numpy(np.nan_to_num(light)).to(device)
    known = None
    if measured is not None and not measured.all():
        known = torch.from_numpy(measured).to(device)
    with torch.inference_mode():
        *_, last = islice(richardson_lucy(frames, blur, known), iterations + 1)
        return np.asarray(blur.inside(last.scene).cpu().numpy())
