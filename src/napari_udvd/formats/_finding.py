"""From the name of a file to the array in it, here and once more in other processes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from napari_udvd.errors import InputError
from napari_udvd.formats._contents import chosen
from napari_udvd.formats._lazy import Recipe
from napari_udvd.formats._open import OTHERS, open_contents, suffix_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.formats._axes import Found

__all__ = ["READABLE", "TIFF", "check_there", "find", "find_again", "is_tiff", "series"]

TIFF: Final = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
"""Suffixes of TIFF files."""

READABLE: Final = (*TIFF, *OTHERS)
"""Suffixes of files that can be opened."""


def find(path: str, choice: str | None, *, trust_axes: bool) -> Found:
    """Find the chosen image of a file.

    Raises
    ------
    InputError
        If the file is not there or cannot be read, or has no such image.
    """
    check_there(path)
    if is_tiff(path):
        from napari_udvd.formats._tiff import find_tiff

        found = find_tiff(path, choice, trust_axes=trust_axes)
    else:
        found = chosen(open_contents(path, readable=READABLE), choice, path)
    recipe = Recipe((os.path.abspath(path),), choice, trust_axes)
    return replace(found, recipe=recipe)


def series(names: Sequence[str]) -> Found:
    """Find the movie that files of one picture each make up.

    Raises
    ------
    InputError
        If one is not there, or they are no movie.
    """
    from napari_udvd.formats._folder import find_series

    for name in names:
        check_there(name)
    folder = os.path.dirname(os.path.abspath(names[0]))
    found = find_series(names, folder, as_listed=True)
    whole = tuple(os.path.abspath(name) for name in names)
    return replace(found, recipe=Recipe(whole, is_series=True))


def find_again(recipe: Recipe) -> Found:
    """Find what a recipe tells of.

    Raises
    ------
    InputError
        As where it was first found.
    """
    if recipe.is_series:
        return series(recipe.names)
    return find(recipe.names[0], recipe.choice, trust_axes=recipe.trust_axes)


def is_tiff(path: str) -> bool:
    """Whether a path is that of a TIFF file, by its suffix."""
    return suffix_of(path) in TIFF and not os.path.isdir(path)


def check_there(path: str) -> None:
    """Check that a file or folder can be opened.

    Raises
    ------
    InputError
        If it is not there, or not for us.
    """
    if not os.path.exists(path):
        raise InputError(f"{path!r} does not exist: check the name and the folder")
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            with open(path, "rb"):
                pass
    except OSError as error:
        raise InputError(
            f"{path!r} cannot be opened: {error.strerror}. Check its permissions and "
            "that no other program holds it"
        ) from error
