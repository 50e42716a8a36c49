"""The discriminators of DeepFovea++, which tell recorded clips from reconstructed ones.

Nothing of ours is trained by them: they cost more than the generator does. They are
here for whoever wants to repeat the published training.

What the published program does and :class:`Discriminator` does not, unless asked to:

* Frames enter as channels, and the features of all frames together are then re-read,
  row by row, as (channels, frames). What is called time are features of any frame.
* The discriminator of the Fourier domain transforms an axis of length one: what it sees
  are the pixels themselves, with a zero behind each. :class:`FFTDiscriminator` is that,
  for comparison with the published numbers and nothing else.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["Discriminator", "FFTDiscriminator"]

WIDTHS = (64, 256, 256, 128, 1)
"""Features of the blocks, finest first, as published."""

STRIDE = 4
"""By which a clip is shrunk before the first block."""

SIDE = 16
"""Rows and columns of the map that the last layer of the second one sees."""


class Discriminator(nn.Module):
    """A patch discriminator: one answer for each part of a clip.

    Parameters
    ----------
    channels
        Of a frame.
    frames
        Of a clip. If None, any number, and the frames stay apart until their answers
        are averaged. Otherwise they are mixed as in the published program.
    widths
        Features of the blocks, each of which halves rows and columns; the last is 1.

    Raises
    ------
    ValueError
        If the last of `widths` is not 1.
    """

    def __init__(
        self,
        channels: int = 1,
        frames: int | None = None,
        widths: tuple[int, ...] = WIDTHS,
    ) -> None:
        super().__init__()
        if not widths or widths[-1] != 1:
            raise ValueError(f"the last block has one feature, not those of {widths}")
        self.channels, self.frames = channels, frames
        entering = channels * (frames or 1)
        self.enter = nn.Conv2d(entering, entering, STRIDE, stride=STRIDE)
        inputs = 2 * channels
        self.blocks = nn.ModuleList()
        for features in widths:
            self.blocks.append(_Block(inputs, features))
            inputs = features

    def forward(self, clip: Tensor) -> Tensor:
        """Judge clips.

        Parameters
        ----------
        clip
            ``(N, T, C, H, W)``, large enough for one part.

        Returns
        -------
        Tensor
            ``(N, 1, H / 128, W / 128)``, or as many pixels to a part as `widths` say.

        Raises
        ------
        ValueError
            If the shape of the clip does not fit.
        """
        part = STRIDE << len(self.blocks)
        if (
            clip.dim() != 5
            or self.frames not in (None, clip.shape[1])
            or clip.shape[2] != self.channels
            or min(clip.shape[-2:]) < part
        ):
            raise ValueError(
                f"this discriminator takes clips (N, {self.frames or 'T'}, "
                f"{self.channels}, H, W) of at least {part} x {part} px, got shape "
                f"{tuple(clip.shape)}"
            )
        n = len(clip)
        frames = clip.flatten(0, 1) if self.frames is None else clip.flatten(1, 2)
        shrunk = F.interpolate(
            frames, scale_factor=1 / STRIDE, mode="bilinear", align_corners=False
        )
        x = torch.cat([self.enter(frames), shrunk], dim=1)
        if self.frames is None:
            x = x.unflatten(0, (n, -1)).transpose(1, 2)
        else:
            x = x.unflatten(1, (-1, self.frames))  # so the published program reads it
        for block in self.blocks:
            x = block(x)
        answers: Tensor = x.mean(2)
        return answers


class FFTDiscriminator(Discriminator):
    """The published discriminator "of the Fourier domain", which sees no spectrum.

    It has one answer for a clip. Kept for comparison with the published numbers: it is
    a second discriminator of pixels, half of whose inputs are zero.

    Parameters
    ----------
    channels, frames
        Of a clip.
    widths
        See :class:`Discriminator`.
    """

    def __init__(
        self, channels: int = 3, frames: int = 6, widths: tuple[int, ...] = WIDTHS
    ) -> None:
        super().__init__(2 * channels, frames, widths)
        self.leave = spectral_norm(nn.Linear(SIDE**2, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """Judge clips ``(N, T, C, H, W)``; the answers are ``(N, 1)``."""
        # the transform of one number: its real part is the number, the other is zero
        parts = torch.stack([clip, torch.zeros_like(clip)], dim=3).flatten(2, 3)
        judged = F.adaptive_avg_pool2d(super().forward(parts), SIDE)
        answer: Tensor = self.leave(judged.flatten(1))
        return answer


class _Block(nn.Module):
    """Convolutions over time and space with ELU, a way around, then half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = spectral_norm(nn.Conv3d(inputs, outputs, 3, padding=1))
        self.b = spectral_norm(nn.Conv3d(outputs, outputs, 3, padding=1))
        self.around = spectral_norm(nn.Conv3d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        out = F.elu(self.b(F.elu(self.a(x)))) + self.around(x)
        return F.avg_pool3d(out, (1, 2, 2))
