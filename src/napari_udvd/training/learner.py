"""A network that learns: its weights, their moving average and the optimiser."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_udvd.models import Clip
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.tasks import Batch
from napari_udvd.training.copies import Copies, sent
from napari_udvd.training.optimiser import NamedAdam, average_share, follow
from napari_udvd.training.parted_adam import PartedAdam

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_udvd.models import Network
    from napari_udvd.tasks import Task

__all__ = ["Learner"]

AVERAGE_DECAY = 0.98
"""Decay of the moving average of the weights; shorter at the beginning."""


class _Part(NamedTuple):
    """Loss of some clips, summed over the entries that count, and their mean."""

    loss: float
    entries: int
    mean: Tensor


class Learner:
    """Takes optimiser steps.

    Parameters
    ----------
    net
        The network that learns.
    precision
        Floating-point type of the convolutions.
    task
        What it learns.
    ahead
        Start the next step before the numbers of the last one are known, see
        :meth:`learn`. By default on CUDA devices, which idle while anybody waits for
        them.
    devices
        Those that learn together, the first with `net` on it and the others with
        copies: clips of a batch are shared out, and gradients summed. By default the
        one that the network is on.

    Attributes
    ----------
    net
        The network that learns.
    precision
        Floating-point type of the convolutions.
    task
        What it learns.
    average
        Moving average of its weights, which predicts better than the last of them.
    devices
        Those that learn together.
    predicted
        Clean frames that it saw in the last clips it learned from, or None.
    """

    def __init__(
        self,
        net: Network,
        precision: torch.dtype,
        task: Task,
        ahead: bool | None = None,
        devices: Sequence[torch.device] = (),
    ) -> None:
        self.net = net
        self.devices = tuple(devices)
        self._copies = Copies(net, self.devices) if len(self.devices) > 1 else None
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.precision, self.task = precision, task
        parameters = net.denoising_parameters()
        if ahead is None:
            on_card = any(parameter.is_cuda for parameter in parameters.values())
            ahead = on_card and self._copies is None
        self._adam: NamedAdam
        self._parted: PartedAdam | None = None
        if ahead:
            self._adam = NamedAdam(parameters, in_a_row=True)
        else:
            averages = list(self.average.denoising_parameters().values())
            self._parted = PartedAdam(parameters, averages, AVERAGE_DECAY)
            self._adam = self._parted
        self.predicted: Tensor | None = None

    def learn(self, batch: Batch, rate: float) -> float | Tensor:
        """Take one step, unless there is nothing to learn from.

        Parameters
        ----------
        batch
            Clips of ``targets + 2 margin`` frames, in network units.
        rate
            Learning rate.

        Returns
        -------
        float or Tensor
            Loss per entry; not a number if it, or its gradient, is not finite. Then
            the step was not taken. A tensor on the device, which nobody has waited
            for, where steps are taken ahead.
        """
        if self._parted is None:
            return self._learn_ahead(batch, rate)
        if not batch.learned.any():
            return math.nan
        return self._learn_in_parts(batch, rate, self._parted)

    def _learn_in_parts(self, batch: Batch, rate: float, adam: PartedAdam) -> float:
        """Take one step, every core or device with clips of its own."""
        parts = _parts(batch, self.devices if self._copies else ())
        adam.make_room(len(parts))
        home = batch.clip.frames.device

        def gradients(net: Network, numbered: tuple[int, Batch]) -> _Part:
            number, part = numbered
            losses, mean = self._losses(net, part)
            if not part.learned.all():
                losses = losses[part.learned.expand_as(losses)]
            total = losses.sum()
            learning = list(net.denoising_parameters().values())
            adam.keep(number, torch.autograd.grad(total, learning))
            return _Part(float(total.detach()), losses.numel(), mean.to(home))

        numbered = list(enumerate(parts))
        if self._copies is None:
            results = run_parts(partial(gradients, self.net), numbered)
        else:
            results = self._copies.map(gradients, numbered)
        # entries count alike, whatever part they are in
        self.predicted = torch.cat([result.mean for result in results])
        entries = sum(result.entries for result in results)
        value = sum(result.loss for result in results) / entries
        if math.isfinite(value):
            if not adam.step_together(len(parts), entries, rate):
                return math.nan
            self._follow_others()
        return value

    def _learn_ahead(self, batch: Batch, rate: float) -> Tensor:
        """Take one step, of which nothing is read: not even how many entries count."""
        losses, mean = self._losses(self.net, batch)
        learned = batch.learned.expand_as(losses)
        # without an entry this is not a number, and the step is not taken
        loss = torch.where(learned, losses, 0.0).sum() / learned.sum()
        gradients = torch.autograd.grad(loss, self._adam.parameters)
        self.predicted, loss = mean, loss.detach()
        taken = self._adam.step(gradients, rate, loss)
        # also where it was not taken: the average only comes nearer to what it is of
        follow(self.average, self.net, self.steps, AVERAGE_DECAY, at_once=True)
        return torch.where(torch.as_tensor(taken), loss, math.nan)

    def _losses(self, net: Network, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of every entry, and the clean frames that are predicted."""
        prediction = net.predict_clip(batch.clip, self.precision)
        return self.task.loss(prediction, batch), prediction.mean.detach()

    @torch.no_grad()
    def _follow_others(self) -> None:
        """Move the averages of weights that are learned elsewhere, as of a flow."""
        own = self.average.denoising_parameters()
        share = average_share(self.steps, AVERAGE_DECAY)
        followed = dict(self.average.named_parameters())
        for name, weight in self.net.named_parameters():
            if name not in own:
                followed[name].lerp_(weight, share)

    def settle(self) -> None:
        """Wait for the steps that were taken ahead, and count those not taken."""
        self._adam.settle()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return what :meth:`restore` needs, for a checkpoint."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            **self._adam.tensors("adam_"),
        }

    @property
    def steps(self) -> int:
        """Optimiser steps taken."""
        return self._adam.steps

    def restore(self, tensors: dict[str, dict[str, Any]], steps: int) -> None:
        """Continue from what :meth:`tensors` and :attr:`steps` returned."""
        self.net.load_state_dict(tensors["net"])
        self.average.load_state_dict(tensors["average"])
        self._adam.restore(tensors, steps, "adam_")


def _parts(batch: Batch, devices: Sequence[torch.device] = ()) -> list[Batch]:
    """Cut a batch, clip by clip: one part for each device, or for each core."""
    clip = batch.clip
    most = len(devices) or threads_on(clip.frames.device)
    count = min(most, len(clip.frames))
    frames, targets = clip.frames.chunk(count), batch.targets.chunk(count)
    learned = batch.learned.chunk(count)
    masks = [None] * len(frames) if clip.mask is None else clip.mask.chunk(count)
    parts = [
        Batch(Clip(seen, clip.noise, mask), target, counted)
        for seen, mask, target, counted in zip(
            frames, masks, targets, learned, strict=True
        )
    ]
    if not devices:
        return parts
    # there may be fewer clips than devices
    return [sent(part, where) for part, where in zip(parts, devices, strict=False)]
