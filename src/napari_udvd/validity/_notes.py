"""What a user should know of pixels that were not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.validity._validity import LONGEST_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_udvd.stack import Plane, Stack
    from napari_udvd.validity._validity import PlaneValidity

__all__ = ["notes", "plane_notes"]


def notes(stack: Stack, planes: Mapping[Plane, PlaneValidity]) -> Iterator[str]:
    """Say what was found in each plane, one sentence each."""
    for plane, found in planes.items():
        yield from plane_notes(stack, plane, found)


def plane_notes(stack: Stack, plane: Plane, found: PlaneValidity) -> Iterator[str]:
    """Say what was found in one plane."""
    at = {"C": plane.c, "Z": plane.z}
    named = [f"{axis} = {i}" for axis, i in at.items() if stack.size(axis) > 1]
    where = f"at {', '.join(named)}, " if named else ""
    if found.is_empty:
        yield (
            f"{where}every pixel is {_number(found.value)}: nothing was measured "
            "there, and it stays as it is"
        )
        return
    if found.empty:
        listed = _listed(sorted(found.empty))
        long = found.long_runs
        fate = (
            f"they stay as they are where more than {LONGEST_RUN} follow one another"
            if long
            else "they were not recorded, and are predicted from those around"
        )
        yield f"{where}{len(found.empty)} frame(s) are empty ({listed}): {fate}"
    if found.constant.any():
        yield (
            f"{where}{found.constant.mean():.1%} of the pixels never change (a border "
            f"or mask, {_number(found.value)}): they are left out, and stay as they are"
        )
    if found.filled:
        yield (
            f"{where}{len(found.filled)} frame(s) have a border of one value that "
            "moves (registration?): it is left out, and stays as it is"
        )
    if found.has_nan:
        yield f"{where}pixels that are NaN are left out, and stay NaN"
    if found.hot.any():
        spots = [f"{y}, {x}" for y, x in np.argwhere(found.hot)[:3].tolist()]
        more = ", …" if found.hot.sum() > 3 else ""
        yield (
            f"{where}{int(found.hot.sum())} hot or dead pixel(s) (row, column: "
            f"{'; '.join(spots)}{more}) stand out in every frame as no specimen can: "
            "they are predicted from their surroundings"
        )


def _number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:g}"


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:6]))
    return shown + (", …" if len(numbers) > 6 else "") + ", counted from 0"
