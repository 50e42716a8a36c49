"""The second stage: what a blind network cannot know is put back.

The network says what a pixel is likely to be without a look at it. The noisy pixel is
combined with that here; then the result is refined, as far as that helps, see
:mod:`napari_udvd.inference.guard`; and every frame is searched for events that last no
longer than the frame, see :mod:`napari_udvd.inference.flashes`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.block_denoiser import LARGE, BlockDenoiser
from napari_udvd.inference.flash_scores import Frame, score
from napari_udvd.inference.flashes import KINDS, Candidate, Flash, find, put_back
from napari_udvd.inference.predicted import Predicted, predict, without_events
from napari_udvd.inference.refiner import load_refiner
from napari_udvd.inference.scaling import Scaler
from napari_udvd.inference.survey import can_refine
from napari_udvd.models.refiner import Evidence, refined
from napari_udvd.planes import missing_frames, series_of
from napari_udvd.runtime.memory import return_freed
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.tasks import DENOISE
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from napari_udvd.inference.block_denoiser import Blocks, Denoised
    from napari_udvd.inference.request import Request
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.inference.survey import Survey, Surveys
    from napari_udvd.models import Network
    from napari_udvd.models.refiner import Refiner
    from napari_udvd.planes import Series
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task

__all__ = ["SecondStage", "has_second_stage", "in_two_stages"]


def has_second_stage(
    net: Network, stack: Stack, request: Request, *, joint: bool, task: Task
) -> bool:
    """Tell whether events are looked for, or the result is refined."""
    return (
        (bool(request.events) or can_refine(net, request))
        and request.use_posterior
        and task is DENOISE
        and net.likelihood
        and len(series_of(stack, joint)[0].channels) == 1
    )


def in_two_stages(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    request: Request,
    *,
    joint: bool = False,
    task: Task = DENOISE,
    surveys: Surveys,
) -> Blocks:
    """Make what denoises any frames of a movie, with the second stage where it can be.

    Parameters
    ----------
    net, calibrations, stack, request, joint, task
        As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
    surveys
        Of the movies that the model has met.
    """
    if not has_second_stage(net, stack, request, joint=joint, task=task):
        return BlockDenoiser(net, calibrations, stack, request, joint=joint, task=task)
    return SecondStage(net, calibrations, stack, request, surveys)


class SecondStage:
    """Denoises any run of frames of any series of a stack, in any order.

    Has the face of a :class:`BlockDenoiser`, which it asks for the frames and their
    neighbours. Each frame is computed by itself, so that it is the same to the bit
    whatever was done before. For use by one thread at a time.

    Parameters
    ----------
    net, calibrations, stack, request
        As for :class:`BlockDenoiser`; the network must have a likelihood, and take one
        channel.
    surveys
        Of the movies that the model has met.

    Attributes
    ----------
    series
        The series of the stack.
    """

    def __init__(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request,
        surveys: Surveys,
    ) -> None:
        self._request = request
        blind = replace(request, use_posterior=False, with_std=True)
        self._inner = BlockDenoiser(net, calibrations, stack, blind)
        self.series = self._inner.series
        self._net, self._calibrations, self._stack = net, calibrations, stack
        self._device = request.place().device
        self._surveys = surveys
        self._kept: dict[tuple[Series, int], Predicted] = {}
        self._found: dict[tuple[Series, int], tuple[Flash, ...]] = {}
        self._refiner: Refiner | None = None

    @property
    def pixels_seen(self) -> int:
        """Pixels of a frame that are computed, overlaps of tiles counted again."""
        return self._inner.pixels_seen

    def flashes_in(self, series: Series, start: int, stop: int) -> list[Flash]:
        """Return the events that were put back into frames of a run that is done."""
        return [f for t in range(start, stop) for f in self._found[series, t]]

    def block(self, series: Series, start: int, stop: int) -> Denoised:
        """Denoise frames ``start .. stop - 1``, see :class:`BlockDenoiser`."""
        for result in self.steps(series, start, stop):
            if result is not None:
                return result
        raise AssertionError("the steps ended without a result")

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Denoised | None]:
        """Do what :meth:`block` does with pauses, see :class:`BlockDenoiser`."""
        n_frames = self._stack.n_frames
        if not 0 <= start < stop <= n_frames:
            raise IndexError(f"frames {start} to {stop - 1} of {n_frames}")
        (channel,) = series.channels
        survey = yield from self._surveys.find(
            self._net, self._calibrations, self._stack, channel, self._request
        )
        shape = (stop - start, 1, *self._stack.frame_shape)
        mean = np.empty(shape, np.float32)
        std = np.empty(shape, np.float32) if self._request.with_std else None
        for piece in self._inner.pieces(stop - start, beside=2):
            first, last = start + piece.start, start + piece.stop
            here = mean[piece], None if std is None else std[piece]
            yield from self._piece(series, first, last, survey, here)
            if mean[piece].nbytes >= LARGE:
                return_freed()
        self._inner.keep(series, start, mean, std)
        yield mean, std

    def _piece(
        self,
        series: Series,
        start: int,
        stop: int,
        survey: Survey,
        place: Denoised,
    ) -> Generator[None, None, None]:
        """Denoise a part of a run into its place in a result."""
        (channel,), (mean, std) = series.channels, place
        stack = inspect(self._stack)
        missing = missing_frames(stack, series)
        around = {t: window(t, 1, stack.n_frames, missing) for t in range(start, stop)}
        needed = sorted({t for frames in around.values() for t in frames})
        scaler = Scaler([self._calibrations[channel]], self._device)
        predicted = yield from self._predict(stack, series, scaler, needed)
        if survey.share.value and self._refiner is None:
            self._refiner = load_refiner().to(self._device)
        finish = partial(self._finished, scaler=scaler, survey=survey)
        # as in the network: a frame for each core, rather than its pixels
        at_once = threads_on(self._device)
        for first in range(start, stop, at_once):
            yield None
            together = range(first, min(first + at_once, stop))
            results = run_parts(
                finish, [[predicted[k] for k in around[t]] for t in together]
            )
            for t, (own_mean, own_std, found) in zip(together, results, strict=True):
                mean[t - start] = own_mean.cpu().numpy()
                if std is not None:
                    std[t - start] = own_std.cpu().numpy()
                self._found[series, t] = tuple(
                    Flash(
                        frame=t,
                        channel=channel,
                        plane=series.z,
                        row=each.row,
                        column=each.column,
                        kind=KINDS[each.kind],
                        amplitude=amplitude * float(scaler.scale),
                        z=each.z,
                        probability=each.weight,
                    )
                    for each, amplitude in found
                    if each.log_odds > 0
                )
        # what goes on behind this will ask for again
        self._kept = {(series, t): predicted[t] for t in around[stop - 1]}

    def _predict(
        self, stack: Stack, series: Series, scaler: Scaler, needed: Sequence[int]
    ) -> Generator[None, None, dict[int, Predicted]]:
        """Predict frames, given in rising order, as far as they are not kept.

        What a recurrent network says of a frame depends on those that it is asked for
        with it: it is asked for all of a run, whatever is kept.
        """
        found, wanted = {}, list(range(needed[0], needed[-1] + 1))
        if not self._net.geometry.recurrent:
            wanted = [t for t in needed if (series, t) not in self._kept]
            kept = {t: self._kept.get((series, t)) for t in needed}
            found = {t: each for t, each in kept.items() if each is not None}
        new = yield from predict(self._inner, stack, series, scaler, wanted)
        return found | new

    def _finished(
        self, three: Sequence[Predicted], scaler: Scaler, survey: Survey
    ) -> tuple[Tensor, Tensor, list[tuple[Candidate, float]]]:
        """Finish the middle one of three frames: mean and std, grey levels; events."""
        with torch.inference_mode():
            mean, std = self._refined(three, scaler, survey.share.value)
            found = []
            if self._request.events:
                found = _put_events_back(mean, std, three, scaler, survey)
            return scaler.restore(mean[None]), scaler.restore_std(std[None]), found

    def _refined(
        self, three: Sequence[Predicted], scaler: Scaler, share: float
    ) -> tuple[Tensor, Tensor]:
        """Correct the posterior of the middle one of three frames: mean and std."""
        own = three[1]
        if self._refiner is None or share == 0:
            return own.mean.clone(), own.std.clone()
        frames = [_filled(each.frame) for each in three]
        blind, std, noisy = (
            torch.stack(each)
            for each in zip(*((f.mean, f.std, f.noisy) for f in frames), strict=True)
        )
        evidence = Evidence(blind, std, noisy, scaler.noise_of(0).variance(blind))
        precision = self._request.place().precision
        mean, std = refined(self._refiner, evidence, precision=precision, share=share)
        if own.frame.measured is None:
            return mean, std
        # what was not measured has no posterior to correct
        return (
            torch.where(own.frame.measured, mean, own.mean),
            torch.where(own.frame.measured, std, own.std),
        )


def _filled(frame: Frame) -> Frame:
    """Say nothing new where nothing was measured: there may be no number at all."""
    if frame.measured is None:
        return frame
    level = frame.mean[frame.measured].mean() if frame.measured.any() else 0.0
    mean = torch.where(frame.mean.isfinite(), frame.mean, level)
    noisy = torch.where(frame.measured, frame.noisy, mean)
    return frame._replace(noisy=noisy, mean=mean)


def _put_events_back(
    mean: Tensor,
    std: Tensor,
    three: Sequence[Predicted],
    scaler: Scaler,
    survey: Survey,
) -> list[tuple[Candidate, float]]:
    """Put events into a result, in place; return them with their amplitude."""
    before, own, after = three
    noise = scaler.noise_of(0)
    base, base_std = without_events(before, own, after)
    found = find(score(own.frame, base, noise), survey.spread, survey.odds)
    amplitudes = put_back(mean, std, own.frame, base, base_std, noise, found)
    return list(zip(found, amplitudes, strict=True))
