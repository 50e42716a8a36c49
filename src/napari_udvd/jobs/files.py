"""What jobs need of files and movies: models, folders, holes to fill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.loading import load, load_published
from napari_udvd.jobs.events import Written

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.stack import Stack

__all__ = [
    "axes_of_result",
    "check_holes",
    "check_new_model",
    "import_published",
    "load_model",
    "make_folder",
    "save_model",
]


def load_model(path: Path, cancel: threading.Event | None = None) -> Iterator[Denoiser]:
    """Read a model file, a package of bioimage.io, or a published checkpoint.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    is_own = path.suffix.lower() in (".safetensors", ".zip")
    yield load(path) if is_own else load_published(path)


def save_model(
    denoiser: Denoiser, path: Path, cancel: threading.Event | None = None
) -> Iterator[Written]:
    """Write a model file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    denoiser.save(path)
    yield Written(path)


def import_published(
    checkpoint: Path,
    output: Path,
    hole: tuple[int, int] | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[Event]:
    """Turn a published checkpoint into a model file.

    Parameters
    ----------
    checkpoint, hole
        As for :func:`~napari_udvd.inference.loading.load_published`.
    output
        Model file to write.
    overwrite
        Whether an earlier model may be replaced.

    Raises
    ------
    InputError, OutputError
        If the checkpoint cannot be read, or the model not written.
    """
    check_new_model(output, overwrite, [checkpoint])
    yield from save_model(load_published(checkpoint, hole), output)


def check_new_model(path: Path, overwrite: bool, used: Sequence[Any]) -> None:
    """Check that a model file can be written, before time is spent on it.

    Parameters
    ----------
    path
        The file.
    overwrite
        Whether it may be there.
    used
        Other files of the job, which it must not replace; those that are None are
        left out.

    Raises
    ------
    OutputError
        If it cannot.
    """
    for other in used:
        if other is not None and path.resolve() == Path(other).resolve():
            raise OutputError(
                f"`save` {str(path)!r} is the movie, checkpoint or result of this "
                "command; choose another name for the model"
            )
    if path.is_dir() or not path.parent.is_dir():
        raise OutputError(
            f"cannot write the model {str(path)!r}: it is a folder, or its folder does "
            "not exist"
        )
    if path.exists() and not overwrite:
        raise OutputError(f"{str(path)!r} exists; `overwrite` replaces it")


def check_holes(stack: Stack) -> None:
    """Check that a movie has something to be filled.

    Raises
    ------
    InputError
        If all of its pixels were measured, as far as mask and NaN tell.
    """
    if all(stack.share_measured(plane) == 1 for plane in stack.planes()):
        raise InputError(
            "all pixels of the movie were measured: there is nothing to reconstruct. "
            "Say what was not with `mask` or `unmeasured`, or denoise the movie"
        )


def check_task(denoiser: Denoiser, task: str) -> None:
    """Check that a model is of the task that is asked of it.

    Raises
    ------
    InputError
        If it was trained for another one.
    """
    if denoiser.task != task:
        raise InputError(
            f"the model was trained for the task {denoiser.task!r} and cannot {task}: "
            f"choose that task, or a model that was trained to {task}"
        )


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {str(folder)!r} ({error.strerror}); name another"
        ) from error


def axes_of_result(path: Path, axes: str | None) -> str | None:
    """Axes by which to open a result: its own, None, or else those of its movie."""
    names_none = any("not named" in note for note in open_stack(path).notes)
    return axes if names_none else None
