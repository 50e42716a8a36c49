"""Judge a denoised movie without the truth: of two movies in memory, or as files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import check_small_output, open_stack, read_record
from napari_udvd.inference.loading import load
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs.events import Begun, Judged, Opened, Stopped, Written
from napari_udvd.jobs.files import axes_of_result
from napari_udvd.quality import Pair, Report, judge
from napari_udvd.stack import Stack
from napari_udvd.traces import masks_of_labels

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_udvd.inference.stream import Progress
    from napari_udvd.jobs.events import Event
    from napari_udvd.stack import ArrayLike

    Movie = Stack | ArrayLike | str | os.PathLike[str]
    Masks = Mapping[str, npt.NDArray[np.bool_]]

__all__ = ["ReportFile", "judge_movies", "report"]


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """A report as files.

    Attributes
    ----------
    output
        Page to write, ``.html``; none if None.
    json
        File for the numbers, ``.json``; none if None.
    model
        Model file that made the result.
    std
        File of the standard deviation of the result.
    rois
        Image of labels, 0 where there is no region.
    axes, dark, mask, unmeasured
        Of the noisy movie, as for :func:`~napari_udvd.formats.open_stack`.
    device
        Where the model computes.
    overwrite
        Whether an earlier report may be replaced.
    """

    output: Path | None = None
    json: Path | None = None
    model: Path | None = None
    std: Path | None = None
    rois: Path | None = None
    axes: str | None = None
    dark: Path | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    device: str = "auto"
    overwrite: bool = False

    def run(
        self, noisy: Path, denoised: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Judge a file.

        Parameters
        ----------
        noisy, denoised
            The two movies.
        cancel
            Set it to stop; nothing is written then.

        Yields
        ------
        Event
            ``Written`` or ``Stopped`` last.

        Raises
        ------
        InputError, OutputError
            Before anything is written.
        """
        beside = [self.model, self.std, self.rois, self.dark, self.mask]
        given = [noisy, denoised, *beside]
        self._check_outputs([path for path in given if path is not None])
        movie = open_stack(
            noisy,
            self.axes,
            dark=self.dark,
            mask=self.mask,
            unmeasured=self.unmeasured,
        )
        yield Opened(str(noisy), movie)
        self._check_outputs([Path(file) for file in movie.files])
        record = _check_record(denoised)
        denoiser = None if self.model is None else load(self.model)
        if denoiser is not None:
            _check_made_by(denoiser, record, str(self.model), str(denoised))
        result = open_stack(denoised, axes_of_result(denoised, self.axes))
        std = None
        if self.std is not None:
            std = open_stack(self.std, axes_of_result(self.std, self.axes))
        masks = {} if self.rois is None else _masks_of_file(self.rois, movie)
        yield Begun("judging", "steps")
        found: Report | None = None
        for told in judge(
            Pair.of(movie, result, std),
            denoiser=denoiser,
            request=_request_of(record, self.device),
            masks=masks,
            names=(str(noisy), str(denoised), str(self.model or "")),
            cancel=cancel,
        ):
            if isinstance(told, Report):
                found = told
            else:
                yield told
        if found is None:
            yield Stopped()
            return
        yield Judged(found)
        if self.output is not None:
            found.write_html(self.output, overwrite=self.overwrite)
            yield Written(self.output)
        if self.json is not None:
            found.write_json(self.json, overwrite=self.overwrite)
            yield Written(self.json)

    def _check_outputs(self, inputs: list[Path]) -> None:
        if self.output is None and self.json is None:
            raise InputError(
                "there is nothing to write: name a page (`output`, .html), a file for "
                "the numbers (`json`, .json), or both"
            )
        for path, suffixes in (
            (self.output, (".html", ".htm")),
            (self.json, (".json",)),
        ):
            if path is None:
                continue
            if path.resolve() in {each.resolve() for each in inputs}:
                raise OutputError(
                    f"{str(path)!r} is one of the files that the report is about; "
                    "choose another name for it"
                )
            check_small_output(path, suffixes, overwrite=self.overwrite)


def report(
    noisy: Movie,
    denoised: Movie,
    model: Denoiser | str | os.PathLike[str] | None = None,
    *,
    std: Movie | None = None,
    rois: npt.ArrayLike | Masks | None = None,
    axes: str | None = None,
    device: str = "auto",
    use_posterior: bool = True,
) -> Report:
    """Judge a denoised movie without the truth.

    Parameters
    ----------
    noisy, denoised
        The movie and the result, of any program: stacks, arrays or files.
    model
        The model that made the result, or its file: tells the predicted PSNR, the
        resolution and the false spots, which nothing else can.
    std
        Standard deviation of the result.
    rois
        Regions of interest: an image of labels ``(Y, X)``, or masks by name.
    axes
        Names of the axes of arrays, see :meth:`Stack.from_array`.
    device
        Where the model computes.
    use_posterior
        How the model was used: with the noisy pixel put back in.

    Returns
    -------
    Report
        Verdict, numbers and maps.

    Raises
    ------
    InputError
        If the movies do not belong together, or the model not to them.
    """
    movie = _stack(noisy, axes)
    for told in judge_movies(
        movie,
        _stack(denoised, axes),
        model if isinstance(model, Denoiser | None) else load(model),
        std=None if std is None else _stack(std, axes),
        masks=_masks(rois, movie),
        request=Request(device=device, use_posterior=use_posterior),
    ):
        if isinstance(told, Report):
            return told
    raise AssertionError("judging ended without a report")


def judge_movies(
    noisy: Stack,
    denoised: Stack,
    denoiser: Denoiser | None = None,
    *,
    std: Stack | None = None,
    masks: Masks | None = None,
    request: Request = Request(),
    names: tuple[str, str, str] = ("", "", ""),
    cancel: threading.Event | None = None,
) -> Iterator[Progress | Report]:
    """Judge movies in memory or in files, step by step; the report comes last.

    Parameters and errors as for :func:`napari_udvd.quality.judge`.
    """
    yield from judge(
        Pair.of(noisy, denoised, std),
        denoiser=denoiser,
        request=request,
        masks=masks,
        names=names,
        cancel=cancel,
    )


def _stack(movie: Movie, axes: str | None) -> Stack:
    if isinstance(movie, Stack):
        return movie
    if isinstance(movie, str | os.PathLike):
        return open_stack(movie, axes)
    return Stack.from_array(movie, axes)


def _masks(rois: npt.ArrayLike | Masks | None, movie: Stack) -> Masks:
    if rois is None:
        return {}
    if not isinstance(rois, Mapping):
        return masks_of_labels(np.asarray(rois), movie.frame_shape)
    masks = {str(name): np.asarray(mask, bool) for name, mask in rois.items()}
    for name, mask in masks.items():
        if mask.shape != movie.frame_shape or not mask.any():
            raise InputError(
                f"region {name!r} has {int(mask.sum())} pixels of a frame of shape "
                f"{mask.shape}; the frames of the movie are {movie.frame_shape}: give "
                "a mask of that shape, with pixels inside"
            )
    return masks


def _masks_of_file(path: Path, movie: Stack) -> Masks:
    labels = open_stack(path)
    if labels.dtype.kind not in "ui" or labels.shape != labels.frame_shape:
        raise InputError(
            f"{str(path)!r} is {labels.axes} {labels.shape} of {labels.dtype}: regions "
            "are one image of whole numbers, 0 where there is none"
        )
    return masks_of_labels(labels.read()[0], movie.frame_shape)


def _check_record(denoised: Path) -> Mapping[str, Any]:
    """Read how a result was made; empty for those of others."""
    record = read_record(denoised) or {}
    if record.get("quantity") == "standard deviation":
        raise InputError(
            f"{str(denoised)!r} is the standard deviation of a result, not the result; "
            "name that, and give this one as `std`"
        )
    return record


def _check_made_by(
    denoiser: Denoiser, record: Mapping[str, Any], model: str, denoised: str
) -> None:
    """Check that a result does not say that another network made it."""
    made_by = record.get("network")
    own = {"name": denoiser.net.name, **denoiser.net.configuration()}
    if made_by is None or _plain(made_by) == _plain(own):
        return
    raise InputError(
        f"{denoised!r} was made by the network {made_by.get('name')!r}, and {model!r} "
        f"holds {own['name']!r} "
        + ("with other options" if made_by.get("name") == own["name"] else "")
        + ": name the model that made the result, or leave `model` out"
    )


def _plain(value: Any) -> Any:
    from napari_udvd.formats import to_plain

    return to_plain(value)


def _request_of(record: Mapping[str, Any], device: str) -> Request:
    """Return how a result was made, as far as it says."""
    return Request(device=device, use_posterior=bool(record.get("posterior", True)))
