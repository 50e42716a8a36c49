"""The time that a training has, and what still fits into it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.inference.stage_pace import StagePace
from napari_udvd.training.estimate import movie_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_udvd.inference.request import Request
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack
    from napari_udvd.training.estimate import Pace

__all__ = ["Budget", "Reserve", "reserve", "with_time_left"]

VALIDATION_SHARE = 0.05
"""Share of the time that measuring the validation loss may take."""

VALIDATIONS = 24
"""How often the validation loss is measured at most."""

ENSEMBLE_SHARE = 0.2
"""Share of the budget that a self-ensemble may take: it gains less than training."""

STAGE_SHARE = 0.5
"""Share of the budget beyond which denoising does without its second stage: training
gains more."""

LARGEST_RESERVE = 0.7
"""Share of the budget that denoising afterwards may claim."""


class Reserve(NamedTuple):
    """What is to be done after training.

    Attributes
    ----------
    seconds
        That it takes; None where nothing follows.
    self_ensemble
        The result is averaged over all mirrored and turned views, not the fewest.
    second_stage
        Events are looked for and the result is refined, unless somebody says no.
    views_are_given
        A user said how many views the result is averaged over.
    remarks
        What a user should know of it.
    single_view
        The result is that of one view, not averaged over the fewest that the network
        needs.
    """

    seconds: float | None
    self_ensemble: bool
    second_stage: bool
    views_are_given: bool = False
    remarks: tuple[str, ...] = ()
    single_view: bool = False


def reserve(
    net: Network,
    pace: Pace,
    stacks: Sequence[Stack],
    device: torch.device,
    *,
    self_ensemble: bool | None,
    follows: Request,
    minutes: float,
) -> Reserve:
    """Estimate what denoising the movies takes, and what of it fits.

    Parameters
    ----------
    net
        Denoises.
    pace
        Of the network on the device.
    stacks
        Are denoised.
    device
        Where.
    self_ensemble
        A user's word on that; if there is time for it if None.
    follows
        How the movies are restored: a user's word on the second stage.
    minutes
        Of training and denoising.
    """
    found = _with_stages(
        net,
        pace,
        stacks,
        device,
        self_ensemble=self_ensemble,
        follows=follows,
        minutes=minutes,
    )
    budget, needed = 60 * minutes, found.seconds
    assert needed is not None
    may_choose = not found.self_ensemble and follows.single_view is None
    if needed <= STAGE_SHARE * budget or net.least_views == 1 or not may_choose:
        return found
    used = pace if found.second_stage else pace._replace(stage=StagePace())
    single = sum(
        movie_seconds(used, net, stack, device, single_view=True) for stack in stacks
    )
    remark = (
        f"there is no time for the {net.least_views} views of the movie that a result "
        f"is averaged over: denoising would take {needed:.3g} s of {budget:.3g} s, and "
        f"with one view {single:.3g} s; give it more minutes, or apply the model that "
        "was saved, which takes the time it needs"
    )
    return found._replace(
        seconds=single, single_view=True, remarks=(*found.remarks, remark)
    )


def _with_stages(
    net: Network,
    pace: Pace,
    stacks: Sequence[Stack],
    device: torch.device,
    *,
    self_ensemble: bool | None,
    follows: Request,
    minutes: float,
) -> Reserve:
    """Decide about the second stage and all views, see :func:`reserve`."""
    budget = 60 * minutes

    def seconds(pace: Pace, every_view: bool) -> float:
        return sum(
            movie_seconds(pace, net, stack, device, self_ensemble=every_view)
            for stack in stacks
        )

    given = self_ensemble is not None
    if self_ensemble is None:
        self_ensemble = seconds(pace, True) < ENSEMBLE_SHARE * budget
    whole = seconds(pace, self_ensemble)
    is_open = None in (follows.events, follows.refine)
    if not is_open or whole <= STAGE_SHARE * budget:
        return Reserve(whole, self_ensemble, True, given)
    plain = seconds(pace._replace(stage=StagePace()), self_ensemble)
    if plain == whole:
        return Reserve(whole, self_ensemble, True, given)
    remark = (
        "there is no time to look for events of a single frame and to refine the "
        f"result: with both, denoising would take {whole:.3g} s of {budget:.3g} s, and "
        f"without {plain:.3g} s; give it more minutes, or ask for `events` or `refine`"
    )
    return Reserve(plain, self_ensemble, False, given, (remark,))


def with_time_left(
    after: Reserve,
    budget: Budget,
    net: Network,
    pace: Pace | None,
    stacks: Sequence[Stack],
) -> Reserve:
    """Spend time that training did not need on all views, where it is enough for them.

    Parameters
    ----------
    after
        What was to be done.
    budget
        Of the training, which ends now.
    net, pace, stacks
        As for :func:`reserve`; the pace is None where nobody keeps time.
    """
    if after.views_are_given or after.self_ensemble or pace is None:
        return after
    if after.seconds is None or not budget.is_timed:
        return after
    device = next(net.parameters()).device
    # what ends a training takes its time as well
    left = budget.whole - budget.elapsed - budget.ending
    used = pace if after.second_stage else pace._replace(stage=StagePace())
    seconds = sum(
        movie_seconds(used, net, stack, device, self_ensemble=True) for stack in stacks
    )
    if seconds > left:
        return after
    remark = (
        "training ended before its time, since no better weights were to be expected; "
        "the time left is spent on the average over all mirrored and turned views"
    )
    return after._replace(
        seconds=seconds, self_ensemble=True, remarks=(*after.remarks, remark)
    )


class Budget:
    """Minutes on the clock or a number of steps, and how much of it is used.

    Parameters
    ----------
    minutes
        Until training must be over, and what follows it.
    steps
        Steps to take instead, whatever the clock says; None to go by the clock.
    began
        Time of the monotonic clock at which the training began.

    Attributes
    ----------
    step
        Steps taken.
    resumed_at
        Seconds that an interrupted run had taken before.
    reserve
        Seconds that are needed afterwards.
    step_seconds, validation_seconds
        What a step and a measurement of the validation loss take, as seen last.
    judgements
        Measurements of frames held out that the end of the training needs besides that
        of the last weights and of what speaks against the best ones; with one it is
        known whether their standard deviations are to be doubted.
    closing
        Seconds that it needs besides.
    """

    def __init__(self, minutes: float, steps: int | None, began: float) -> None:
        self._minutes, self._steps, self._began = minutes, steps, began
        self.step = 0
        self.resumed_at = self.reserve = 0.0
        self.step_seconds = self.validation_seconds = 0.0
        self.judgements, self.closing = 1, 0.0

    @property
    def is_timed(self) -> bool:
        """Whether the clock says when it is over."""
        return self._steps is None

    @property
    def whole(self) -> float:
        """Seconds of training and what follows."""
        return 60 * self._minutes

    @property
    def seconds(self) -> float:
        """Seconds until training must be over."""
        return self.whole - min(self.reserve, LARGEST_RESERVE * self.whole)

    @property
    def elapsed(self) -> float:
        """Seconds that are used, those of an interrupted run among them."""
        return time.monotonic() - self._began + self.resumed_at

    @property
    def progress(self) -> float:
        """Share that is used, from 0 to 1."""
        if self._steps is not None:
            return self.step / self._steps
        return min(self.elapsed / self.seconds, 1.0)

    @property
    def left(self) -> float | None:
        """Seconds that training may still take; None where steps are counted."""
        return max(self.seconds - self.elapsed, 0.0) if self.is_timed else None

    @property
    def expected_steps(self) -> float:
        """Steps that there will be in all, if they go on as they do."""
        if self._steps is not None:
            return self._steps
        if not self.step_seconds:
            return math.inf
        return self.step + (self.seconds - self.elapsed) / self.step_seconds

    @property
    def ending(self) -> float:
        """Seconds of what ends a training."""
        return self.closing + (2 + self.judgements) * self.validation_seconds

    def has_time(self, validations: float, seconds: float = 0.0) -> bool:
        """Whether there is time for some work, and for what ends a training."""
        if not self.is_timed:
            return True
        needed = seconds + validations * self.validation_seconds + self.ending
        return self.elapsed + needed <= self.seconds

    def is_over(self, is_good: bool) -> bool:
        """Whether no further step fits.

        Parameters
        ----------
        is_good
            There are weights to put out without a step; else one is taken always.
        """
        if self._steps is not None:
            return self.step >= self._steps
        return (self.step > 0 or is_good) and not self.has_time(0, self.step_seconds)

    def next_validation(self, cost: float = 0.0) -> float:
        """Time at which the validation loss is due after one that cost so much."""
        return self.elapsed + max(cost / VALIDATION_SHARE, self.seconds / VALIDATIONS)

    def is_validation_due(self, at: float) -> bool:
        """Whether the validation loss is due, which the clock says at a time."""
        if self._steps is not None:
            return self.step % max(self._steps // VALIDATIONS, 1) == 0
        return self.elapsed >= at

    def share(self, share: float) -> float:
        """Seconds of a share of the whole; any number where steps are counted."""
        return share * self.whole if self.is_timed else math.inf

    def spare(self, share: float) -> float:
        """Seconds of a share of the whole that are left, and not needed at the end."""
        left = self.seconds - self.elapsed - self.ending
        return max(min(share * self.whole, left), 0.0)
