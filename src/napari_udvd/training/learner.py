"""A network that learns: its weights, their moving average and the optimiser."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_udvd.models import Clip
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.tasks import Batch
from napari_udvd.training.optimiser import NamedAdam, average_share, follow
from napari_udvd.training.parted_adam import PartedAdam

if TYPE_CHECKING:
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
    predicted
        Clean frames that it saw in the last clips it learned from, or None.
    """

    def __init__(
        self,
        net: Network,
        precision: torch.dtype,
        task: Task,
        ahead: bool | None = None,
    ) -> None:
        self.net = net
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.precision, self.task = precision, task
        parameters = net.denoising_parameters()
        if ahead is None:
            ahead = any(parameter.is_cuda for parameter in parameters.values())
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
        """Take one step, every core with clips of its own."""
        parts = _parts(batch)
        adam.make_room(len(parts))

        def gradients(numbered: tuple[int, Batch]) -> _Part:
            number, part = numbered
            losses, mean = self._losses(part)
            if not part.learned.all():
                losses = losses[part.learned.expand_as(losses)]
            total = losses.sum()
            found = torch.autograd.grad(total, adam.parameters)
            adam.keep(number, found)
            return _Part(float(total.detach()), losses.numel(), mean)

        results = run_parts(gradients, list(enumerate(parts)))
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
        losses, mean = self._losses(batch)
        learned = batch.learned.expand_as(losses)
        # without an entry this is not a number, and the step is not taken
        loss = torch.where(learned, losses, 0.0).sum() / learned.sum()
        gradients = torch.autograd.grad(loss, self._adam.parameters)
        self.predicted, loss = mean, loss.detach()
        taken = self._adam.step(gradients, rate, loss)
        # also where it was not taken: the average only comes nearer to what it is of
        follow(self.average, self.net, self.steps, AVERAGE_DECAY, at_once=True)
        return torch.where(torch.as_tensor(taken), loss, math.nan)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of every entry, and the clean frames that are predicted."""
        prediction = self.net.predict_clip(batch.clip, self.precision)
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


def _parts(batch: Batch) -> list[Batch]:
    """Cut a batch into as many parts as there are cores, clip by clip."""
    clip = batch.clip
    count = min(threads_on(clip.frames.device), len(clip.frames))
    frames, targets = clip.frames.chunk(count), batch.targets.chunk(count)
    learned = batch.learned.chunk(count)
    masks = [None] * len(frames) if clip.mask is None else clip.mask.chunk(count)
    return [
        Batch(Clip(seen, clip.noise, mask), target, counted)
        for seen, mask, target, counted in zip(
            frames, masks, targets, learned, strict=True
        )
    ]
