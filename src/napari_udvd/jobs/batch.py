"""Many movies, one after the other; one bad file does not stop the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import movie_name
from napari_udvd.jobs.events import FileFailed, Stopped
from napari_udvd.jobs.files import make_folder

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_udvd.jobs.events import Event
    from napari_udvd.jobs.previewing import PreviewFile
    from napari_udvd.jobs.restoring import Restoration

__all__ = ["restore_files"]

SUFFIXES: Final = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", ".zarr")


def restore_files(
    files: Sequence[Path],
    output: Path,
    job: Restoration | PreviewFile,
    cancel: threading.Event | None = None,
) -> Iterator[Event]:
    """Restore one file, or every one of several.

    Parameters
    ----------
    files
        Movies.
    output
        The result; a folder for several movies.
    job
        What to do with each.
    cancel
        Set it to stop; what is complete stays.

    Yields
    ------
    Event
        As :meth:`~napari_udvd.jobs.restoring.Restoration.run`, and ``FileFailed`` for
        one of several that could not be processed.

    Raises
    ------
    InputError, OutputError, MemoryError, RuntimeError
        If the only file cannot be processed.
    """
    if len(files) == 1:
        yield from job.run(files[0], _single_output(files[0], output), cancel)
        return
    results = _results(files, output, job)
    is_new = not output.exists()
    make_folder(output)
    for file, result in zip(files, results, strict=True):
        try:
            left = job.resumed(result)
            for event in left.run(file, result, cancel) if left else ():
                yield event
                if isinstance(event, Stopped):
                    return
        except (InputError, OutputError, MemoryError, RuntimeError) as error:
            yield FileFailed(file, error)
    if is_new and not any(output.iterdir()):
        output.rmdir()


def _results(
    files: Sequence[Path], output: Path, job: Restoration | PreviewFile
) -> list[Path]:
    """Name the result of each of several movies."""
    if output.name.endswith(SUFFIXES):
        raise InputError(
            f"output {str(output)!r} is one file for {len(files)} movies; name a "
            "folder, which gets one result per movie"
        )
    for option in ("std", "save", "events_table"):
        if getattr(job, option, None) is not None:
            raise InputError(f"`{option}` is for a single movie, not {len(files)}")
    results = [output / _result_name(file) for file in files]
    for file, result in zip(files, results, strict=True):
        if results.count(result) > 1:
            raise InputError(
                f"several movies would be written to {str(result)!r}, one of them "
                f"{str(file)!r}; denoise them into different folders"
            )
    return results


def _single_output(file: Path, output: Path) -> Path:
    """Name of the result: `output`, or inside it where it is a folder."""
    if output.is_dir() and not output.name.endswith(SUFFIXES):
        return output / _result_name(file)
    return output


def _result_name(file: Path) -> str:
    return f"{movie_name(file)}.denoised.ome.tif"
