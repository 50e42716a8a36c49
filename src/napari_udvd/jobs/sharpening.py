"""Sharpen a movie: train on it, denoise it, and undo the blur of the optics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.efforts import shared
from napari_udvd.jobs.events import Begun, Note, Stopped, Warned
from napari_udvd.jobs.optics import optics_of
from napari_udvd.jobs.restoring import TrainAndRestore
from napari_udvd.jobs.there import call_there
from napari_udvd.jobs.training import learned
from napari_udvd.models import check_improver
from napari_udvd.sharpening import DEFAULT, Choice, Sharpener
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.sharpening import Effort, Optics
    from napari_udvd.stack import ArrayLike

__all__ = ["TrainAndSharpen", "fit_sharpener", "sharpen"]


def sharpen(
    movie: Stack | ArrayLike,
    axes: str | None = None,
    *,
    na: float | None = None,
    wavelength: float | None = None,
    pixel_size: float | None = None,
    index: float | None = None,
    pinhole: float | None = None,
    excitation: float | None = None,
    sigma: float | None = None,
    psf: str | os.PathLike[str] | None = None,
    zoom: int = 1,
    iterations: int | None = None,
    network: str | None = None,
    events: bool | None = None,
    refine: bool | None = None,
    client: Any = None,
    **settings: Any,
) -> Any:
    """Train on a movie, denoise it and undo its blur.

    Parameters
    ----------
    movie
        A stack or an array.
    axes
        Names of the array's axes, see :meth:`Stack.from_array`.
    na, wavelength, pixel_size, index, pinhole, excitation, sigma, psf, zoom
        As for :func:`optics_of`.
    iterations
        Of Richardson-Lucy; chosen by an independent copy of the movie if None.
    network
        Name of one that learns to go on from Richardson-Lucy, in half of the time (or
        in as many steps); used where an independent copy of the movie is for it. See
        :func:`~napari_udvd.models.improver_names`.
    events, refine
        As for :func:`~napari_udvd.denoise`.
    client
        As for :func:`~napari_udvd.denoise`.
    **settings
        As for :func:`~napari_udvd.train`.

    Returns
    -------
    ndarray
        Axes and grey levels of the movie, float32, with `zoom` times as many rows and
        columns.

    Raises
    ------
    InputError
        If the movie, its blur or a setting cannot be used.

    Warns
    -----
    UserWarning
        If the result cannot be trusted, or shows more noise than structure.
    """
    stack = movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)
    optics = optics_of(
        stack,
        na=na,
        wavelength=wavelength,
        pixel_size=pixel_size,
        index=index,
        pinhole=pinhole,
        excitation=excitation,
        sigma=sigma,
        psf=psf,
        zoom=zoom,
    )
    device = settings.get("device") or "auto"
    request = Request(device=device, events=events, refine=refine)
    _check_wishes(iterations, network, zoom)
    sharpener = call_there(
        client, _learned, stack, settings, request, optics, iterations, network
    )
    return sharpener.denoise(
        stack, device=device, events=events, refine=refine, client=client
    )


def _learned(
    stack: Stack,
    settings: Mapping[str, Any],
    request: Request,
    optics: Optics,
    iterations: int | None,
    network: str | None,
) -> Sharpener:
    """Train, and find how far the movie can be sharpened."""
    values, effort = shared(settings, network, stack)
    denoiser = learned([stack], values, request)
    *told, sharpener = fit_sharpener(
        denoiser,
        stack,
        optics,
        request,
        iterations,
        network=network,
        effort=effort,
    )
    assert isinstance(sharpener, Sharpener)
    for event in told:
        if isinstance(event, Warned):
            warnings.warn(event.text, UserWarning, stacklevel=3)
    return sharpener


def _check_wishes(iterations: int | None, network: str | None, zoom: int) -> None:
    """Say what is wrong before time is spent."""
    if iterations is not None:
        Choice.asked(iterations)
    if network is not None:
        check_improver(network, zoom)


@dataclass(frozen=True, kw_only=True)
class TrainAndSharpen(TrainAndRestore):
    """Train on the file itself, denoise and sharpen it.

    Attributes
    ----------
    na, wavelength, pixel_size, index, pinhole, excitation, sigma, psf, zoom
        As for :func:`optics_of`.
    iterations, network
        As for :func:`sharpen`.
    """

    na: float | None = None
    wavelength: float | None = None
    pixel_size: float | None = None
    index: float | None = None
    pinhole: float | None = None
    excitation: float | None = None
    sigma: float | None = None
    psf: Path | None = None
    zoom: int = 1
    iterations: int | None = None
    network: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_wishes(self.iterations, self.network, self.zoom)
        if self.std is not None:
            raise InputError(
                "a sharpened movie has no standard deviation; leave `std` out"
            )

    def denoiser_for(
        self, stack: Stack, output: Path, cancel: threading.Event | None
    ) -> Generator[Event, None, Denoiser | None]:
        """Train on the movie, and find how far it can be sharpened."""
        optics = optics_of(
            stack,
            na=self.na,
            wavelength=self.wavelength,
            pixel_size=self.pixel_size,
            index=self.index,
            pinhole=self.pinhole,
            excitation=self.excitation,
            sigma=self.sigma,
            psf=self.psf,
            zoom=self.zoom,
        )
        yield from map(Note, optics.notes)
        yield Note(f"a point is {optics.describe()}")
        values, effort = shared(self.values, self.network, stack)
        with_less = replace(self, values=values)
        denoiser = yield from TrainAndRestore.denoiser_for(
            with_less, stack, output, cancel
        )
        if denoiser is None:
            return None
        yield Begun("sharpening", "% learned" if self.network else "")
        for told in fit_sharpener(
            denoiser,
            stack,
            optics,
            self.request,
            self.iterations,
            cancel,
            network=self.network,
            effort=effort,
        ):
            if isinstance(told, Sharpener):
                return told
            yield told
        yield Stopped(self.state_of(output))
        return None


def fit_sharpener(
    denoiser: Denoiser,
    stack: Stack,
    optics: Optics,
    request: Request,
    iterations: int | None = None,
    cancel: threading.Event | None = None,
    *,
    network: str | None = None,
    effort: Effort = DEFAULT,
) -> Iterator[Progress | Note | Warned | Sharpener]:
    """Find how far a movie can be sharpened.

    Parameters
    ----------
    denoiser, stack, optics, request, iterations, network, effort
        As for :meth:`Sharpener.fitted`.
    cancel
        Set it to stop.

    Yields
    ------
    Progress, Note, Warned or Sharpener
        Percent of a network's training for a channel, what was found, and the model
        last; no model if that was cancelled.
    """
    steps = Sharpener.fitted(
        denoiser,
        stack,
        optics,
        request,
        iterations,
        network=network,
        effort=effort,
    )
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            sharpener: Sharpener = end.value
            break
        if step is not None:
            yield Progress(round(100 * step.progress), 100)
        if cancel is not None and cancel.is_set():
            return
    yield from _told(sharpener, stack)
    yield sharpener


def _told(sharpener: Sharpener, stack: Stack) -> Iterator[Note | Warned]:
    """Say how it was sharpened, and what speaks against that."""
    found = zip(
        sharpener.choices,
        sharpener.assessments,
        sharpener.calibrations_for(stack),
        strict=True,
    )
    for channel, (choice, assessed, known) in enumerate(found):
        where = f"channel {channel}: " if stack.n_channels > 1 else ""
        yield Note(f"{where}{_offset(known.noise.offset, sharpener)}")
        if assessed is None:
            continue
        plural = "iteration" if choice.iterations == 1 else "iterations"
        why = (
            "as an independent copy of the movie asks for"
            if choice.curve
            else "as told"
        )
        yield Note(
            f"{where}sharpened by {choice.iterations} {plural}, {why}; copies agree "
            f"down to a period of {assessed.before.resolution:.3g} px denoised and "
            f"{assessed.after.resolution:.3g} px sharpened"
        )
        for warning in assessed.warnings:
            yield Warned(f"{where}{warning}")
    for channel, improvement in enumerate(sharpener.improvements):
        where = f"channel {channel}: " if stack.n_channels > 1 else ""
        yield Note(f"{where}{improvement.reason}")


def _offset(level: float, sharpener: Sharpener) -> str:
    """Say from which grey level light is counted, and how that was found."""
    if sharpener.record.get("settings", {}).get("noise") is not None:
        return f"light is counted from grey level {level:.4g}, as `noise` says"
    return (
        f"light is counted from grey level {level:.4g}, where the noise of the movie "
        "has no photons left; `noise` tells it otherwise"
    )
