"""The blur of a movie, as a linear operator with an exact adjoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.optics._psf import PointSpread

__all__ = ["Blur"]


class Blur:
    """Blurs a scene and takes the mean over each pixel.

    The scene is larger than the frame: what lies outside shines into it, and is guessed
    with the rest (Bertero and Boccacci 2005). So nothing is assumed of the border, and
    a frame has no seam there. Scenes are on a canvas, see :meth:`canvas`.

    Parameters
    ----------
    psf
        The point spread function.
    shape
        Rows and columns of a frame.
    zoom
        Pixels of the scene to a pixel of the frame, along each edge.
    device
        Where it computes.

    Attributes
    ----------
    zoom
        As given.

    Raises
    ------
    InputError
        If the point spread function is larger than the frame.
    """

    def __init__(
        self,
        psf: PointSpread,
        shape: tuple[int, int],
        zoom: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        kernel = psf.kernel(zoom)
        inner = (zoom * shape[0], zoom * shape[1])
        if any(k > n for k, n in zip(kernel.shape, inner, strict=True)):
            rows, columns = (-(-k // zoom) for k in kernel.shape)
            raise InputError(
                f"the point spread function is {rows} x {columns} pixels, larger than "
                f"the frames of {shape[0]} x {shape[1]}; crop it, or give a smaller one"
            )
        self.zoom, self._inner = zoom, inner
        self._margin = (kernel.shape[0] // 2, kernel.shape[1] // 2)
        self._size = tuple(
            next_fast_len(n + 2 * m, real=True)
            for n, m in zip(inner, self._margin, strict=True)
        )
        around = torch.zeros(self._size, dtype=torch.float64)
        around[: kernel.shape[0], : kernel.shape[1]] = torch.from_numpy(kernel)
        around = around.roll([-m for m in self._margin], dims=(0, 1))
        self._transfer = torch.fft.rfft2(around).to(device, torch.complex64)
        self._conjugate = self._transfer.conj().resolve_conj()
        self.seen = self.adjoint(torch.ones(shape, device=device))

    seen: Tensor
    """How much of each point's light falls into the frame, ``(rows, columns)`` of the
    canvas."""

    def __call__(self, scene: Tensor) -> Tensor:
        """Blur scenes on a canvas, ``(..., rows, columns)``, and measure them."""
        blurred = self.inside(self._filtered(scene, self._transfer))
        if self.zoom == 1:
            return blurred
        rows, columns = (n // self.zoom for n in self._inner)
        pixels = (*blurred.shape[:-2], rows, self.zoom, columns, self.zoom)
        return blurred.reshape(pixels).mean(dim=(-3, -1))

    def adjoint(self, frames: Tensor) -> Tensor:
        """Spread what was measured over the canvas: the transpose of a blur."""
        zoom = self.zoom
        if zoom > 1:
            frames = frames.repeat_interleave(zoom, -2).repeat_interleave(zoom, -1)
            frames = frames / zoom**2
        return self._filtered(self.placed(frames), self._conjugate)

    def inside(self, scene: Tensor) -> Tensor:
        """Cut the frame out of a canvas."""
        (top, left), (rows, columns) = self._margin, self._inner
        return scene[..., top : top + rows, left : left + columns]

    def placed(self, scene: Tensor) -> Tensor:
        """Put a scene inside the frame on a canvas, with no light around it."""
        top, left = self._margin
        below, right = (
            n - m - i
            for n, m, i in zip(self._size, self._margin, self._inner, strict=True)
        )
        return F.pad(scene, (left, right, top, below))

    def canvas(self, frames: Tensor) -> Tensor:
        """Put frames on a canvas, on the pixels of the scene and mirrored outside."""
        if self.zoom > 1:
            frames = F.interpolate(
                frames.reshape(-1, 1, *frames.shape[-2:]),
                scale_factor=self.zoom,
                mode="bilinear",
                align_corners=False,
            ).reshape(*frames.shape[:-2], *self._inner)
        places = [
            _mirrored(size, margin, inner, frames.device)
            for size, margin, inner in zip(
                self._size, self._margin, self._inner, strict=True
            )
        ]
        return frames[..., places[0][:, None], places[1]]

    def _filtered(self, scene: Tensor, transfer: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(scene).mul_(transfer)
        found: Tensor = torch.fft.irfft2(spectrum, s=self._size)
        return found


def _mirrored(size: int, margin: int, inner: int, device: torch.device) -> Tensor:
    """Tell which pixel of a frame stands at each place of a longer line."""
    place = torch.arange(size, device=device) - margin
    place = place.remainder(2 * inner)
    return torch.where(place < inner, place, 2 * inner - 1 - place)
