"""What a job tells while it goes on.

A training tells :mod:`napari_udvd.training.events` between a :class:`Begun` and its
``Finished``, restoring tells ``Progress``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_udvd.inference.stream import Progress
from napari_udvd.training import TrainingEvent

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.filters import AdaptiveFilter
    from napari_udvd.jobs.found_events import FoundEvents
    from napari_udvd.quality import Report
    from napari_udvd.stack import Stack

__all__ = [
    "BatchEvent",
    "Begun",
    "Event",
    "FileFailed",
    "Identified",
    "Inspected",
    "Judged",
    "MadeAnew",
    "MovieDone",
    "MovieSkipped",
    "MovieStarted",
    "MovieStopped",
    "MovieTold",
    "Note",
    "Opened",
    "Stopped",
    "Warned",
    "Written",
]


@dataclass(frozen=True)
class Opened:
    """A movie was opened; nothing of it is read yet.

    Attributes
    ----------
    name
        The movie, for people.
    stack
        It, with notes on how the file was understood.
    is_one_of_several
        What follows is about all of them.
    """

    name: str
    stack: Stack
    is_one_of_several: bool = False


@dataclass(frozen=True)
class Note:
    """What is good to know, one sentence."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Why a result cannot be trusted, one sentence."""

    text: str


@dataclass(frozen=True)
class Begun:
    """A part of the job that takes time.

    Attributes
    ----------
    what
        Which one.
    unit
        What its ``Progress`` counts: frames of one movie, or pictures of several
        planes, steps of a report, percent of a network's training; empty where nothing
        is counted.
    """

    what: Literal[
        "training",
        "denoising",
        "sharpening",
        "steadying",
        "motion",
        "judging",
        "scanning",
        "averaging",
        "watching",
        "learning",
    ]
    unit: str = ""


@dataclass(frozen=True)
class Inspected:
    """The filter of a pixel, before it is written.

    Attributes
    ----------
    found
        The filter.
    looks_at
        Frames that the network looks at, those beyond the ends of the movie too.
    """

    found: AdaptiveFilter
    looks_at: int


@dataclass(frozen=True)
class Judged:
    """What a result is worth, before it is written."""

    report: Report


@dataclass(frozen=True)
class Identified:
    """What happens when, before it is written."""

    found: FoundEvents


@dataclass(frozen=True)
class Written:
    """A result is complete."""

    path: Path


@dataclass(frozen=True)
class Stopped:
    """The job was cancelled; no result was left.

    Attributes
    ----------
    state
        File of the training that goes on from there; None where nothing was trained.
    """

    state: Path | None = None


@dataclass(frozen=True)
class FileFailed:
    """One file of several could not be processed; the others are.

    Attributes
    ----------
    file
        The movie.
    error
        Why.
    """

    file: Path
    error: Exception


@dataclass(frozen=True)
class MovieStarted:
    """Work on one movie of a batch begins.

    Attributes
    ----------
    file
        The movie.
    where
        Address of the worker; empty where this process works itself.
    is_repeated
        Whether it was begun before, by a worker that was lost.
    """

    file: Path
    where: str = ""
    is_repeated: bool = False


@dataclass(frozen=True)
class MadeAnew:
    """A result that is there is not what is asked for, and is replaced.

    Attributes
    ----------
    reason
        In what it differs.
    """

    reason: str


@dataclass(frozen=True)
class MovieTold:
    """What is told of one movie of several that are worked on at the same time."""

    file: Path
    event: Event


@dataclass(frozen=True)
class MovieDone:
    """The result of one movie of a batch is complete.

    Attributes
    ----------
    file
        The movie.
    result
        Its file.
    seconds
        That it took.
    """

    file: Path
    result: Path
    seconds: float


@dataclass(frozen=True)
class MovieSkipped:
    """The result of one movie of a batch was there already."""

    file: Path
    result: Path


@dataclass(frozen=True)
class MovieStopped:
    """Work on one movie of a batch was cancelled, or never begun.

    Attributes
    ----------
    file
        The movie.
    state
        What can be gone on with; None where nothing is.
    """

    file: Path
    state: Path | None = None


BatchEvent = (
    MovieStarted | MovieTold | MovieDone | MovieSkipped | MovieStopped | FileFailed
)
"""What a batch tells: every event names its movie, since several may be in work."""


Event = (
    Opened
    | Note
    | Warned
    | Begun
    | MadeAnew
    | Inspected
    | Judged
    | Identified
    | Written
    | Stopped
    | BatchEvent
    | TrainingEvent
    | Progress
)
