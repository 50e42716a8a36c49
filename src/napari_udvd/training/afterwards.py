"""What follows a training, and the time that is set aside for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_udvd.inference.request import EXACT
from napari_udvd.training.budget import Reserve, reserve, with_time_left
from napari_udvd.training.estimate import MOST_SECONDS, measure_pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.inference.request import Request
    from napari_udvd.stack import Stack
    from napari_udvd.training.budget import Budget
    from napari_udvd.training.estimate import Pace
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.plan import Plan

__all__ = ["Afterwards"]

PACE_SHARE = 0.02
"""Share of the budget for measuring how long denoising takes."""

AGAIN = 0.5
"""Share of the training after which it is measured again ..."""

WORTH = 0.05
"""... where so large a share of the budget is set aside: before a training begins
nothing is warm yet, and a machine that was busy then may be idle now."""


class Afterwards:
    """Denoising that follows a training.

    Parameters
    ----------
    learner
        That learns; its average denoises.
    plan, stacks
        Of the training.
    follows
        How the stacks are restored; None if they are not.
    self_ensemble
        A user's word on the average over all views; if there is time for it if None.
    budget
        Of both. How much of it is set aside is written there. Where it is a number of
        steps, the clock decides nothing: the second stage follows, and all views where
        a user asked for them.

    Attributes
    ----------
    pace
        How fast the network denoises; None where nobody keeps time.
    reserve
        What is to be done.
    """

    def __init__(
        self,
        learner: Learner,
        plan: Plan,
        stacks: Sequence[Stack],
        follows: Request | None,
        self_ensemble: bool | None,
        budget: Budget,
    ) -> None:
        self._learner, self._plan, self._stacks = learner, plan, stacks
        self._follows, self._asked, self._budget = follows, self_ensemble, budget
        self._device = next(learner.net.parameters()).device
        self.pace = None
        if budget.is_timed or follows is not None:
            self.pace = self._measured()
        self.reserve = Reserve(None, bool(self_ensemble), second_stage=True)
        self._is_measured_again = not budget.is_timed or follows is None

    def set_aside(self) -> Reserve:
        """Decide what follows, and set time aside for it."""
        if self._follows is not None and self.pace is not None:
            self._keep(self._estimated(self._asked))
        return self.reserve

    def measure_again(self) -> None:
        """Correct the time that is set aside, once; what is done with it stays."""
        budget = self._budget
        if self._is_measured_again or budget.progress < AGAIN:
            return
        self._is_measured_again = True
        if budget.reserve >= WORTH * budget.whole:
            self.pace = self._measured()
            again = self._estimated(self.reserve.self_ensemble)
            if (again.second_stage, again.single_view) == (
                self.reserve.second_stage,
                self.reserve.single_view,
            ):
                self._keep(self.reserve._replace(seconds=again.seconds))

    def end_early(self) -> None:
        """Find a use for the time that training leaves."""
        net = self._learner.average
        self.reserve = with_time_left(
            self.reserve, self._budget, net, self.pace, self._stacks
        )

    def _keep(self, found: Reserve) -> None:
        self.reserve = found
        self._budget.reserve = found.seconds or 0.0

    def _measured(self) -> Pace:
        return measure_pace(
            self._learner.average,
            self._plan.calibrations,
            self._stacks[0],
            joint=self._plan.joint,
            device=self._device,
            precision=self._learner.precision,
            most_seconds=min(PACE_SHARE * self._budget.whole, MOST_SECONDS),
            task=self._learner.task,
            asked=EXACT if self._follows is None else self._follows,
        )

    def _estimated(self, self_ensemble: bool | None) -> Reserve:
        assert self.pace is not None and self._follows is not None
        minutes = self._budget.whole / 60
        if not self._budget.is_timed:
            # the same steps make the same result, however busy the machine is
            self_ensemble, minutes = bool(self_ensemble), math.inf
        return reserve(
            self._learner.average,
            self.pace,
            self._stacks,
            self._device,
            self_ensemble=self_ensemble,
            follows=self._follows,
            minutes=minutes,
        )
