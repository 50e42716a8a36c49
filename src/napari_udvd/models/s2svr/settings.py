"""What an S2SVR is built from; read without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["PUBLISHED_DEBLUR", "PUBLISHED_X4", "S2SVRSettings"]

ZOOMS = (1, 2, 4)
"""Output pixels for each input pixel, along rows and along columns."""

MOST_LEVELS = 6
"""Levels of the published flow network: each halves the frame."""

LEAST_LEVELS = 2
"""Flow is found down to a quarter of the frame's size, which is the second level."""


@dataclass(frozen=True)
class S2SVRSettings:
    """The settings of a :class:`~napari_udvd.models.S2SVR`.

    The defaults are what is trained on a movie; :data:`PUBLISHED_DEBLUR` and
    :data:`PUBLISHED_X4` are the published sizes.

    Attributes
    ----------
    channels
        Channels of a frame.
    features
        Features of every layer and state; even.
    blocks
        Residual blocks behind every recurrent unit.
    layers
        Recurrent layers of the encoder, the first of which runs in both directions, and
        of the decoder. With one there is no attention.
    zoom
        Output pixels for each input pixel along each direction: 1, 2 or 4.
    flow_levels
        How often the frame is halved to estimate flow, 2 to 6. Features are compared at
        up to ``flow_radius * 2**flow_levels`` px from their place.
    flow_radius
        Largest displacement that is tried at each level, px of that level.
    flow_size
        Every frame is resized to a square of so many pixels before its flow is
        estimated, as published: 256; a multiple of ``2**flow_levels``. None for the
        size that it has.
    flow_border
        Features outside of the frame are those of its border, for the flow network.
        The published network takes zeros there.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    channels: int = 1
    features: int = 24
    blocks: int = 2
    layers: int = 2
    zoom: int = 1
    flow_levels: int = 3
    flow_radius: int = 2
    flow_size: int | None = None
    flow_border: bool = True

    def __post_init__(self) -> None:
        for name in ("channels", "blocks", "layers", "flow_radius"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}"
                )
        if self.features < 2 or self.features % 2:
            raise ValueError(
                f"features must be even and at least 2, got {self.features}"
            )
        if self.zoom not in ZOOMS:
            raise ValueError(f"zoom must be 1, 2 or 4, got {self.zoom}")
        if not LEAST_LEVELS <= self.flow_levels <= MOST_LEVELS:
            raise ValueError(
                f"flow_levels must be {LEAST_LEVELS} to {MOST_LEVELS}, got "
                f"{self.flow_levels}"
            )
        grid = 2**self.flow_levels
        if self.flow_size is not None and (self.flow_size < 1 or self.flow_size % grid):
            raise ValueError(
                f"flow_size must be a multiple of {grid} with {self.flow_levels} "
                f"levels, got {self.flow_size}"
            )


PUBLISHED_DEBLUR = S2SVRSettings(
    channels=3,
    features=48,
    blocks=13,
    layers=3,
    flow_levels=6,
    flow_radius=4,
    flow_size=256,
    flow_border=False,
)
"""Red, green and blue at the same size."""

PUBLISHED_X4 = replace(PUBLISHED_DEBLUR, features=64, zoom=4)
"""Red, green and blue, four times as large."""
