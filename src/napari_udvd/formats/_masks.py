"""Masks in files: which pixels of a movie were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.formats._axes import UNNAMED

if TYPE_CHECKING:
    from napari_udvd.formats._axes import Found
    from napari_udvd.formats._lazy import FileArray
    from napari_udvd.stack import Layout

__all__ = ["mask_in"]


def mask_in(found: Found, like: Layout) -> tuple[FileArray, str | None]:
    """Return the mask that was found in a file; no pixel is read.

    What the file calls its axes counts where they fit the movie. Many programs write
    pictures one after the other as depths, or as nothing, whatever they are.

    Returns
    -------
    data
        The stored array.
    axes
        One letter for each of its dimensions; None where its shape has to tell.
    """
    lengths = tuple(int(n) for n in found.data.shape)
    kept = tuple(
        k
        for k, (axis, n) in enumerate(zip(found.axes, lengths, strict=True))
        if n > 1 or axis == UNNAMED or axis in like.axes
    )
    data = found.array(kept)
    axes = "".join(found.axes[k] for k in kept)
    fits = len(set(axes)) == len(axes) and all(
        axis in like.axes and n in (1, like.size(axis))
        for axis, n in zip(axes, data.shape, strict=True)
    )
    return data, axes if fits else None
