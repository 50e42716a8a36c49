"""A look at the result of the moment, made by the thread that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.inference.live_view import FEWEST_PIXELS
from napari_udvd.models import count_views
from napari_udvd.training.events import LivePreview

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.training.budget import Budget
    from napari_udvd.training.estimate import Pace
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.plan import Plan

__all__ = ["look"]

LOOK_SHARE = 0.05
"""Share of the budget that one look of a user's may take."""


def look(
    live: LiveView,
    learner: Learner,
    plan: Plan,
    budget: Budget,
    pace: Pace | None,
    device: torch.device,
) -> Iterator[LivePreview]:
    """Denoise what a user looks at, as much of it as there is time for.

    Parameters
    ----------
    live
        What a user looks at.
    learner, plan, budget, device
        Of the training.
    pace
        Of its network; None if time does not matter.

    Yields
    ------
    LivePreview
        One, or none where there is no time.
    """
    most = None  # any number of pixels
    if pace is not None:
        per_pixel = count_views(learner.average) * pace.first
        most = int(budget.spare(LOOK_SHARE) / per_pixel)
        if most < FEWEST_PIXELS:
            return
    view, denoised = live.denoise(
        learner.average,
        plan.calibrations,
        plan.joint,
        device,
        learner.precision,
        most=most,
        task=learner.task,
    )
    yield LivePreview(budget.step, view, denoised)
