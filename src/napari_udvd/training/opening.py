"""The first picture of a training: shipped weights, before anything else is measured.

Whoever presses *Train* wants to see something. What the whole diagnosis, the noise
check and the measuring of the pace find does not change the picture much, so they come
after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_udvd.errors import InputError
from napari_udvd.models import build_network, catalogue
from napari_udvd.runtime.device import choose_precision
from napari_udvd.training.batches import movies_of
from napari_udvd.training.events import LivePreview, Preview
from napari_udvd.training.plan import make_plan
from napari_udvd.training.validation import Validation
from napari_udvd.training.warm_start import warm_start
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.inference.live_view import LiveView
    from napari_udvd.stack import Stack
    from napari_udvd.tasks import Task
    from napari_udvd.training.settings import TrainingSettings

__all__ = ["first_pictures"]

MOST_PIXELS = 320**2
"""Of what a user looks at: it shall not take longer than the rest."""


def first_pictures(
    stacks: Sequence[Stack],
    settings: TrainingSettings,
    device: torch.device,
    task: Task,
    live: LiveView | None,
) -> Iterator[Preview | LivePreview]:
    """Denoise a window, and what is on view, with the weights that are started from.

    Parameters
    ----------
    stacks, settings, task, live
        As for :func:`~napari_udvd.training.trainer.train_events`.
    device
        Where.

    Yields
    ------
    Preview, LivePreview
        Of step 0; nothing where training starts from scratch, or fills what was not
        measured: that is shown without any network.
    """
    if task.fills or settings.from_scratch or not _has_weights(settings.model):
        return
    try:
        plan = make_plan(stacks, settings, device.type == "cpu", task, glance=True)
    except InputError:  # whoever looks at all of it knows better, or says it better
        return
    stacks = [inspect(stack) for stack in stacks]
    with torch.random.fork_rng(devices=[]):  # leaves the caller's seed alone
        net = build_network(plan.name, plan.network)
    if not warm_start(net).done:
        return
    net, precision = net.to(device).eval(), choose_precision(device)
    validation = Validation(
        movies_of(stacks, plan.joint, task),
        plan.calibrations,
        task=task,
        context=net.geometry.context,
        device=device,
        precision=precision,
        most=1,
    )
    yield Preview(0, *validation.preview(net))
    if live is not None and live.is_due():
        view, denoised = live.denoise(
            net,
            plan.calibrations,
            plan.joint,
            device,
            precision,
            most=MOST_PIXELS,
            task=task,
        )
        yield LivePreview(0, view, denoised)


def _has_weights(model: str) -> bool:
    """Whether weights may be shipped for what a user chose."""
    return model == catalogue.AUTO or catalogue.find(model).weights is not None
