"""What is seen to before a batch begins: its movies, and where its results go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd._version import __version__
from napari_udvd.cutting import stretches
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import check_output, create, open_stack, split_choice
from napari_udvd.inference.stream import Progress

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_udvd.stack import Stack

__all__ = ["HeldMovie", "check_movies", "place_of"]

MOST_NAMED = 3
"""Movies that one sentence names."""


@dataclass(frozen=True, eq=False)
class HeldMovie:
    """A movie that somebody holds, in memory or lazily, and the file it may be from.

    Attributes
    ----------
    stack
        The movie.
    name
        What it is called.
    source
        File that it was read from; None where there is none.
    """

    stack: Stack
    name: str
    source: Path | None = None

    def is_its_source(self) -> bool:
        """Tell whether the file still holds just this movie, with its calibration.

        Pixels in memory may have been changed since, and are compared one by one; of
        those that are read when they are needed, the frame in the middle is.
        """
        if self.source is None:
            return False
        own = self.stack
        try:
            there = open_stack(self.source)
        except InputError:
            return False  # such as a file that the viewer alone can read
        known = (own.scale, own.units, own.fingerprint())
        if known != (there.scale, there.units, there.fingerprint()):
            return False
        if not isinstance(own.data, np.ndarray):
            return True
        return all(
            np.array_equal(own.read(t, plane), there.read(t, plane), equal_nan=True)
            for plane in own.planes()
            for t in range(own.n_frames)
        )

    def write(
        self, path: Path, *, overwrite: bool, cancel: threading.Event | None = None
    ) -> Iterator[Progress]:
        """Write it as it is, with its calibration; a file with the same is left alone.

        Parameters
        ----------
        path
            OME-TIFF or OME-Zarr; its folder is made.
        overwrite
            Whether another movie may be replaced there.
        cancel
            Set it to stop; nothing is left.

        Raises
        ------
        OutputError
            If another movie is there, or it cannot be written.
        """
        stack = self.stack
        if path.exists() and HeldMovie(stack, self.name, path).is_its_source():
            return
        if path.exists() and not overwrite:
            raise OutputError(
                f"{self.name!r} is to be written to {str(path)!r}, where another movie "
                "is: rename the layer, name another folder for the results, or replace "
                "what is there"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        check_output(path, like=stack, overwrite=overwrite)
        record: dict[str, Any] = {
            "program": "napari-udvd",
            "version": __version__,
            "source": stack.source,
            "saved layer": self.name,
        }
        done, total = 0, stack.n_frames * stack.n_channels * stack.n_planes
        with create(
            path, like=stack, dtype=stack.dtype, record=record, overwrite=overwrite
        ) as sink:
            for plane in stack.planes():
                for start, stop in stretches(stack):
                    sink.write(stack.read(slice(start, stop), plane), start, plane)
                    done += stop - start
                    yield Progress(done, total)
                    if cancel is not None and cancel.is_set():
                        sink.discard()
                        return


def place_of(movie: HeldMovie, output: Path) -> Path:
    """Name the file that a movie without one of its own is written to.

    Parameters
    ----------
    movie
        The movie.
    output
        Folder of the results.

    Returns
    -------
    pathlib.Path
        In the folder ``movies`` inside it.
    """
    name = "".join("-" if sign in '/\\:*?"<>|#' else sign for sign in movie.name)
    return output / "movies" / f"{name.strip(' .') or 'movie'}.ome.tif"


def check_movies(
    files: Iterable[Path], output: Path, cancel: threading.Event | None = None
) -> None:
    """See that movies can be opened, and that results stay apart from them.

    Parameters
    ----------
    files
        Movies; of each no more is read than it takes to open it.
    output
        Folder of the results.
    cancel
        Set it to look no further.

    Raises
    ------
    InputError
        If one cannot be read as a movie, with the reason; or the folder is that of one,
        or lies in it.
    """
    refused: list[str] = []
    place = output.resolve()
    for file in files:
        if cancel is not None and cancel.is_set():
            return
        movie = type(file)(split_choice(str(file))[0]).resolve()
        if place in (movie, movie.parent) or movie in place.parents:
            raise InputError(
                f"the folder for the results, {str(output)!r}, is that of the movie "
                f"{file.name!r}: choose another one, where results and movies are not "
                "mixed up"
            )
        try:
            open_stack(file)
        except InputError as error:
            refused.append(str(error))
    if refused:
        raise InputError(_list_refused(refused))


def _list_refused(reasons: Sequence[str]) -> str:
    count, one = len(reasons), len(reasons) == 1
    more = count - MOST_NAMED
    return (
        f"{count} movie{'' if one else 's'} cannot be read, and nothing was begun: "
        f"{'; '.join(reasons[:MOST_NAMED])}"
        + (f"; and {more} more" if more > 0 else "")
        + f". Remove {'it' if one else 'them'} from the list"
    )
