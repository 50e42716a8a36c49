"""What a result was made of: written into it, and compared with what is asked now.

A result in a folder is known by its name only as far as the movie goes. Its record
says which movie it was, and what was asked for; another movie, or other settings, make
another result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import open_stack, read_record
from napari_udvd.jobs.journal import NOT_OF_THE_RESULT, settings_of
from napari_udvd.jobs.states import ASKED_ANEW
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_udvd.jobs.previewing import PreviewFile
    from napari_udvd.jobs.restoring import Restoration
    from napari_udvd.stack import Stack

__all__ = ["left_to_do", "made_of"]

ENTRY: Final = "made_of"
"""Of the record of a result."""

LEFT_OUT: Final = frozenset(
    {
        *(NOT_OF_THE_RESULT - {"minutes", "steps"}),
        *("std", "save", "events_table"),
    }
)
"""What a result does not depend on, and what is written besides it."""


def made_of(job: Restoration, movie: Stack) -> dict[str, Any]:
    """Return the entries of a record by which a result is known again.

    Parameters
    ----------
    job
        Makes the result.
    movie
        What it is made of.
    """
    return {ENTRY: {"movie": movie.fingerprint(), "settings": _asked(job)}}


def left_to_do(
    job: Restoration | PreviewFile, file: Path, result: Path
) -> tuple[Any, str]:
    """Tell what is left to do for one movie of a batch.

    Parameters
    ----------
    job
        What is done with each.
    file, result
        The movie, and the file of its result.

    Returns
    -------
    job : Restoration or PreviewFile or None
        What is to be run; None where the result is there.
    reason : str
        Why a result that is there is made anew; empty where none is.

    Raises
    ------
    InputError
        If the movie cannot be read.
    OutputError
        If it is to be known what the result that is there was made of, and it does not
        say.
    """
    left = job.resumed(result)
    if left is not None or not getattr(job, "renews", False):
        return left, ""
    reason = _difference(job, file, result)
    if not reason:
        return None, ""
    goes_on = _is_begun(job, result)
    return replace(job, overwrite=True, resume=goes_on), reason  # type: ignore[call-arg]


def _asked(job: Any) -> dict[str, str]:
    """Say what is asked for, alike whoever asks: what is usual is left out."""
    if hasattr(job, "values"):
        settings = make_settings(**job.values)
        job = replace(job, values=settings.model_dump(exclude_defaults=True))
    return settings_of(job, LEFT_OUT)


def _difference(job: Any, file: Path, result: Path) -> str:
    """Say in what a result is not what is asked for; nothing where it is."""
    try:
        known = (read_record(result) or {}).get(ENTRY)
    except InputError:
        known = None  # no movie at all
    if known is None:
        raise OutputError(
            f"{str(result)!r} exists and does not say what it was made of: replace "
            "results with `overwrite`, or name another folder"
        )
    stack = open_stack(
        file, job.axes, dark=job.dark, mask=job.mask, unmeasured=job.unmeasured
    )
    is_newer = file.is_file() and file.stat().st_mtime > result.stat().st_mtime
    if is_newer or known["movie"] != stack.fingerprint():
        return "the movie was changed since, or was another one"
    before: Mapping[str, str] = known["settings"]
    now = _asked(job)
    for name in sorted({*before, *now}):
        was, is_now = before.get(name), now.get(name)
        if was == is_now:
            continue
        if name == "job":
            return "it was made in another way: trained on the movie, or by a model"
        if name.startswith("denoiser"):
            return "it was made by another model"
        what = name.rpartition(".")[2].replace("_", " ")
        return f"it was made with {what} {_shown(was)}, not {_shown(is_now)}"
    return ""


def _is_begun(job: Any, result: Path) -> bool:
    """Tell whether just this was begun before, and interrupted."""
    from napari_udvd.training.checkpoint import read_header

    state = job.state_of(result)
    if state is None or not state.exists():
        return False
    settings = make_settings(**job.values).model_dump(mode="json")
    began = read_header(state).get("settings", {})
    return all(
        began.get(name) == value
        for name, value in settings.items()
        if name not in ASKED_ANEW
    )


def _shown(value: str | None) -> str:
    return "as usual" if value is None else value
