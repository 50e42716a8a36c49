"""Names of results: of one movie, and of several that share a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from napari_udvd.errors import InputError
from napari_udvd.formats import movie_name, output_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_udvd.jobs.previewing import PreviewFile
    from napari_udvd.jobs.restoring import Restoration

__all__ = ["RESULT", "ResultFormat", "results_of", "single_result", "suffix_of"]

SUFFIXES: Final = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".zarr")

RESULT: Final = ".ome.tif"
"""Suffix of results that are not named."""

ResultFormat = Literal["ome-tiff", "ome-zarr"]
"""Formats of results that are not named."""

FORMATS: Final[dict[ResultFormat, str]] = {
    "ome-tiff": RESULT,
    "ome-zarr": ".ome.zarr",
}
"""Their suffixes."""


def suffix_of(format: ResultFormat | None) -> str:
    """Return the ending of names of results in a format; the usual one if None."""
    return RESULT if format is None else FORMATS[format]


def results_of(
    files: Sequence[Path],
    output: Path,
    job: Restoration | PreviewFile,
    suffix: str,
) -> list[Path]:
    """Name the result of each of several movies.

    Parameters
    ----------
    files
        The movies.
    output
        Folder of the results.
    job
        What is done with each.
    suffix
        Ending of the names.

    Raises
    ------
    InputError
        If it is no folder, two results would have one name, or the job asks for
        something that is for one movie only.
    """
    if output.name.endswith(SUFFIXES):
        raise InputError(
            f"output {str(output)!r} is one file for {len(files)} movies; name a "
            "folder, which gets one result per movie"
        )
    for option in ("std", "save", "events_table"):
        if getattr(job, option, None) is not None:
            raise InputError(f"`{option}` is for a single movie, not {len(files)}")
    results = [output / _result_name(file, suffix) for file in files]
    for k, result in enumerate(results):
        first = results.index(result)
        if first < k:
            raise InputError(
                f"several movies would be written to {str(result)!r}: "
                f"{str(files[first])!r} and {str(files[k])!r}; rename one, or denoise "
                "them into different folders"
            )
    return results


def single_result(file: Path, output: Path, format: ResultFormat | None) -> Path:
    """Name the result of one movie.

    Parameters
    ----------
    file
        The movie.
    output
        The result, or the folder that it goes to.
    format
        In a folder; None where nobody chose.

    Raises
    ------
    InputError
        If a name was given, and another format than it has.
    """
    if output.is_dir() and not output.name.endswith(SUFFIXES):
        return output / _result_name(file, suffix_of(format))
    if format is not None and output_kind(output) != format.removeprefix("ome-"):
        raise InputError(
            f"`format` is {format!r}, but the result is named {str(output)!r}: leave "
            f"`format` out, or let the name end with {FORMATS[format]}"
        )
    return output


def _result_name(file: Path, suffix: str = RESULT) -> str:
    return f"{movie_name(file)}.denoised{suffix}"
