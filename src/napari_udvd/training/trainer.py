"""Train a network on the noisy movie itself."""

from __future__ import annotations

import copy
import math
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.errors import InputError, OutputError, TrainingFailed
from napari_udvd.inference.live_view import FEWEST_PIXELS
from napari_udvd.inference.matching import pixel_sizes
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import build_network, count_views
from napari_udvd.models.catalogue import find
from napari_udvd.planes import measured_series, missing_frames
from napari_udvd.runtime.device import choose_device, choose_precision
from napari_udvd.runtime.memory import is_out_of_memory
from napari_udvd.training.batch import find_batch, seconds_of_steps
from napari_udvd.training.checkpoint import write_checkpoint
from napari_udvd.training.estimate import (
    MOST_SECONDS,
    Pace,
    measure_pace,
    movie_seconds,
)
from napari_udvd.training.events import (
    Checkpoint,
    Failed,
    Finished,
    LivePreview,
    Preview,
    Started,
    Step,
    TrainingEvent,
)
from napari_udvd.training.feeding import make_feed
from napari_udvd.training.flow_course import FlowCourse
from napari_udvd.training.learner import Learner
from napari_udvd.training.losses import Losses
from napari_udvd.training.noise_check import confirm_noise
from napari_udvd.training.plan import Plan, make_plan
from napari_udvd.training.resume import SavedRun, read_saved_run
from napari_udvd.training.sampling import ClipSampler, Movie
from napari_udvd.training.validation import (
    WINDOWS,
    Validation,
    affordable,
    hold_out,
)
from napari_udvd.training.warm_start import (
    load_flow,
    outside_of_training,
    warm_start,
)
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.stack import Stack
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["train_events"]

WARM_UP_STEPS = 20
"""Steps over which the learning rate rises."""

FINAL_RATE = 0.03
"""Learning rate at the end of the budget, as a fraction of its peak."""

SMOOTHING = 0.95
"""Decay of the average loss that is shown."""

VALIDATION_SHARE = 0.08
"""Share of the time that measuring the validation loss may take."""

VALIDATION_COST = 0.04
"""Share of the budget that one measurement may take; fewer and smaller windows are
measured where all of them would take longer."""

PACE_SHARE = 0.02
"""Share of the budget for measuring how long denoising takes."""

BATCH_SHARE = 0.03
"""Share of the budget for finding how many clips at once suit a card."""

LOOK_SHARE = 0.05
"""Share of the budget that one look of a user's may take."""

JUDGING = 4
"""Measurements of the validation loss that judging the flow takes as long as."""

VALIDATIONS = 40
"""How often the validation loss is measured at most."""

PATIENCE = 0.4
"""Share of the budget without a better validation loss after which to stop ..."""

PATIENT_VALIDATIONS = 8
"""... provided that it was measured so many times meanwhile."""

CALM = 0.7
"""Share of the budget before which nobody gives up: at a high rate, weights that were
good get worse before they get better."""

NOT_FINITE_IN_A_ROW = 10
"""Steps with a loss that is not finite after which training has failed."""

ENSEMBLE_SHARE = 0.2
"""Share of the budget that a self-ensemble may take: it gains less than training."""

LARGEST_RESERVE = 0.7
"""Share of the budget that denoising afterwards may claim."""


def train_events(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    cancel: threading.Event | None = None,
    live: LiveView | None = None,
    denoising_follows: bool = False,
) -> Iterator[TrainingEvent]:
    """Train on one or more movies and tell how it goes.

    Blind-spot training as in Sheth et al. 2021, with the Poisson-Gaussian noise of
    the movie in the likelihood, a moving average of the weights, and the weights of
    the best loss on held-out frames as the result. Where weights are shipped for the
    network, training starts from them.

    Parameters
    ----------
    stacks
        Movies with the same channels.
    settings
        What the user decided.
    checkpoint
        File for the state of the run; none is written if None.
    resume
        Continue from `checkpoint`.
    cancel
        Set it to end after the current step; the state is saved first.
    live
        What a user looks at; it is shown with the weights of the moment.
    denoising_follows
        The stacks are denoised next and the time budget is for both.

    Yields
    ------
    TrainingEvent
        `Started`, then `Step`, `Preview`, `LivePreview` and `Checkpoint`, and
        `Finished` or `Failed` at the end.

    Raises
    ------
    InputError
        Before anything is trained, if a movie or a setting cannot be used.
    """
    began = time.monotonic()
    device = choose_device(settings.device)
    saved = read_saved_run(checkpoint, stacks) if resume else None
    if saved is None:
        plan = make_plan(stacks, settings, on_cpu=device.type == "cpu")
        stacks = [inspect(stack) for stack in stacks]
        try:
            plan = confirm_noise(plan, stacks, settings, device)
            run = _Run(stacks, settings, plan, device, began, denoising_follows)
            run.start_warm()
            run.choose_batch()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise _explained(error, device) from error
            raise
    else:
        try:
            plan = saved.plan(settings)
            stacks = [inspect(stack) for stack in stacks]
            run = _Run(stacks, settings, plan, device, began, denoising_follows)
            run.restore(saved)
        except (KeyError, TypeError, RuntimeError, StopIteration) as error:
            raise InputError(
                f"the checkpoint {str(checkpoint)!r} is damaged or of another "
                "version; start anew"
            ) from error
    try:
        yield from run.events(checkpoint, cancel or threading.Event(), live)
    except (RuntimeError, MemoryError, OSError, InputError) as error:
        yield Failed(_explained(error, device))


class _Run:
    """Everything that changes while training."""

    def __init__(
        self,
        stacks: Sequence[Stack],
        settings: TrainingSettings,
        plan: Plan,
        device: torch.device,
        began: float,
        denoising_follows: bool,
    ) -> None:
        self._settings, self._device = settings, device
        self._stacks = stacks
        self._denoising_follows = denoising_follows
        self._precision = choose_precision(device)
        with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
            torch.manual_seed(settings.seed)
            net = build_network(plan.name, plan.network).to(device)
        # what a checkpoint holds must not change with the defaults of a network
        built = {**net.configuration(), "hole": plan.hole}
        self._plan = replace(plan, network={**plan.network, **built})
        self._learner = Learner(net, self._precision)
        self._best = copy.deepcopy(self._learner.average)
        self._flow = FlowCourse(self._learner)
        course = find(plan.name).recipe
        self._batch = settings.batch or course.batch
        self._batch_was_found = False
        self._rate = settings.learning_rate or course.rate
        movies = [
            Movie(
                stack,
                series,
                hold_out(stack.n_frames, missing_frames(stack, series)),
            )
            for stack in stacks
            for series in measured_series(stack, plan.joint)
        ]
        make_sampler = partial(
            ClipSampler,
            movies,
            context=net.margin,
            targets=settings.targets or course.targets,
            fewest=settings.targets or course.fewest,
            patch=settings.patch,
            transpose=plan.hole[0] == plan.hole[1],
            rng=np.random.default_rng(settings.seed),
        )
        self._feed = make_feed(movies, make_sampler, device)
        self._scalers: dict[tuple[int, ...], Scaler] = {}
        self._losses, self._unread_seconds, self._unread_steps = Losses(), 0.0, 0
        self._not_finite = 0
        is_timed = settings.steps is None
        self._pace = self._measured() if is_timed or denoising_follows else None
        most, edge = WINDOWS[0]
        if is_timed and self._pace is not None:
            looks = 2 if net.is_recurrent else 1  # fairly, with and without its noise
            share = VALIDATION_COST * 60 * settings.minutes
            edge, most = affordable(looks * self._pace.first, share)
        self._validation = Validation(
            movies,
            plan.calibrations,
            context=net.context,
            device=device,
            precision=self._precision,
            edge=edge,
            most=most,
        )
        self._began = began
        self._resumed_at = 0.0
        self._step = 0
        self._ended = ""
        self._self_ensemble = False
        self._is_warm, self._remarks = False, list(plan.remarks)
        self._step_seconds = self._validation_seconds = 0.0
        self._denoising_seconds = 0.0
        self._loss = math.nan
        self._best_step, self._best_loss = 0, math.inf
        self._best_at = 0.0
        self._history: list[tuple[int, float]] = []

    def start_warm(self) -> None:
        """Begin with the shipped weights where there are any, or a user's."""
        net = self._learner.net
        if (flow_weights := self._settings.network.published_flow) is not None:
            load_flow(net, flow_weights)
            self._learner.average.load_state_dict(net.state_dict())
        if self._settings.from_scratch:
            return
        start = warm_start(net)
        self._is_warm = start.done
        # where it is not, a part of it may have been given weights all the same
        self._learner.average.load_state_dict(net.state_dict())
        if start.remark:
            self._remarks.append(start.remark)
        if start.done:
            if self._settings.learning_rate is None:
                self._rate = find(self._plan.name).recipe.warm_rate
            if unlike := outside_of_training(self._plan.calibrations):
                self._remarks.append(unlike)

    def choose_batch(self) -> None:
        """Learn from as many clips at once as suit the card, if nobody said how many.

        The learning rate stays: less noise in a step allows a larger one, but the rates
        were found for what is started from, and for so few steps. Where steps are
        counted the run shall be one that can be repeated, so no clock may decide.
        """
        settings, device = self._settings, self._device
        if device.type != "cuda" or settings.batch or settings.steps is not None:
            return
        first = self._batch
        channels = [0] * self._learner.net.channels
        self._batch = find_batch(
            seconds_of_steps(
                self._learner, self._scaler(tuple(channels)), self._feed.longest
            ),
            first,
            device,
            most_seconds=BATCH_SHARE * 60 * settings.minutes,
        )
        self._batch_was_found = True

    def events(
        self,
        checkpoint: Path | None,
        cancel: threading.Event,
        live: LiveView | None,
    ) -> Iterator[TrainingEvent]:
        """Train and tell, see :func:`train_events`."""
        try:
            yield from self._events(checkpoint, cancel, live)
        finally:
            self._feed.close()

    def _events(
        self,
        checkpoint: Path | None,
        cancel: threading.Event,
        live: LiveView | None,
    ) -> Iterator[TrainingEvent]:
        if self._is_warm:  # the shipped weights are the first to be judged
            self._validate()
        self._estimate_denoising()
        if self._is_warm and self._is_over():
            self._remarks.append(
                f"{_time(60 * self._settings.minutes)} are too short to train; the "
                "shipped weights are used as they are"
            )
        yield Started(
            self._summary(),
            tuple(self._remarks),
            self._plan.warnings,
            self._resumed_at,
            None if self._settings.steps else max(self._budget - self._elapsed(), 0.0),
            self._denoising_seconds if self._denoising_follows else None,
        )
        if self._is_warm:
            yield Preview(0, *self._validation.preview(self._learner.average))
            yield from self._look(live)
        next_validation = self._elapsed() + self._budget / VALIDATIONS
        next_checkpoint = self._elapsed() + self._settings.checkpoint_seconds
        was_saved = False
        reason = "budget"
        while not self._is_over():
            before = self._elapsed()
            self._train_step()
            read = self._losses.is_due(self._step_seconds)
            if read:
                self._read_losses()
            self._unread_seconds += self._elapsed() - before
            self._unread_steps += 1
            if read:  # a card begins steps faster than it takes them
                self._step_seconds = self._unread_seconds / self._unread_steps
                self._unread_seconds, self._unread_steps = 0.0, 0
            yield Step(
                self._step,
                self._progress(),
                self._elapsed(),
                self._loss,
                self._history[-1][1] if self._history else None,
            )
            if self._flow.is_due(self._progress()) and not self._has_time(JUDGING):
                self._flow.give_up()
                self._drop_flow()
            if self._validation_is_due(next_validation) and self._has_time(1):
                before = self._elapsed()
                self._validate()
                average = self._learner.average
                yield Preview(self._step, *self._validation.preview(average))
                cost = self._elapsed() - before
                self._judge_flow()
                next_validation = self._elapsed() + max(
                    cost / VALIDATION_SHARE, self._budget / VALIDATIONS
                )
            yield from self._look(live)
            stop = cancel.is_set()
            is_due = self._elapsed() > next_checkpoint and not stop
            if checkpoint is not None and is_due:
                try:
                    self._save(checkpoint)
                    was_saved = True
                    yield Checkpoint(self._step, checkpoint)
                except OutputError:
                    if not was_saved:  # better told at once than after hours
                        raise
                next_checkpoint = self._elapsed() + self._settings.checkpoint_seconds
            if stop:
                reason = "cancelled"
                break
            if self._has_converged():
                reason = "converged"
                break
        measured = self._history[-1][0] if self._history else -1
        if measured < (0 if reason == "cancelled" else self._step):
            self._validate()
        if not math.isfinite(self._best_loss):
            raise TrainingFailed(
                "the validation loss is not finite; try a lower learning rate"
            )
        self._ended = reason
        warnings = self._validation.verdict(self._best)
        if checkpoint is not None:
            try:
                self._save(checkpoint)
                yield Checkpoint(self._step, checkpoint)
            except OutputError as error:
                # what was learned is worth more than its copy
                warnings = (*warnings, f"the state was not saved: {error}")
        yield Finished(
            self._denoiser(reason),
            reason,
            self._best_step,
            self._best_loss,
            warnings,
            self._flow.remarks,
            self._validation.noise_removed,
            tuple(self._history),
            self._step,
        )

    def restore(self, saved: SavedRun) -> None:
        """Continue where the checkpoint was written."""
        header, tensors = saved
        self._learner.restore(tensors, header["adam_steps"])
        self._flow.restore(tensors, header["flow"])
        self._best.load_state_dict(tensors["best"])
        self._rate = header["rate"]
        self._feed.restore(header["rng"])
        found = header.get("batch")
        if found and self._device.type == "cuda" and not self._settings.batch:
            self._batch, self._batch_was_found = found, True
        self._step, self._loss = header["step"], header["loss"]
        self._best_step, self._best_loss = header["best_step"], header["best_loss"]
        self._best_at = header["best_at"]
        self._history = [(step, loss) for step, loss in header["history"]]
        self._resumed_at = header["elapsed"]

    def _look(self, live: LiveView | None) -> Iterator[LivePreview]:
        if live is not None and live.is_due():
            pixels = self._pixels_to_look_at()
            if pixels is not None and pixels < FEWEST_PIXELS:
                return
            view, denoised = live.denoise(
                self._learner.average,
                self._plan.calibrations,
                self._plan.joint,
                self._device,
                self._precision,
                most=pixels,
            )
            yield LivePreview(self._step, view, denoised)

    def _save(self, path: Path) -> None:
        self._read_losses()
        self._learner.settle()
        header = {
            "adam_steps": self._learner.steps,
            "flow": self._flow.state(),
            "rate": self._rate,
            "movies": [stack.fingerprint() for stack in self._stacks],
            "settings": self._settings.model_dump(),
            "plan": self._plan.to_dict(),
            "step": self._step,
            "ended": self._ended,
            "elapsed": self._elapsed(),
            "loss": self._loss,
            "best_step": self._best_step,
            "best_loss": self._best_loss,
            "best_at": self._best_at,
            "history": self._history,
            "rng": self._feed.state,
            "batch": self._batch if self._batch_was_found else None,
        }
        tensors = {
            **self._learner.tensors(),
            **self._flow.tensors(),
            "best": self._best.state_dict(),
        }
        write_checkpoint(path, tensors, header)

    def _train_step(self) -> None:
        drawn = self._feed.next(self._batch)
        scaler = self._scaler(drawn.series.channels)
        clips = scaler.normalise(drawn.grey)
        self._step += 1
        if not drawn.has_target:
            # without a target there is no loss: held-out frames only
            self._losses.add(self._step, None)
            return
        self._flow.prepare()
        loss = self._learner.learn(
            clips, scaler.noise, drawn.is_target, self._rate_now(), drawn.measured
        )
        self._losses.add(self._step, loss)
        # what is on a card is not waited for: the flow looks at its own loss
        if isinstance(loss, torch.Tensor) or math.isfinite(loss):
            self._flow.learn(clips, drawn.is_target, self._progress())

    def _scaler(self, channels: tuple[int, ...]) -> Scaler:
        """Make it once: to send numbers to a card is to wait for it."""
        if channels not in self._scalers:
            calibrations = [self._plan.calibrations[c] for c in channels]
            self._scalers[channels] = Scaler(calibrations, self._device)
        return self._scalers[channels]

    def _read_losses(self) -> None:
        """Take account of the losses of the last steps, and fail by bad ones."""
        for step, loss in self._losses.read():
            is_bad = loss is not None and not math.isfinite(loss)
            self._not_finite = self._not_finite + 1 if is_bad else 0
            if self._not_finite >= NOT_FINITE_IN_A_ROW:
                raise TrainingFailed(
                    f"the loss is not finite since step {step - self._not_finite}; "
                    "try a lower learning rate"
                )
            if loss is not None and not is_bad:
                self._smooth_loss(step, loss)

    def _smooth_loss(self, step: int, value: float) -> None:
        """Average over the last steps; few at first, where the loss falls fast."""
        share = max(1 - SMOOTHING, 1 / (1 + step / 4))
        before = self._loss if math.isfinite(self._loss) else value
        self._loss = before + share * (value - before)

    def _rate_now(self) -> float:
        warm = min(self._step / WARM_UP_STEPS, 1.0)
        cosine = (1 + math.cos(math.pi * self._progress())) / 2
        return self._rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * cosine)

    def _validate(self) -> None:
        before = self._elapsed()
        loss = self._validation.loss(self._learner.average)
        self._validation_seconds = self._elapsed() - before
        self._history.append((self._step, loss))
        if loss < self._best_loss:
            self._best.load_state_dict(self._learner.average.state_dict())
            self._best_step, self._best_loss = self._step, loss
            self._best_at = self._progress()

    def _judge_flow(self) -> None:
        """Do without the flow from now on if it does not help."""
        if self._flow.is_due(self._progress()) and not self._flow.helps(
            self._validation
        ):
            self._drop_flow()

    def _drop_flow(self) -> None:
        for net in (self._learner.net, self._learner.average, self._best):
            net.drop_flow()
        network = {**self._plan.network, "flow": "none"}
        self._plan = replace(self._plan, network=network)
        self._best_loss = math.inf  # it was measured with the flow
        self._validate()

    def _validation_is_due(self, at: float) -> bool:
        if self._flow.is_due(self._progress()):
            return True
        steps = self._settings.steps
        if steps is not None:
            return self._step % max(steps // VALIDATIONS, 1) == 0
        return self._elapsed() >= at

    def _has_converged(self) -> bool:
        since_best = sum(step > self._best_step for step, _ in self._history)
        waited = self._progress() - self._best_at
        calm = self._progress() > CALM
        return calm and since_best >= PATIENT_VALIDATIONS and waited > PATIENCE

    def _is_over(self) -> bool:
        if self._settings.steps is not None:
            return self._step >= self._settings.steps
        # one more step must still fit
        trained = self._step > 0 or self._is_warm
        return trained and not self._has_time(0, self._step_seconds)

    def _has_time(self, validations: float, seconds: float = 0.0) -> bool:
        """Whether there is time for some work, and for what ends a training."""
        if self._settings.steps is not None:
            return True
        # the last weights are measured, and then what speaks against the best ones
        needed = seconds + (validations + 2) * self._validation_seconds
        return self._elapsed() + needed <= self._budget

    def _pixels_to_look_at(self) -> int | None:
        """Pixels that may be denoised for a user who looks on; None: any number."""
        if self._pace is None:
            return None
        left = self._budget - self._elapsed() - 2 * self._validation_seconds
        seconds = min(LOOK_SHARE * 60 * self._settings.minutes, left)
        return int(max(seconds, 0.0) / self._pace.first)

    def _progress(self) -> float:
        steps = self._settings.steps
        if steps is not None:
            return self._step / steps
        return min(self._elapsed() / self._budget, 1.0)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began + self._resumed_at

    @property
    def _budget(self) -> float:
        """Seconds until training must be over."""
        whole = 60 * self._settings.minutes
        if not self._denoising_follows:
            return whole
        return whole - min(self._denoising_seconds, LARGEST_RESERVE * whole)

    def _measured(self) -> Pace:
        most = PACE_SHARE * 60 * self._settings.minutes
        return measure_pace(
            self._learner.average,
            self._plan.calibrations,
            self._stacks[0],
            joint=self._plan.joint,
            device=self._device,
            precision=self._precision,
            most_seconds=min(most, MOST_SECONDS),
        )

    def _estimate_denoising(self) -> None:
        if not self._denoising_follows or self._pace is None:
            self._self_ensemble = bool(self._settings.self_ensemble)
            return
        net = self._learner.average
        seconds = sum(
            movie_seconds(self._pace, net, stack, self._device)
            for stack in self._stacks
        )
        whole, views = 60 * self._settings.minutes, count_views(self._plan.hole)
        asked = self._settings.self_ensemble
        if asked is None:
            asked = views * seconds < ENSEMBLE_SHARE * whole
        self._self_ensemble = asked
        self._denoising_seconds = seconds * (views if asked else 1)

    def _summary(self) -> str:
        net = self._learner.net
        kind = {torch.bfloat16: "bfloat16"}.get(self._precision, "float32")
        start = ", from the shipped weights" if self._is_warm else ""
        clips = f", {self._batch} clips at once" if self._batch_was_found else ""
        reason = f" (chosen because {self._plan.reason})" if self._plan.reason else ""
        return (
            f"{net.title}, {net.size}, hole {net.hole[0]}x{net.hole[1]}, on "
            f"{self._device} in {kind}{clips}{start}{reason}"
        )

    def _denoiser(self, reason: str) -> Denoiser:
        record = {
            "settings": self._settings.model_dump(mode="json"),
            "movies": [
                {
                    "source": stack.source,
                    "axes": stack.axes,
                    "shape": list(stack.shape),
                    "pixel": pixel_sizes(stack),
                    "fingerprint": stack.fingerprint(),
                }
                for stack in self._stacks
            ],
            "diagnoses": self._plan.to_dict()["diagnoses"],
            "seconds": round(self._elapsed(), 1),
            "steps": self._step,
            "ended": reason,
            "best_step": self._best_step,
            "best_validation": self._best_loss,
            "noise_removed": self._validation.noise_removed,
        }
        net = copy.deepcopy(self._best).cpu().eval()
        return Denoiser(
            net,
            self._plan.calibrations,
            self._plan.joint,
            self._self_ensemble,
            record,
        )


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _explained(error: Exception, device: torch.device) -> Exception:
    if is_out_of_memory(error):
        explained = MemoryError(
            f"training ran out of memory on {device}; choose a smaller network or "
            "patch, or another device"
        )
        explained.__cause__ = error
        return explained
    return error
