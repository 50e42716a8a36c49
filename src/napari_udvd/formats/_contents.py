"""What a file holds: its images, and how one of them is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_udvd.formats._images import Image, choose, how_chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.formats._axes import Found

__all__ = ["Contents", "chosen", "one"]


@dataclass(frozen=True)
class Contents:
    """The images in a file.

    Attributes
    ----------
    images
        All of them, in the order of the file.
    find
        Finds the image at a position in `images`.
    """

    images: Sequence[Image]
    find: Callable[[int], Found]


def one(found: Found) -> Contents:
    """Return the contents of a file that holds one image."""
    shape = tuple(int(n) for n in found.data.shape)
    return Contents((Image("", found.axes, shape),), lambda _: found)


def chosen(contents: Contents, choice: str | None, path: str) -> Found:
    """Find the image that the user means, or the only movie; a note says which.

    Raises
    ------
    InputError
        If it is not clear which one is meant.
    """
    number = choose(contents.images, choice, path)
    found = contents.find(number)
    note = how_chosen(contents.images, number, choice, path)
    return replace(found, notes=(*note, *found.notes)) if note else found
