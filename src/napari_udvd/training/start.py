"""What a training starts from: nothing, the shipped weights, or a user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_udvd.training.warm_start import (
    load_flow,
    outside_of_training,
    warm_start,
)

if TYPE_CHECKING:
    from napari_udvd.models import Recipe
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.plan import Plan
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["Start", "begin"]


class Start(NamedTuple):
    """How a training begins.

    Attributes
    ----------
    is_warm
        The network holds the shipped weights.
    rate
        Highest learning rate.
    remarks
        What a user should know, one sentence each.
    """

    is_warm: bool
    rate: float
    remarks: tuple[str, ...] = ()


def begin(
    learner: Learner, settings: TrainingSettings, plan: Plan, course: Recipe
) -> Start:
    """Give a network the shipped weights where there are any, or a user's.

    Parameters
    ----------
    learner
        Of the network; its average begins with the same weights.
    settings, plan
        Of the training.
    course
        Learning rates that suit the network.
    """
    net, rate = learner.net, settings.learning_rate or course.rate
    if (flow_weights := settings.network.published_flow) is not None:
        load_flow(net, flow_weights)
        learner.average.load_state_dict(net.state_dict())
    if settings.from_scratch:
        return Start(False, rate)
    warm = warm_start(net)
    # where it is not, a part of it may have been given weights all the same
    learner.average.load_state_dict(net.state_dict())
    remarks = [warm.remark] if warm.remark else []
    if warm.done:
        rate = settings.learning_rate or course.warm_rate
        if unlike := outside_of_training(plan.calibrations):
            remarks.append(unlike)
    return Start(warm.done, rate, tuple(remarks))
