"""What the centre-blind network is built with, and what of it is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.models.centerblind.branches import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Options", "check"]


class Options(NamedTuple):
    """What the network is built with, beside channels, hole and likelihood.

    Attributes
    ----------
    near, far, preset, hidden
        As the parameters of
        :class:`~napari_udvd.models.centerblind.network.CenterBlind`.
    """

    near: int
    far: tuple[int, ...]
    preset: str
    hidden: int

    @property
    def context(self) -> int:
        """Frames seen before and after the output frame."""
        return self.near + sum(self.far)


def check(
    channels: int,
    near: int,
    far: Sequence[int],
    preset: str,
    hole: Sequence[int],
    hidden: int,
) -> None:
    """Check arguments of the network, before anything is built.

    Raises
    ------
    ValueError
        If one is out of range.
    """
    if channels < 1 or near < 1 or any(size < 1 for size in far):
        raise ValueError(
            f"channels {channels!r}, near {near!r} and far {far!r} must be positive"
        )
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}; choose one of {', '.join(PRESETS)}")
    if len(hole) != 2 or any(n < 1 or n % 2 == 0 for n in hole):
        raise ValueError(f"hole is {tuple(hole)!r}; it must be odd (rows, columns)")
    if not 0 <= hidden < near:
        raise ValueError(
            f"hidden is {hidden!r}; it must be from 0 to {near - 1}, so that one "
            "frame on each side is seen in full"
        )
