"""A network that is taught by its own result, where the movie itself teaches little.

In a dim movie the noisy pixels hardly tell a good network from an excellent one: the
error of a result is a thousandth of the noise, and steps that follow the noise undo
what they win. So the best result after a while is taken as truth, gets the noise of
the movie anew in every step (see `lessons`), and the network learns once more, from
the weights it began with. Where there is more light it is the other way round: what the
result lacks, the student never sees. So it is done for dim movies only, and kept only
if frames held out, of which nothing went into the lessons, do not contradict.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

from napari_udvd.tasks import DENOISE
from napari_udvd.training.best import Best
from napari_udvd.training.learner import Learner
from napari_udvd.training.lessons import (
    MOST_PIXELS,
    Lesson,
    Lessons,
    Supervision,
    make_lessons,
)
from napari_udvd.training.warm_start import warm_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from napari_udvd.models import Network
    from napari_udvd.tasks import Task
    from napari_udvd.training.budget import Budget
    from napari_udvd.training.estimate import Pace
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.sampling import Movie
    from napari_udvd.training.settings import TrainingSettings
    from napari_udvd.training.validation import Validation

__all__ = ["Distillation"]

DIM = 0.005
"""Variance of a result relative to the noise, as the shipped weights expect it, below
which a movie is dim."""

SHARE = 0.4
"""Share of the training after which the result is taken as truth."""

PREPARING = 0.15
"""Share of the time that making lessons may take."""

LOOKED_AT = 5
"""Steps after which it is decided: then is known how long a step takes."""

LEAST_STEPS = 100
"""Steps of a training that are worth dividing."""

FEWEST = 40
"""Steps, and ..."""
HALF = 0.5
"""... share of its course that a student must have behind it to be judged at all."""

LEAST_PIXELS = 2**18
"""Pixels of lessons from which something general can be learned."""

SURE = 1.0
"""Standard errors by which frames held out must speak against the student of a dim
movie, where they can hardly tell it from its teacher and students are nearly always
better; and by which they must speak for any other."""


class Distillation:
    """Whether, when and how a training goes on with a student.

    Parameters
    ----------
    movies, plan, settings
        Of the training.
    pace
        How fast the network denoises; None where nobody keeps time.
    views
        Of which lessons are the average.
    task
        What the network learns.

    Attributes
    ----------
    is_warm
        The training began with the shipped weights.
    remarks
        What a user should know of it, one sentence each.
    record
        What is kept of it in the model: nothing where it was not done.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        plan: Plan,
        settings: TrainingSettings,
        pace: Pace | None,
        views: int,
        task: Task = DENOISE,
    ) -> None:
        self._movies, self._plan, self._settings = movies, plan, settings
        self._seconds_per_pixel = 0.0 if pace is None else views * pace.first
        self.is_warm, self._task = False, task
        self._is_decided = settings.distil is False
        self._share: float | None = None
        self._pixels = MOST_PIXELS
        self._began: tuple[int, float] | None = None
        self._lessons: list[Lesson] = []
        self.remarks: tuple[str, ...] = ()
        self.record: dict[str, Any] = {}

    @property
    def is_on(self) -> bool:
        """Whether it is a student that learns."""
        return self._began is not None

    def consider(self, budget: Budget, net: Network, validation: Validation) -> None:
        """Decide, once, whether there will be a student.

        Parameters
        ----------
        budget
            Tells how many steps there will be.
        net
            The best weights so far, which are the shipped ones or hardly others.
        validation
            Knows the frames held out.
        """
        if self._is_decided or budget.step < LOOKED_AT:
            return
        self._is_decided = True
        asked = bool(self._settings.distil)
        self._pixels = self._affordable(budget)
        reason = self._refusal(budget)
        if reason and asked:
            self.remarks = (f"the network was not taught by its own result: {reason}",)
        light = math.inf if reason else validation.signal(net)
        if reason or not (asked or light < DIM):
            return
        self._share = SHARE
        self.record = {"signal": light}

    def _refusal(self, budget: Budget) -> str:
        """Say why there can be no student; nothing where there can."""
        if self._task.fills:
            return "there is no noise to add anew where nothing was measured"
        if not self.is_warm:
            return "it did not start from the shipped weights"
        if not any(movie.held_out for movie in self._movies):
            return "no frame can be spared to judge it"
        if budget.expected_steps < LEAST_STEPS or self._pixels < LEAST_PIXELS:
            return "time is too short"
        return ""

    def is_due(self, budget: Budget) -> bool:
        """Tell whether the result so far is to be taken as truth now."""
        due = self._share is not None and self._began is None
        return due and budget.progress >= (self._share or 0.0)

    def prepare(self, teacher: Network, precision: torch.dtype) -> Iterator[None]:
        """Make what the student learns from; yields after every frame.

        Parameters
        ----------
        teacher
            With the weights whose result is taken as truth.
        precision
            Floating-point type that it computes in.
        """
        for done in make_lessons(
            teacher,
            self._movies,
            self._plan.calibrations,
            next(teacher.parameters()).device,
            precision,
            self._pixels,
        ):
            self._lessons = done
            yield

    def begin(
        self, teacher: Learner, size: int, budget: Budget
    ) -> tuple[Learner, Lessons]:
        """Return the student, with the shipped weights, and its batches of a size.

        After :meth:`prepare`.
        """
        net = copy.deepcopy(teacher.net)
        warm_start(net)
        student = Learner(
            net, teacher.precision, Supervision(), devices=teacher.devices
        )
        batches = Lessons(
            self._lessons,
            context=net.margin,
            patch=self._settings.patch,
            transpose=net.hole[0] == net.hole[1],
            size=size,
            seed=self._settings.seed,
        )
        if self._began is None:
            self._began = budget.step, budget.progress
        budget.judgements += 2  # teacher and student
        return student, batches

    def course(self, step: int, progress: float) -> tuple[int, float]:
        """Return step and progress of whoever learns, for the learning rate."""
        if self._began is not None:
            first, since = self._began
            return step - first, (progress - since) / max(1 - since, 1e-9)
        if self._share is not None:
            return step, min(progress / self._share, 1.0)
        return step, progress

    def judged(
        self, best: Best, student: Network, budget: Budget, validation: Validation
    ) -> Best:
        """Return the better of teacher and student, if there is one.

        Parameters
        ----------
        best
            The teacher.
        student
            Its weights of the moment.
        budget
            Tells how far the training went.
        validation
            Knows the frames held out.
        """
        steps, progress = self.course(budget.step, budget.progress)
        if not self.is_on or steps < FEWEST or progress < HALF:
            return best
        gain, error = validation.advantage(student, best.net)
        is_dim = self.record["signal"] < DIM
        kept = gain > (-SURE if is_dim else SURE) * error
        self.record |= {"kept": kept, "gain": gain, "error": error, "step": best.step}
        said = f"(their loss per pixel is lower by {gain:.1e} ± {error:.0e})"
        why = "the movie is so dim that its pixels teach little; the network was "
        if not is_dim:
            why = "as asked for, the network was "
        end = (
            f"this was kept, judged by frames held out {said}"
            if kept
            else f"this was not kept, judged by frames held out {said}: the result is "
            "that of before"
        )
        how = f"taught by its own result of step {best.step} with noise added anew; "
        self.remarks = (why + how + end,)
        if not kept:
            return best
        found = Best(student)
        found.history = best.history
        measured, loss = best.history[-1]
        found.step = budget.step
        found.loss = loss if measured == found.step else validation.loss(student)
        return found

    def state(self) -> dict[str, Any]:
        """Return entries of a checkpoint's header, which :meth:`restore` needs."""
        return {
            "distillation": {
                "is_warm": self.is_warm,
                "is_decided": self._is_decided,
                "share": self._share,
                "pixels": self._pixels,
                "began": self._began,
                "record": self.record,
                "remarks": self.remarks,
            }
        }

    def restore(self, header: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        saved = header.get("distillation")
        if saved is None:  # of an earlier version
            self._is_decided = True
            return
        self.is_warm, self._is_decided = saved["is_warm"], saved["is_decided"]
        self._share = saved["share"]
        self._pixels, self.record = saved["pixels"], saved["record"]
        self._began = saved["began"] and (saved["began"][0], saved["began"][1])
        self.remarks = tuple(saved["remarks"])

    def _affordable(self, budget: Budget) -> int:
        """Pixels of lessons that there is time for."""
        if not (budget.is_timed and self._seconds_per_pixel):
            return MOST_PIXELS
        most = PREPARING * budget.seconds / self._seconds_per_pixel
        return min(int(most), MOST_PIXELS)
