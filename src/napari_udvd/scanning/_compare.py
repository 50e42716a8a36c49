"""The patterns beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.scanning._cost import scan_cost
from napari_udvd.scanning._evenness import evenness
from napari_udvd.scanning._make import PATTERNS, make_mask
from napari_udvd.scanning._pattern import DEFAULT_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd.scanning._cost import Cost
    from napari_udvd.scanning._evenness import Evenness
    from napari_udvd.scanning._mask import ScanMask

__all__ = ["WINDOWS", "Compared", "Comparison", "compare_patterns"]

WINDOWS = (0, 1, 2)
"""Frames before and after in which evenness is measured."""


@dataclass(frozen=True)
class Compared:
    """One of the patterns.

    Attributes
    ----------
    mask
        What it visits.
    evenness
        In the frame alone, with one frame before and after, and with two.
    cost
        Dose and time.
    """

    mask: ScanMask
    evenness: tuple[Evenness, ...]
    cost: Cost


@dataclass(frozen=True)
class Comparison:
    """All patterns at one share.

    Attributes
    ----------
    patterns
        Those that can have it, the most even one first: that of the least mean
        distance, summed over the frame alone, with one and with two neighbours.
    refused
        Why others cannot, by name.
    """

    patterns: tuple[Compared, ...]
    refused: Mapping[str, str]

    @property
    def advice(self) -> str:
        """Which one to take, in words."""
        names = [one.mask.pattern.name for one in self.patterns]
        best = f"most even: {names[0]}"
        if names[0] == "rows":
            return best
        sweeping = (
            "only rows saves time"
            if "rows" in names
            else "no pattern of this share saves time; a share such as 0.2 or 0.25 does"
        )
        return f"{best}; where the beam can only sweep whole rows, {sweeping}"


def compare_patterns(
    frames: int,
    shape: Sequence[int],
    *,
    share: float = DEFAULT_SHARE,
    seed: int = 0,
    dwell: float = 1.0,
    flyback: float = 0.0,
    settle: float = 0.0,
) -> Comparison:
    """Measure every pattern at the same share.

    Parameters
    ----------
    frames, shape, share, seed
        As for :func:`make_mask`.
    dwell, flyback, settle
        As for :func:`scan_cost`.

    Returns
    -------
    Comparison
        Those that can have the share, and why others cannot.

    Raises
    ------
    InputError
        If no pattern can be made of this, or a time is none.
    """
    found: list[Compared] = []
    refused: dict[str, str] = {}
    for name in PATTERNS:
        try:
            mask = make_mask(name, frames, shape, share=share, seed=seed)
        except InputError as error:
            if name == "random":  # which takes any share: all is wrong
                raise
            refused[name] = str(error)
            continue
        cost = scan_cost(mask, dwell=dwell, flyback=flyback, settle=settle)
        even = tuple(evenness(mask, within) for within in WINDOWS)
        found.append(Compared(mask, even, cost))
    found.sort(key=lambda one: sum(each.mean for each in one.evenness))
    return Comparison(tuple(found), refused)
