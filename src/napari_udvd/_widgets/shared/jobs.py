"""What the dock asks of the core: iterators for workers, heavy imports inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_udvd._widgets.restore.states import read_state, states_of, tidy
from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_udvd._widgets.restore.states import State
    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Stack
    from napari_udvd.training import Finished, TrainingEvent

__all__ = [
    "Choices",
    "Diagnosed",
    "Interrupted",
    "diagnose_movie",
    "load_core",
    "load_model",
    "make_cache",
    "save_model",
    "train_movie",
    "untrained",
    "warnings_for",
]

NO_TIME = 1e-3
"""Minutes in which nothing is learned."""


@dataclass(frozen=True)
class Choices:
    """Networks by name with what users call them, and devices, best first."""

    titles: Mapping[str, str]
    devices: Sequence[str]


@dataclass(frozen=True)
class Diagnosed:
    """What the noise is, one diagnosis per channel."""

    diagnoses: Sequence[Diagnosis]


@dataclass(frozen=True)
class Interrupted:
    """Trainings of this movie that can go on, the newest first."""

    states: tuple[State, ...]


def load_core(cache: Path, cancel: threading.Event) -> Iterator[Choices]:
    """Import what is heavy, say what there is to choose from, tidy the cache."""
    from napari_udvd import jobs, training  # noqa: F401
    from napari_udvd.models.catalogue import specs
    from napari_udvd.runtime.device import available_devices

    titles = {name: spec.title for name, spec in specs().items()}
    yield Choices(titles, available_devices())
    tidy(cache)


def diagnose_movie(
    stack: Stack, cache: Path, device: str, cancel: threading.Event
) -> Iterator[Diagnosed | Interrupted | dict[str, float]]:
    """Measure the noise; look for a training to resume; estimate the time."""
    from napari_udvd.noise import check_pixels, check_time, diagnose
    from napari_udvd.planes import middle_planes
    from napari_udvd.training.estimate import denoising_seconds
    from napari_udvd.validity import inspect

    check_time(stack)
    check_pixels(stack)
    stack = inspect(stack)
    diagnoses = []
    for plane in middle_planes(stack):
        diagnoses.append(diagnose(stack, plane))
        if cancel.is_set():
            return
    yield Diagnosed(diagnoses)
    yield Interrupted(states_of(stack, cache))
    times = {}
    for name, seconds in denoising_seconds(stack, diagnoses, device, cancel):
        times[name] = seconds
        yield dict(times)
        if cancel.is_set():
            return


def train_movie(
    stack: Stack,
    values: Mapping[str, Any],
    checkpoint: Path,
    *,
    resume: bool,
    live: LiveView,
    cancel: threading.Event,
) -> Iterator[TrainingEvent | State]:
    """Train on a movie, or a part of it.

    Its state is saved in `checkpoint`, and told each time.
    """
    from napari_udvd.jobs import make_settings
    from napari_udvd.training import Checkpoint, train_events
    from napari_udvd.training.checkpoint import read_header

    make_cache(checkpoint.parent)
    if resume:
        values = _resumed(values, read_header(checkpoint))
    for event in train_events(
        [stack],
        make_settings(**values),
        checkpoint=checkpoint,
        resume=resume,
        cancel=cancel,
        live=live,
    ):
        yield event
        if isinstance(event, Checkpoint):
            state = read_state(checkpoint)
            if state is not None:
                yield state


def untrained(stack: Stack, device: str, cancel: threading.Event) -> Iterator[Finished]:
    """Take the shipped weights as they are, and judge them on the movie.

    Raises
    ------
    InputError
        If there are none for this movie.
    """
    from napari_udvd.jobs import make_settings
    from napari_udvd.training import Failed, Finished, train_events

    settings = make_settings(model="centerblind", minutes=NO_TIME, device=device)
    for event in train_events([stack], settings, cancel=cancel):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            if event.best_step > 0:
                raise InputError(
                    "there are no weights that suit this movie without training; "
                    "press Train"
                )
            yield event


def warnings_for(denoiser: Denoiser, stack: Stack) -> tuple[str, ...]:
    """Say why a network does not suit a movie that it has not learned from."""
    return denoiser.match(stack).warnings


def _resumed(values: Mapping[str, Any], header: Mapping[str, Any]) -> dict[str, Any]:
    """Take the settings of the run that goes on, but time and device as chosen now."""
    from napari_udvd.jobs import make_settings

    usual = make_settings().model_dump(mode="json")
    before = {
        name: value
        for name, value in header["settings"].items()
        if value != usual[name] and name not in ("minutes", "device", "steps")
    }
    minutes, had = values["minutes"], float(header["elapsed"]) / 60
    # one that is complete goes on for as long again
    is_complete = had > 0.95 * minutes or header.get("ended") in ("budget", "converged")
    longer = minutes + had if is_complete else minutes
    return {**before, "minutes": longer, "device": values["device"]}


def make_cache(folder: Path) -> None:
    """Make the folder for checkpoints or frames.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the cache folder {str(folder)!r} cannot be made ({error.strerror}); "
            "choose another under File > Preferences > UDVD"
        ) from error


def save_model(
    denoiser: Denoiser, path: Path, cancel: threading.Event
) -> Iterator[Path]:
    """Write a model file."""
    denoiser.save(path)
    yield path


def load_model(path: Path, cancel: threading.Event) -> Iterator[Denoiser]:
    """Read a model file, or a published checkpoint."""
    from napari_udvd.inference.restorer import load, load_published

    yield load(path) if path.suffix == ".safetensors" else load_published(path)
