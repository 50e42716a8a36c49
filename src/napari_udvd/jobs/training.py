"""Train on movies: in one call, as events, and from files to a model file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs.events import Begun, Opened, Stopped, Written
from napari_udvd.jobs.files import check_holes, check_new_model
from napari_udvd.jobs.previewing import preview_movie
from napari_udvd.jobs.states import Beside, State, continued, read_state
from napari_udvd.jobs.there import call_there
from napari_udvd.models.catalogue import specs
from napari_udvd.models.improvers import check_student
from napari_udvd.stack import ArrayLike, Stack
from napari_udvd.tasks import DENOISE, RECONSTRUCT
from napari_udvd.training import (
    Checkpoint,
    Failed,
    Finished,
    Started,
    train_events,
)
from napari_udvd.training.checkpoint import read_header
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.jobs.events import Event
    from napari_udvd.jobs.states import States
    from napari_udvd.training import TrainingEvent

__all__ = [
    "TrainModel",
    "denoise",
    "learned",
    "reconstruct",
    "train",
    "train_movies",
    "trained",
    "untrained",
]

NO_TIME = 1e-3
"""Minutes in which nothing is learned."""


def train(
    movie: Stack | ArrayLike | Sequence[Stack | ArrayLike],
    axes: str | None = None,
    *,
    task: str = DENOISE.name,
    client: Any = None,
    **settings: Any,
) -> Denoiser:
    """Train a network on one or more noisy movies.

    Parameters
    ----------
    movie
        A stack or an array, or a list of several with the same channels.
    axes
        Names of the axes of arrays, see :meth:`Stack.from_array`.
    task
        What it learns: ``"denoise"``, or ``"reconstruct"`` where pixels are missing.
    client
        Of dask.distributed, one of whose workers trains.
    **settings
        Fields of :class:`napari_udvd.training.TrainingSettings`, such as ``model``,
        ``minutes``, ``device``, ``seed``, ``width``, ``hole``.

    Returns
    -------
    Denoiser
        With the weights that were best on frames held out in time.

    Raises
    ------
    InputError
        If a movie or a setting cannot be used.
    MemoryError, RuntimeError
        If training fails.
    """
    movies = movie if isinstance(movie, list | tuple) else [movie]
    stacks = [_as_stack(each, axes) for each in movies]
    return call_there(client, learned, stacks, settings, task=task)


def denoise(
    movie: Stack | ArrayLike,
    axes: str | None = None,
    *,
    events: bool | None = None,
    refine: bool | None = None,
    network: str | None = None,
    client: Any = None,
    **settings: Any,
) -> Any:
    """Train on a movie and denoise it.

    Parameters
    ----------
    movie
        A stack or an array.
    axes
        Names of the array's axes, see :meth:`Stack.from_array`.
    events
        Look for events that last a single frame, and put them back; if there is time
        for it if None.
    refine
        Refine the result, as far as that helps. None as above.
    network
        Name of one that goes on from the denoised movie, so that it flickers less, in
        half of the time (or in as many steps); used where independent copies of the
        movie are for it. See :func:`~napari_udvd.models.improver_names`.
    client
        Of dask.distributed: one of its workers trains, and all share the frames out.
    **settings
        As for :func:`train`.

    Returns
    -------
    ndarray
        Shape, axes and grey levels of the movie, and its dtype, or float32 where
        rounding to whole grey levels would cost more than the noise that is left. An
        array of CuPy on the same card where the movie is one.

    Raises
    ------
    InputError
        If the movie or a setting cannot be used.
    """
    stack = _as_stack(movie, axes)
    device = settings.get("device") or "auto"
    asked = Request(device=device, events=events, refine=refine)
    if network is None:
        denoiser = call_there(client, learned, [stack], settings, asked)
    else:
        denoiser = call_there(
            client, _learned_steadily, stack, settings, asked, network
        )
    return denoiser.denoise(
        stack, device=device, events=events, refine=refine, client=client
    )


def _learned_steadily(
    stack: Stack, values: Mapping[str, Any], asked: Request, network: str
) -> Denoiser:
    """Train, and teach the network that goes on from there."""
    # what others need not wait for
    from napari_udvd.jobs.efforts import shared
    from napari_udvd.jobs.students import fit_students

    check_student(network)
    values, effort = shared(values, network, stack)
    denoiser = learned([stack], values, asked)
    *_, steady = fit_students(network, denoiser, stack, asked, effort=effort)
    assert isinstance(steady, Denoiser)
    return steady


def reconstruct(
    movie: Stack | ArrayLike,
    axes: str | None = None,
    *,
    mask: Any = None,
    unmeasured: float | None = None,
    preview: bool = False,
    client: Any = None,
    **settings: Any,
) -> Any:
    """Train on the measured pixels of a movie and fill the others.

    Parameters
    ----------
    movie
        A stack or an array, NaN where nothing was measured unless a mask says so.
    axes
        Names of the array's axes, see :meth:`Stack.from_array`.
    mask, unmeasured
        What was measured, as for :meth:`Stack.with_mask`.
    preview
        Train nothing: average what was measured around each pixel, which takes a
        second.
    client
        As for :func:`denoise`.
    **settings
        As for :func:`train`.

    Returns
    -------
    ndarray
        Shape, axes and grey levels of the movie, without holes.

    Raises
    ------
    InputError
        If the movie, its mask or a setting cannot be used, or all was measured.
    """
    stack = _as_stack(movie, axes)
    if mask is not None or unmeasured is not None:
        stack = stack.with_mask(mask, unmeasured=unmeasured)
    if preview:
        make_settings(**settings)  # a word that is none is none here, too
        return preview_movie(stack)
    check_holes(stack)
    device = settings.get("device") or "auto"
    asked = Request(device=device)
    denoiser = call_there(
        client, learned, [stack], settings, asked, task=RECONSTRUCT.name
    )
    return denoiser.denoise(stack, device=device, client=client)


def learned(
    stacks: Sequence[Stack],
    values: Mapping[str, Any],
    follows: Request | None = None,
    task: str = DENOISE.name,
) -> Denoiser:
    """Train to the end; what the events warn of becomes a warning of Python's.

    Parameters
    ----------
    stacks, values, follows, task
        As for :func:`train_movies`.
    """
    for event in train_movies(stacks, values, follows=follows, task=task):
        if isinstance(event, Started | Finished):
            for warning in event.warnings:
                warnings.warn(warning, UserWarning, stacklevel=3)
        if isinstance(event, Finished):
            return event.denoiser
    raise AssertionError("training ended without an outcome")


def _as_stack(movie: Any, axes: str | None) -> Stack:
    return movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)


def train_movies(
    stacks: Sequence[Stack],
    values: Mapping[str, Any],
    states: States | None = None,
    *,
    resume: Path | None = None,
    longer: bool = False,
    live: LiveView | None = None,
    follows: Request | None = None,
    cancel: threading.Event | None = None,
    task: str = DENOISE.name,
) -> Iterator[TrainingEvent | State]:
    """Train, from the beginning or from a state, and keep the state.

    Parameters
    ----------
    stacks
        Movies with the same channels.
    values
        Settings by name; None is as nothing.
    states
        Where the state goes of a training that begins anew; it is not kept if None.
    resume
        File of the state to go on from.
    longer
        See :func:`~napari_udvd.jobs.states.continued`.
    live, follows, cancel, task
        As for :func:`~napari_udvd.training.train_events`.

    Yields
    ------
    TrainingEvent or State
        As :func:`~napari_udvd.training.train_events`, but what a training failed with
        is raised; after each ``Checkpoint`` the state that was saved.

    Raises
    ------
    InputError
        If a movie, a setting or the state cannot be used.
    OutputError
        If there is no place for the state.
    MemoryError, RuntimeError
        If training fails.
    """
    path = resume
    if resume is None and states is not None:
        path = states.new_file(stacks)
    if resume is not None and resume.exists():  # else the training says what is wrong
        values = continued(read_header(resume), values, longer=longer)
    for event in train_events(
        stacks,
        make_settings(**values),
        checkpoint=path,
        resume=resume is not None,
        cancel=cancel,
        live=live,
        follows=follows,
        task=task,
    ):
        if isinstance(event, Failed):
            raise event.error
        yield event
        if isinstance(event, Checkpoint) and (state := read_state(event.path)):
            yield state


def untrained(
    stack: Stack,
    device: str,
    cancel: threading.Event | None = None,
    task: str = DENOISE.name,
) -> Iterator[Finished]:
    """Take the shipped weights as they are, and judge them on a movie.

    Raises
    ------
    InputError
        If there are none for this movie.
    """
    shipped = next(spec for spec in specs(task).values() if spec.weights)
    values = {"model": shipped.name, "minutes": NO_TIME, "device": device}
    for event in train_movies([stack], values, cancel=cancel, task=task):
        if isinstance(event, Finished):
            if event.best_step > 0:
                raise InputError(
                    "there are no weights that suit this movie without training; "
                    "press Train"
                )
            yield event


@dataclass(frozen=True, kw_only=True)
class TrainModel:
    """Train one model on one or more files and save it.

    Attributes
    ----------
    values
        Settings by name; None is as nothing.
    axes, dark, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    overwrite
        Whether an earlier model, or an interrupted training of one, may be replaced.
    resume
        Go on with the interrupted training.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    axes: str | None = None
    dark: Path | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        make_settings(**self.values)

    def run(
        self,
        files: Sequence[Path],
        save: Path,
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Train and save.

        Raises
        ------
        InputError, OutputError
            Before time is spent, where that can be known.
        MemoryError, RuntimeError
            If training fails.
        """
        check_new_model(save, self.overwrite, [*files, self.dark, self.mask])
        stacks = [
            open_stack(
                file,
                self.axes,
                dark=self.dark,
                mask=self.mask,
                unmeasured=self.unmeasured,
            )
            for file in files
        ]
        for stack in stacks:
            yield Opened(stack.source or "", stack, is_one_of_several=True)
        states = Beside(save, self.overwrite)
        outcome = yield from trained(
            stacks, self.values, states, resume=self.resume, cancel=cancel
        )
        if outcome is None:
            return
        outcome.denoiser.save(save)
        states.complete()
        yield Written(save)


def trained(
    stacks: Sequence[Stack],
    values: Mapping[str, Any],
    states: Beside,
    *,
    resume: bool,
    follows: Request | None = None,
    cancel: threading.Event | None = None,
    task: str = DENOISE.name,
) -> Generator[Event, None, Finished | None]:
    """Train as a part of a job.

    Returns
    -------
    Finished or None
        None where it was cancelled; that was told.
    """
    yield Begun("training")
    outcome = None
    for event in train_movies(
        stacks,
        values,
        states,
        resume=states.path if resume else None,
        follows=follows,
        cancel=cancel,
        task=task,
    ):
        if isinstance(event, Finished):
            outcome = event
        if not isinstance(event, State):
            yield event
    if outcome is None or outcome.reason == "cancelled":
        yield Stopped(states.path)
        return None
    return outcome
