"""The blocks that DeepFovea++ consists of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.deepfovea.deformable import DeformableConv2d

__all__ = [
    "FinalBlock",
    "FrameNorm",
    "ResidualBlock",
    "SuperResolutionBlock",
    "TemporalBlock",
    "enlarged",
]


def enlarged(x: Tensor, factor: int = 2) -> Tensor:
    """Interpolate ``(N, C, H, W)`` to a multiple of its size, bilinear."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class FrameNorm(nn.Module):
    """Mean 0 and variance 1 over channels, rows and columns, then gain and offset.

    Group normalisation with one group. The published layer norm has the same statistics
    but a gain and an offset for every pixel, which tie it to one size.

    Parameters
    ----------
    channels
        Of the features.
    size
        Rows and columns, for gain and offset of every pixel; None for those of the
        channels, at any size.
    """

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        shape = (channels, *(size or (1, 1)))
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)``."""
        return F.group_norm(x, 1, eps=1e-5) * self.weight + self.bias


class ResidualBlock(nn.Module):
    """A block of the encoder: two convolutions with ELU, and a way around them.

    What follows, in the network, is the mean over 2 x 2 pixels.

    Parameters
    ----------
    inputs, outputs
        Channels; where they are equal, the input is added as it is.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.b = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.around = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        out = F.elu(self.b(F.elu(self.a(x))))
        return out + (x if self.around is None else self.around(x))


class TemporalBlock(nn.Module):
    """A block of the decoder: it has a state, and enlarges by two.

    Parameters
    ----------
    inputs
        Channels, without the state.
    outputs
        Channels of the result, and of the state.
    rectified
        There is an ELU before the second convolution; published: there is none.
    size
        Rows and columns of the input, see :class:`FrameNorm`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rectified: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.rectified = rectified
        self.a = nn.Conv2d(inputs + outputs, outputs, 3, padding=1)
        self.norm = FrameNorm(outputs, size)
        self.b = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.around = nn.Conv2d(inputs + outputs, outputs, 1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result, and the state for the next clip.

        Parameters
        ----------
        x
            ``(N, inputs, H, W)``.
        state
            ``(N, outputs, H, W)``.

        Returns
        -------
        result : Tensor
            ``(N, outputs, 2 H, 2 W)``.
        state : Tensor
            ``(N, outputs, H, W)``. No gradient passes from one clip to another.
        """
        joined = torch.cat([x, state], dim=1)
        normed = self.norm(self.a(joined))
        out = self.b(F.elu(normed) if self.rectified else normed)
        return enlarged(F.elu(out) + self.around(joined)), normed.detach()


class SuperResolutionBlock(nn.Module):
    """Deformable convolutions before and after enlarging by two, and a way around.

    Parameters
    ----------
    inputs, outputs
        Channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = DeformableConv2d(inputs, outputs)
        self.b = DeformableConv2d(outputs, outputs)
        self.around = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, 2 H, 2 W)``."""
        out = F.elu(self.b(enlarged(F.elu(self.a(x)))))
        return out + enlarged(self.around(x))


class FinalBlock(nn.Module):
    """What stands in the place of the super-resolution blocks if the size stays.

    Parameters
    ----------
    inputs, features, outputs
        Channels that enter, between the convolutions, and that leave.
    """

    def __init__(self, inputs: int, features: int, outputs: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, features, 3, padding=1)
        self.b = nn.Conv2d(features, outputs, 3, padding=1)
        self.around = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        made: Tensor = self.b(F.elu(self.a(x))) + self.around(x)
        return made
