"""Several images in one file: how they are listed, and how one of them is chosen.

``movie.lif#2`` means the second image of ``movie.lif``, and ``movie.lif#Series 3`` the
one of that name. Without a choice a file has to hold one image, or one movie.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Image",
    "Listing",
    "choose",
    "default_image",
    "how_chosen",
    "movie_name",
    "split_choice",
]

_LISTED: Final = 10

_SUFFIXES: Final = (".ome.tif", ".ome.tiff", ".ome.zarr", ".ome.zarr.zip", ".zarr.zip")
"""Endings of more than one part, which the name of a movie does not have."""


class Image(NamedTuple):
    """One of the images in a file, as a list shows it.

    Attributes
    ----------
    name
        What the file calls it; empty where it has no name.
    axes
        One letter per axis; ``?`` where the file does not name it.
    shape
        Length of each axis.
    """

    name: str
    axes: str
    shape: tuple[int, ...]

    @property
    def is_movie(self) -> bool:
        """Whether it has more than one frame, or may have."""
        pairs = zip(self.axes, self.shape, strict=True)
        return any(axis in "T?" and length > 1 for axis, length in pairs)

    def __str__(self) -> str:
        """Name, axes and shape: ``'Series 2' TYX (10, 64, 64)``."""
        named = f"{self.name!r} " if self.name else ""
        return f"{named}{self.axes} {self.shape}"


class Listing(NamedTuple):
    """The images in a file.

    Attributes
    ----------
    images
        All of them, in the order of their numbers.
    default
        Position of the one that is read without a choice; None where one has to be
        chosen.
    """

    images: tuple[Image, ...]
    default: int | None


def default_image(
    images: Sequence[Image], among: Sequence[int] | None = None
) -> int | None:
    """Return the position of the image that is meant without a choice.

    Parameters
    ----------
    images, among
        As for :func:`choose`.

    Returns
    -------
    int or None
        That of the only image, or of the only movie; None where there is no such.
    """
    meant = range(len(images)) if among is None else among
    if len(meant) == 1:
        return meant[0]
    movies = [i for i in meant if images[i].is_movie]
    return movies[0] if len(movies) == 1 else None


def split_choice(path: str) -> tuple[str, str | None]:
    """Take ``movie.lif#2`` apart.

    Returns
    -------
    tuple
        The file or folder, and which image of it: a number, counted from 1, or a
        name. None for the latter where `path` as a whole exists, or nothing before a
        ``#`` in it does: then all of it is meant as a name.
    """
    if not os.path.exists(path):
        end = path.rfind("#")
        while end > 0:
            if os.path.exists(path[:end]):
                return path[:end], path[end + 1 :]
            end = path.rfind("#", 0, end)
    return path, None


def choose(
    images: Sequence[Image],
    choice: str | None,
    path: str,
    *,
    among: Sequence[int] | None = None,
) -> int:
    """Return the position in `images` of the one to read.

    Parameters
    ----------
    images
        All images of the file.
    choice
        A name, or a number counted from 1; the name wins where one image is called
        like the number of another. None takes the only image, or the only one that is
        a movie; :func:`how_chosen` says so.
    path
        The file, for messages.
    among
        Positions of those that may be meant without a choice, such as the images in
        the file that was named; all by default.

    Raises
    ------
    InputError
        If it is not clear which one is meant, or there is none such; it lists them.
    """
    if choice is not None:
        return _the_chosen(images, choice, path)
    default = default_image(images, among)
    if default is not None:
        return default
    meant = range(len(images)) if among is None else among
    movies = [i for i in meant if images[i].is_movie]
    example = movies[0] if movies else (meant[0] if meant else 0)
    raise InputError(
        f"{path!r} holds {len(images)} images: {_listed(images)}. Name the one you "
        f"mean behind a #, for example {_spelled(path, example)!r}"
    )


def how_chosen(
    images: Sequence[Image], number: int, choice: str | None, path: str
) -> tuple[str, ...]:
    """Return the note that says which image is read where the user did not."""
    if choice is not None or len(images) == 1:
        return ()
    other = 0 if number else 1
    return (
        f"{path!r} holds {len(images)} images; the only movie of them, {number + 1}: "
        f"{images[number]}, is read (another one is named like "
        f"{_spelled(path, other)!r})",
    )


def movie_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a movie without folder and suffix, fit for a file name.

    ``folder/movie.ome.tif`` gives ``movie``, ``movie.lif#Series 3`` gives
    ``movie-Series_3``.
    """
    file, choice = split_choice(os.fspath(path))
    name = os.path.basename(file.rstrip("/\\"))
    longer = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    stem = name[: -len(longer)] if longer else os.path.splitext(name)[0]
    if choice is not None:
        stem += "-" + (re.sub(r"[^\w.+-]+", "_", choice).strip("_.") or "image")
    return stem or name


def _the_chosen(images: Sequence[Image], choice: str, path: str) -> int:
    named = [i for i, image in enumerate(images) if image.name == choice]
    if len(named) == 1:
        return named[0]
    if not named and choice.isdecimal() and 1 <= int(choice) <= len(images):
        return int(choice) - 1
    numbers = ", ".join(str(i + 1) for i in named)
    reason = (
        f"{len(named)} images of {path!r} are called {choice!r} ({numbers}): name the "
        "one you mean by its number. "
        if named
        else f"{path!r} has no image {choice!r}. "
    )
    count = "one image" if len(images) == 1 else f"{len(images)} images"
    raise InputError(
        f"{reason}It holds {count}: {_listed(images)}. Name one of them by its number "
        f"or its name, for example {_spelled(path, named[0] if named else 0)!r}"
    )


def _spelled(path: str, number: int) -> str:
    return f"{path}#{number + 1}"


def _listed(images: Sequence[Image]) -> str:
    listed = "; ".join(f"{i}: {image}" for i, image in enumerate(images[:_LISTED], 1))
    more = len(images) - _LISTED
    if more <= 0:
        return listed
    return f"{listed}; and {more} more (napari-udvd images lists all)"
