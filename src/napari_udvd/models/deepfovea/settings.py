"""What a DeepFovea++ is built from; read without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["GRID", "PUBLISHED", "FoveaSettings"]

GRID = 32
"""Rows and columns of the coarsest pixel: the encoder halves five times."""

ENCODER = (32, 64, 128, 128, 128)
"""Features of the encoder's blocks, finest first, as published."""

DECODER = (128, 128, 64, 16)
"""Features of the decoder's blocks, coarsest first, as published."""

BETWEEN = 8
"""Features between two super-resolution blocks, as published."""

ZOOMS = (1, 2, 4)
"""Output pixels for each input pixel, along rows and along columns."""


@dataclass(frozen=True)
class FoveaSettings:
    """The settings of a :class:`~napari_udvd.models.DeepFovea`.

    The defaults are what is trained on a movie; :data:`PUBLISHED` is what the published
    checkpoints were trained with.

    Attributes
    ----------
    frames
        Frames of a clip, all reconstructed at once.
    channels
        Channels of a frame.
    zoom
        Output pixels for each input pixel along each direction: 1, 2 or 4. With 1 there
        are neither super-resolution blocks nor deformable convolutions.
    mask_input
        The network is told which pixels were measured. Where it is not, it cannot tell
        a measured zero from a gap.
    width
        Factor on the published numbers of features.
    rectified
        There is an ELU between the two convolutions of a decoder's block. The paper
        says so; the published program defines it and does not use it.
    norm_size
        Rows and columns of the only frames that the network takes, where a checkpoint
        has a gain and an offset of its own for every pixel; None for any size.
    more_inputs, more_outputs
        Further channels of each frame that enter beside it, and that leave beside it.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    frames: int = 6
    channels: int = 1
    zoom: int = 1
    mask_input: bool = True
    width: float = 1.0
    rectified: bool = True
    norm_size: tuple[int, int] | None = None
    more_inputs: int = 0
    more_outputs: int = 0

    def __post_init__(self) -> None:
        for name in ("frames", "channels"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}"
                )
        for name in ("more_inputs", "more_outputs"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        if self.zoom not in ZOOMS:
            raise ValueError(f"zoom must be 1, 2 or 4, got {self.zoom}")
        if not 0 < self.width < math.inf:
            raise ValueError(f"width must be a positive factor, got {self.width}")
        if self.norm_size is not None and any(
            n < GRID or n % GRID for n in self.norm_size
        ):
            raise ValueError(
                f"norm_size must be two multiples of {GRID}, got {self.norm_size}"
            )

    @property
    def inputs(self) -> int:
        """Channels of a frame that enter: its own, its mask, and what is beside it."""
        return self.channels + self.mask_input + self.more_inputs

    @property
    def outputs(self) -> int:
        """Channels of a frame that leave."""
        return self.channels + self.more_outputs

    @property
    def seen(self) -> int:
        """Channels of all frames of a clip that enter."""
        return self.frames * self.inputs

    @property
    def made(self) -> int:
        """Channels of all frames of a clip that leave."""
        return self.frames * self.outputs

    @property
    def encoder(self) -> tuple[int, ...]:
        """Features of the encoder's blocks, finest first."""
        return tuple(self._scaled(n) for n in ENCODER)

    @property
    def decoder(self) -> tuple[int, ...]:
        """Features of the decoder's blocks, and of their states, coarsest first."""
        return tuple(self._scaled(n) for n in DECODER)

    @property
    def super_resolution(self) -> tuple[int, ...]:
        """Outputs of the super-resolution blocks; empty if the size stays."""
        blocks = ZOOMS.index(self.zoom)
        return (*[self._scaled(BETWEEN)] * (blocks - 1), self.made) if blocks else ()

    def _scaled(self, features: int) -> int:
        return max(1, round(self.width * features))


PUBLISHED = FoveaSettings(
    frames=6, channels=3, zoom=4, mask_input=False, rectified=False
)
"""Six frames of red, green and blue, four times as large, no mask given."""
