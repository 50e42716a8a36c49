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

LEAST = 0.01
"""Share of the pixels that were measured, below which a result is not worth much."""


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
    if found.constant.any() and np.isnan(found.value):
        yield (
            f"{where}{int(found.constant.sum())} pixel(s) of a frame "
            f"({found.constant.mean():.1%}) were measured in none: they are left out, "
            "and denoising leaves them as they are"
        )
    elif found.constant.any():
        yield (
            f"{where}{found.constant.mean():.1%} of the pixels never change (a border "
            f"or mask, {_number(found.value)}): they are left out, and denoising "
            "leaves them as they are"
        )
    if found.filled:
        yield (
            f"{where}{len(found.filled)} frame(s) have a border of one value that "
            "moves (registration?): it is left out, and denoising leaves it as it is"
        )
    if stack.mask is not None:
        yield from _about_mask(stack.mask.words, found.share, where)
    elif found.has_nan:
        yield (
            f"{where}{1 - found.share:.2%} of the pixels are NaN: they are left out, "
            "and denoising leaves them NaN (reconstructing fills them)"
        )
    if 0 < found.share < LEAST:
        yield (
            f"{where}only {found.share:.2%} of the pixels were measured: there is "
            "little to learn from, and a result is hardly more than a guess; measure "
            f"{LEAST:.0%} at least"
        )
    if found.hot.any():
        spots = [f"{y}, {x}" for y, x in np.argwhere(found.hot)[:3].tolist()]
        more = ", …" if found.hot.sum() > 3 else ""
        yield (
            f"{where}{int(found.hot.sum())} hot or dead pixel(s) (row, column: "
            f"{'; '.join(spots)}{more}) stand out in every frame as no specimen can: "
            "they are predicted from their surroundings"
        )


def _about_mask(words: str, share: float, where: str) -> Iterator[str]:
    if share == 1:
        yield f"{where}every pixel was measured, {words}: the movie has no holes"
        return
    yield (
        f"{where}{share:.1%} of the pixels were measured, {words}: the others are left "
        "out, and denoising leaves them as they are (reconstructing fills them)"
    )


def _number(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:g}"


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:6]))
    return shown + (", …" if len(numbers) > 6 else "") + ", counted from 0"
