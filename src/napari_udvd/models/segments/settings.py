"""What the sequence-to-sequence network is built from; read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SequenceSettings"]

ENCODERS = ("dilated", "pyramid")
CELLS = ("gru", "lstm")
WHOLE_NUMBERS = (
    "features",
    "classes",
    "stages",
    "layers",
    "maps",
    "heads",
    "head_width",
    "frame_classes",
    "steps",
)


@dataclass(frozen=True)
class SequenceSettings:
    """The settings of a :class:`~napari_udvd.models.segments.SequenceToSequence`.

    The defaults are what learns from a few labelled spans. The published sizes are
    about a hundred times as large; :func:`~napari_udvd.models.segments.from_published`
    reads them off the weights.

    Attributes
    ----------
    features
        Numbers for each frame.
    classes
        Tokens that it writes: 0 is the start (and padding), the last the end.
    encoder
        ``"dilated"`` convolutions, as published for video, or a ``"pyramid"`` of
        recurrent layers that run in both directions, as published for motion sensors.
    cell
        Recurrent cell of the pyramid: ``"gru"`` or ``"lstm"``.
    stages
        How often the encoder halves time.
    layers
        Dilated convolutions before each halving.
    maps
        Width of the dilated convolutions.
    units
        Features of the encoder's result, and state of the decoder; even.
    heads, head_width
        Of the decoder's attention; without heads its context is the mean over time.
    frame_classes
        Classes of a linear layer on the encoder's result; 0 for none.
    steps
        Tokens that are written where no number is asked for.
    dropout
        Of the dilated convolutions, in training.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    features: int
    classes: int
    encoder: Literal["dilated", "pyramid"] = "dilated"
    cell: Literal["gru", "lstm"] = "gru"
    stages: int = 1
    layers: int = 4
    maps: int = 32
    units: int = 64
    heads: int = 2
    head_width: int = 32
    frame_classes: int = 0
    steps: int = 20
    dropout: float = 0.5

    def __post_init__(self) -> None:
        least = {"heads": 0, "frame_classes": 0, "classes": 2}
        for name in WHOLE_NUMBERS:
            if getattr(self, name) < least.get(name, 1):
                raise ValueError(
                    f"{name} must be at least {least.get(name, 1)}, got "
                    f"{getattr(self, name)}"
                )
        if self.units < 2 or self.units % 2:
            raise ValueError(f"units must be even and at least 2, got {self.units}")
        for name, known in (("encoder", ENCODERS), ("cell", CELLS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}"
                )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")
