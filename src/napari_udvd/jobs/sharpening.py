"""Sharpen a movie: train on it, denoise it, and undo the blur of the optics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Begun, Note, Stopped, Warned
from napari_udvd.jobs.restoring import TrainAndRestore
from napari_udvd.jobs.training import train_movies
from napari_udvd.models import check_improver
from napari_udvd.optics import Blur, Gaussian, Microscope, read_bead
from napari_udvd.sharpening import Effort, Optics, Sharpener
from napari_udvd.stack import Stack
from napari_udvd.training import Finished
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.jobs.events import Event
    from napari_udvd.optics import PointSpread
    from napari_udvd.sharpening import Learned
    from napari_udvd.stack import ArrayLike, LayoutLike

__all__ = ["TrainAndSharpen", "optics_of", "sharpen"]

MICROMETRES = {"µm": 1.0, "um": 1.0, "micrometer": 1.0, "nm": 1e-3, "mm": 1e3, "m": 1e6}
"""Units that a pixel size may be in."""


def optics_of(
    movie: LayoutLike,
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
) -> Optics:
    """Find out what blurred a movie: from the objective, a width, or a bead.

    Parameters
    ----------
    movie
        Says how large its pixels are.
    na, wavelength, index, pinhole, excitation
        Of the microscope, see :class:`~napari_udvd.optics.Microscope`.
    pixel_size
        Edge of a pixel in the specimen, µm; that of the movie if None.
    sigma
        Standard deviation of a Gaussian blur, px, in place of a microscope.
    psf
        File with the picture of a bead, in place of a microscope.
    zoom
        Pixels of the result to a pixel of the movie, along each edge.

    Raises
    ------
    InputError
        If none or several of these are given, a number cannot be meant, or the blur
        is larger than the frames.
    """
    told = {"na": na, "sigma": sigma, "psf": psf}
    given = [name for name, value in told.items() if value is not None]
    if len(given) != 1:
        raise InputError(
            f"the blur is given by {' and '.join(given) or 'nothing'}; give one of: "
            "`na` and `wavelength` of the microscope, `sigma` in pixels, or `psf`, a "
            "file with the picture of a bead"
        )
    point: PointSpread
    if sigma is not None:
        point = Gaussian(sigma)
    elif psf is not None:
        point = read_bead(psf)
    else:
        assert na is not None
        if wavelength is None:
            raise InputError(
                f"`na` is {na:g}, but there is no `wavelength`; give that of the light "
                "that is detected, in nanometres"
            )
        point = Microscope(
            na=na,
            wavelength=wavelength,
            pixel_size=_pixel_size(movie) if pixel_size is None else pixel_size,
            index=index,
            pinhole=pinhole,
            excitation=excitation,
        )
    optics = Optics(point, zoom)
    Blur(point, movie.frame_shape, zoom)  # says what does not fit
    return optics


def _pixel_size(movie: LayoutLike) -> float:
    """Edge of a pixel, µm."""
    sizes = {axis: movie.scale.get(axis) for axis in "YX"}
    factor = MICROMETRES.get(movie.units.get("X", ""))
    if None in sizes.values() or factor is None:
        raise InputError(
            f"{movie.source or 'the movie'!r} does not say how large its pixels are, "
            "in µm or nm; give `pixel_size`, the edge of a pixel in the specimen in µm"
        )
    rows, columns = (float(size or 0.0) for size in sizes.values())
    if not np.isclose(rows, columns, rtol=0.01):
        raise InputError(
            f"pixels of {movie.source or 'the movie'!r} are {rows:g} x {columns:g} "
            f"{movie.units['X']}; for pixels that are not square give the blur as "
            "`psf`, the picture of a bead"
        )
    return columns * factor


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
    network: str | None = None,
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
    network
        Name of one that learns to go on from Richardson-Lucy, in half of the time (or
        in as many steps); used where an independent copy of the movie is for it. See
        :func:`~napari_udvd.models.improver_names`.
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
    request = Request(device=device)
    values, effort = _shared(settings, network, stack)
    *_, end = train_movies([stack], values, follows=request)
    assert isinstance(end, Finished)
    steps = Sharpener.fitted(
        end.denoiser, stack, optics, request, network=network, effort=effort
    )
    return _finished(steps).denoise(stack, device=device)


def _shared(
    values: Mapping[str, Any], network: str | None, stack: Stack
) -> tuple[Mapping[str, Any], Effort]:
    """Share the time of a training with a network that sharpens."""
    settings = make_settings(**values)
    minutes = settings.minutes / 2
    effort = Effort(minutes / stack.n_channels, settings.steps, settings.seed)
    if network is None or settings.steps is not None:
        return values, effort
    return {**values, "minutes": minutes}, effort


def _finished(steps: Generator[Learned | None, None, Sharpener]) -> Sharpener:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            sharpener: Sharpener = end.value
            return sharpener


@dataclass(frozen=True, kw_only=True)
class TrainAndSharpen(TrainAndRestore):
    """Train on the file itself, denoise and sharpen it.

    Attributes
    ----------
    na, wavelength, pixel_size, index, pinhole, excitation, sigma, psf, zoom
        As for :func:`optics_of`.
    network
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
    network: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network is not None:
            check_improver(self.network, self.zoom)

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
        yield Note(f"a point is {optics.describe()}")
        values, effort = _shared(self.values, self.network, stack)
        shared = replace(self, values=values)
        denoiser = yield from TrainAndRestore.denoiser_for(
            shared, stack, output, cancel
        )
        if denoiser is None:
            return None
        yield Begun("sharpening", "% learned" if self.network else "")
        steps = Sharpener.fitted(
            denoiser,
            stack,
            optics,
            self.request,
            network=self.network,
            effort=effort,
        )
        while True:
            try:
                learned = next(steps)
                if learned is not None:
                    yield Progress(round(100 * learned.progress), 100)
            except StopIteration as end:
                sharpener: Sharpener = end.value
                break
            if cancel is not None and cancel.is_set():
                yield Stopped(self.state_of(output))
                return None
        yield from _told(sharpener, stack)
        return sharpener


def _told(sharpener: Sharpener, stack: Stack) -> Iterator[Event]:
    """Say how it was sharpened, and what speaks against that."""
    found = zip(
        sharpener.choices,
        sharpener.assessments,
        sharpener.calibrations_for(stack),
        strict=True,
    )
    for channel, (choice, assessed, known) in enumerate(found):
        where = f"channel {channel}: " if stack.n_channels > 1 else ""
        yield Note(
            f"{where}light is counted from grey level {known.noise.offset:.4g}, where "
            "the noise of the movie has no photons left; `noise` tells it otherwise"
        )
        if assessed is None:
            continue
        plural = "iteration" if choice.iterations == 1 else "iterations"
        yield Note(
            f"{where}sharpened by {choice.iterations} {plural}, as an independent copy "
            f"of the movie asks for; copies agree down to a period of "
            f"{assessed.before.resolution:.3g} px denoised and "
            f"{assessed.after.resolution:.3g} px sharpened"
        )
        for warning in assessed.warnings:
            yield Warned(f"{where}{warning}")
    for channel, improvement in enumerate(sharpener.improvements):
        where = f"channel {channel}: " if stack.n_channels > 1 else ""
        yield Note(f"{where}{improvement.reason}")
