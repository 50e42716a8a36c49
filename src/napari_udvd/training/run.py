"""The loop of a training: steps, measurements, previews and checkpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_udvd.errors import OutputError, TrainingFailed
from napari_udvd.models import build_network, count_views
from napari_udvd.models.catalogue import find
from napari_udvd.runtime.device import choose_devices, choose_precision
from napari_udvd.training.afterwards import Afterwards
from napari_udvd.training.batches import Batches, make_batches, movies_of
from napari_udvd.training.best import Best
from napari_udvd.training.budget import Budget
from napari_udvd.training.checkpoint import write_checkpoint
from napari_udvd.training.companions import find_companion
from napari_udvd.training.distillation import Distillation
from napari_udvd.training.events import (
    Checkpoint,
    Finished,
    LivePreview,
    Preview,
    Step,
    TrainingEvent,
)
from napari_udvd.training.learner import Learner
from napari_udvd.training.looking import look
from napari_udvd.training.losses import LossCurve
from napari_udvd.training.optimiser import rate_at
from napari_udvd.training.plain import MEASUREMENTS, begin_plainly, end_plainly
from napari_udvd.training.record import course, started, trained
from napari_udvd.training.short import doubted
from napari_udvd.training.start import Start, begin
from napari_udvd.training.std_factors import with_std_factors
from napari_udvd.training.validation import Validation, affordable

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task
    from napari_udvd.training.budget import Reserve
    from napari_udvd.training.lessons import Lessons
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.resume import SavedRun
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Run"]

WARM_UP_STEPS = 20
"""Steps over which the learning rate rises."""

FINAL_RATE = 0.03
"""Learning rate at the end of the budget, as a fraction of its peak."""

STD_SHARE = 0.03
"""Share of the budget that calibrating the standard deviation may take."""

VALIDATION_COST = 0.04
"""Share of the budget that one measurement of the validation loss may take; fewer and
smaller windows are measured where all of them would take longer."""

BATCH_SHARE = 0.03
"""Share of the budget for finding how many clips at once suit a card."""

JUDGING = 4
"""Measurements of the validation loss that judging a companion takes as long as."""


class Run:
    """A training: what learns, what it learns from, and what is known of it so far.

    Parameters
    ----------
    stacks, settings, follows, task
        As for :func:`~napari_udvd.training.trainer.train_events`.
    plan
        What is trained.
    device
        Where.
    began
        Time of the monotonic clock at which it began.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        settings: TrainingSettings,
        plan: Plan,
        device: torch.device,
        began: float,
        follows: Request | None,
        task: Task,
    ) -> None:
        self._settings, self._device, self._stacks = settings, device, stacks
        with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
            torch.manual_seed(settings.seed)
            net = build_network(plan.name, plan.network).to(device)
        # what a checkpoint holds must not change with the defaults of a network
        self._plan = plan.as_built(net)
        devices = choose_devices(settings.device)
        self._learner = Learner(net, choose_precision(device), task, devices=devices)
        self._best = Best(self._learner.average)
        self._companion = find_companion(self._learner)
        recipe = find(plan.name).recipe
        self._movies = movies = movies_of(stacks, plan.joint, task)
        self._batches: Batches | Lessons = make_batches(
            movies, plan, settings, recipe, self._learner, device
        )
        self._losses = LossCurve()
        self._budget = budget = Budget(settings.minutes, settings.steps, began)
        if task.fills:
            budget.judgements = MEASUREMENTS
            budget.closing = budget.share(STD_SHARE) if budget.is_timed else 0.0
        self._afterwards = Afterwards(
            self._learner, plan, stacks, follows, settings.self_ensemble, budget
        )
        pace = self._afterwards.pace
        # fairly, with and without its noise
        looks = 2 if net.geometry.recurrent else 1
        per_pixel = 0.0 if pace is None else looks * pace.first
        edge, most = affordable(per_pixel, budget.share(VALIDATION_COST))
        self._validation = Validation(
            movies,
            plan.calibrations,
            task=task,
            context=net.geometry.context,
            device=device,
            precision=self._learner.precision,
            edge=edge,
            most=most,
        )
        self._distillation = Distillation(
            movies, self._plan, settings, pace, count_views(net, True), task
        )
        self._start = Start(False, settings.learning_rate or recipe.rate)

    def start_warm(self) -> None:
        """Begin with the shipped weights where there are any, or a user's."""
        recipe = find(self._plan.name).recipe
        start = begin(self._learner, self._settings, self._plan, recipe)
        self._distillation.is_warm = start.is_warm
        self._start = begin_plainly(start, self._learner, self._validation)

    def choose_batch(self) -> None:
        """Learn from as many clips at once as suit the card, if nobody said how many.

        The learning rate stays: less noise in a step allows a larger one, but the rates
        were found for what is started from, and for so few steps. Where steps are
        counted the run shall be one that can be repeated, so no clock may decide.
        """
        given = self._settings.batch or not self._budget.is_timed
        if self._device.type == "cuda" and not given:
            assert isinstance(self._batches, Batches)
            self._batches.suit(self._learner, BATCH_SHARE * self._budget.whole)

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
            self._batches.close()

    def _events(
        self,
        checkpoint: Path | None,
        cancel: threading.Event,
        live: LiveView | None,
    ) -> Iterator[TrainingEvent]:
        budget, best, distillation = self._budget, self._best, self._distillation
        if self._start.is_warm:  # the shipped weights are the first to be judged
            self._validate()
        after, pace = self._afterwards.set_aside(), self._afterwards.pace
        yield started(
            self._learner, self._plan, self._start, budget, self._batches, after, pace
        )
        if self._start.is_warm:
            yield Preview(0, *self._validation.preview(self._learner.average))
            yield from self._look(live)
        next_validation = budget.next_validation()
        next_checkpoint = budget.elapsed + self._settings.checkpoint_seconds
        was_saved, reason = False, "budget"
        while not budget.is_over(self._start.is_warm):
            if distillation.is_due(budget):
                self._teach(cancel)
            if not distillation.is_due(budget):  # it was not cancelled
                self._train_step()
            self._afterwards.measure_again()
            distillation.consider(budget, best.net, self._validation)
            yield Step(
                budget.step,
                budget.progress,
                budget.elapsed,
                self._losses.value,
                best.latest,
            )
            is_due = self._companion.is_due(budget.progress)
            if is_due and not budget.has_time(JUDGING):
                self._companion.give_up()
                self._do_without_companion()
            if self._validation_is_due(next_validation) and budget.has_time(1):
                before = budget.elapsed
                self._validate()
                average = self._learner.average
                yield Preview(budget.step, *self._validation.preview(average))
                cost = budget.elapsed - before
                self._judge_companion()
                next_validation = budget.next_validation(cost)
            yield from self._look(live)
            stop = cancel.is_set()
            is_due = budget.elapsed > next_checkpoint and not stop
            if checkpoint is not None and is_due:
                try:
                    self._save(checkpoint)
                    was_saved = True
                    yield Checkpoint(budget.step, checkpoint)
                except OutputError:
                    if not was_saved:  # better told at once than after hours
                        raise
                next_checkpoint = budget.elapsed + self._settings.checkpoint_seconds
            if stop:
                reason = "cancelled"
                break
            if best.is_final(budget.progress) and not distillation.is_on:
                reason = "converged"
                break
        if reason == "converged":
            self._afterwards.end_early()
        after = self._afterwards.reserve
        measured = best.history[-1][0] if best.history else -1
        if measured < (0 if reason == "cancelled" else budget.step):
            self._validate()
        if not math.isfinite(best.loss):
            raise TrainingFailed(
                "the validation loss is not finite; try a lower learning rate"
            )
        validation, average = self._validation, self._learner.average
        best = distillation.judged(best, average, budget, validation)
        best, plainly = end_plainly(best, validation)
        remarks = (*after.remarks, *plainly)
        warnings, noise_removed = validation.verdict(best.net)
        if checkpoint is not None:
            try:
                self._save(checkpoint, ended=reason)
                yield Checkpoint(budget.step, checkpoint)
            except OutputError as error:
                # what was learned is worth more than its copy
                warnings = (*warnings, f"the state was not saved: {error}")
        yield Finished(
            self._trained(best, reason, noise_removed, after),
            reason,
            best.step,
            best.loss,
            warnings,
            (*self._companion.remarks, *distillation.remarks, *remarks),
            noise_removed,
            tuple(best.history),
            budget.step,
        )

    def restore(self, saved: SavedRun) -> None:
        """Continue where the checkpoint was written."""
        header, tensors = saved
        self._best.restore(tensors["best"], header)
        self._distillation.restore(header)
        if self._distillation.is_on:  # the best weights are those of the teacher
            self._teach()
        self._learner.restore(tensors, header["adam_steps"])
        self._companion.restore(tensors, header)
        self._start = Start(False, header["rate"])
        self._batches.restore(header, keep_size=bool(self._settings.batch))
        self._losses.value = header["loss"]
        self._budget.step = header["step"]
        self._budget.resumed_at = header["elapsed"]

    def _look(self, live: LiveView | None) -> Iterator[LivePreview]:
        if live is not None and live.is_due():
            yield from look(
                live,
                self._learner,
                self._plan,
                self._budget,
                self._afterwards.pace,
                self._device,
            )

    def _save(self, path: Path, ended: str = "") -> None:
        self._losses.read()
        self._learner.settle()
        header = {
            "task": self._learner.task.name,
            "adam_steps": self._learner.steps,
            **self._companion.state(),
            "rate": self._start.rate,
            "movies": [stack.fingerprint() for stack in self._stacks],
            "settings": self._settings.model_dump(),
            "plan": self._plan.to_dict(),
            "step": self._budget.step,
            "ended": ended,
            "elapsed": self._budget.elapsed,
            "loss": self._losses.value,
            **self._best.state(),
            **self._batches.state,
            **self._distillation.state(),
        }
        tensors = {
            **self._learner.tensors(),
            **self._companion.tensors(),
            "best": self._best.net.state_dict(),
        }
        write_checkpoint(path, tensors, header)

    def _train_step(self) -> None:
        """Take a step, and take account of what is known of it and those before."""
        before = self._budget.elapsed
        self._learn()
        read = self._losses.is_due(self._budget.step_seconds)
        if read:
            self._losses.read()
        self._losses.spend(self._budget.elapsed - before)
        if read:
            self._budget.step_seconds = self._losses.seconds_per_step()

    def _learn(self) -> None:
        drawn = self._batches.next()
        self._budget.step += 1
        step = self._budget.step
        if drawn is None:
            # without a target there is no loss: held-out frames only
            self._losses.add(step, None)
            return
        self._companion.prepare()
        of_learner, progress = self._distillation.course(step, self._budget.progress)
        rate = rate_at(
            self._start.rate,
            of_learner,
            progress,
            warm_up=WARM_UP_STEPS,
            final=FINAL_RATE,
        )
        loss = self._learner.learn(drawn.batch, rate)
        self._losses.add(step, loss)
        # what is on a card is not waited for: a companion looks at its own loss
        if isinstance(loss, torch.Tensor) or math.isfinite(loss):
            self._companion.learn(drawn.batch, drawn.is_target, self._budget.progress)

    def _validate(self) -> None:
        budget, before = self._budget, self._budget.elapsed
        loss = self._validation.loss(self._learner.average)
        budget.validation_seconds = budget.elapsed - before
        if self._distillation.is_on:
            self._best.note(budget.step, loss)
        else:
            average = self._learner.average
            self._best.consider(average, budget.step, loss, budget.progress)

    def _teach(self, cancel: threading.Event | None = None) -> None:
        """Go on with a student of the best weights, unless it is cancelled before."""
        if self._best.history[-1][0] < self._budget.step:
            self._validate()
        teacher, distillation = self._learner, self._distillation
        for _ in distillation.prepare(self._best.net, teacher.precision):
            if cancel is not None and cancel.is_set():
                return
        self._batches.close()
        size = self._batches.size
        self._learner, self._batches = distillation.begin(teacher, size, self._budget)
        self._losses = LossCurve()

    def _validation_is_due(self, at: float) -> bool:
        if self._companion.is_due(self._budget.progress):
            return True
        return self._budget.is_validation_due(at)

    def _judge_companion(self) -> None:
        """Do without the companion from now on if it does not help."""
        companion = self._companion
        if companion.is_due(self._budget.progress) and not companion.helps(
            self._validation
        ):
            self._do_without_companion()

    def _do_without_companion(self) -> None:
        for net in (self._learner.net, self._learner.average, self._best.net):
            net.drop_flow()
        self._plan = self._plan.as_built(self._learner.net)
        self._best.forget()  # it was measured with the companion
        self._validate()

    def _trained(
        self,
        best: Best,
        reason: str,
        noise_removed: float | None,
        after: Reserve,
    ) -> Denoiser:
        budget, calibrations = self._budget, self._plan.calibrations
        if self._learner.task.fills:
            calibrations = with_std_factors(
                calibrations,
                best.net,
                self._movies,
                self._learner.precision,
                is_told=self._settings.noise is not None,
                seconds=budget.share(STD_SHARE),
            )
        else:
            calibrations = doubted(calibrations, self._validation, best.net)
        return trained(
            best,
            self._plan,
            calibrations,
            self._settings,
            self._stacks,
            course(best, budget, reason, noise_removed, self._distillation.record),
            task=self._learner.task.name,
            after=after,
        )
