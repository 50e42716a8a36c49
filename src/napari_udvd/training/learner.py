"""A network that learns: its weights, their moving average and the optimiser."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_udvd.models import Clip
from napari_udvd.runtime.parallel import run_parts, threads_on
from napari_udvd.training.loss import pixel_loss
from napari_udvd.training.optimiser import Adam

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.models import CameraNoise, Network

__all__ = ["Learner"]

AVERAGE_DECAY = 0.98
"""Decay of the moving average of the weights; shorter at the beginning."""


class _Gradients(NamedTuple):
    """Of the loss of some clips, summed over their pixels."""

    loss: float
    pixels: int
    gradients: tuple[Tensor, ...]
    mean: Tensor


class Learner:
    """Takes optimiser steps.

    Parameters
    ----------
    net
        The network that learns.
    precision
        Floating-point type of the convolutions.
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
    average
        Moving average of its weights, which predicts better than the last of them.
    predicted
        Clean frames that it saw in the last clips it learned from, or None.
    """

    def __init__(
        self, net: Network, precision: torch.dtype, ahead: bool | None = None
    ) -> None:
        self.net = net
        self.average = copy.deepcopy(net).eval().requires_grad_(False)
        self.precision = precision
        self._names = list(net.denoising_parameters())
        self._parameters = list(net.denoising_parameters().values())
        if ahead is None:
            ahead = any(parameter.is_cuda for parameter in self._parameters)
        self._ahead = ahead
        self._adam = Adam(self._parameters, in_a_row=ahead)
        self.predicted: Tensor | None = None

    def learn(
        self,
        clips: Tensor,
        noise: CameraNoise,
        is_target: Tensor,
        rate: float,
        measured: Tensor | None = None,
    ) -> float | Tensor:
        """Take one step, unless there is nothing to learn from.

        Parameters
        ----------
        clips
            ``(N, targets + 2 margin, C, H, W)``, in network units.
        noise
            Of the clips.
        is_target
            ``(N, targets)``, frames to learn from.
        rate
            Learning rate.
        measured
            ``(N, targets, C, H, W)``, pixels to learn from; all if None.

        Returns
        -------
        float or Tensor
            Loss per pixel; not a number if it, or its gradient, is not finite. Then
            the step was not taken. A tensor on the device, which nobody has waited
            for, where steps are taken ahead.
        """
        learned = is_target[:, :, None, None]
        if measured is not None:
            learned = learned & measured.all(dim=2)
        if self._ahead:
            return self._learn_ahead(clips, noise, learned, rate)
        if not learned.any():
            return math.nan
        count = min(threads_on(clips.device), len(clips))
        parts = list(zip(clips.chunk(count), learned.chunk(count), strict=True))
        results = run_parts(lambda part: self._gradients(*part, noise), parts)
        # pixels count alike, whatever part they are in
        self.predicted = torch.cat([result.mean for result in results])
        pixels = sum(result.pixels for result in results)
        value = sum(result.loss for result in results) / pixels
        if math.isfinite(value):
            gradients = zip(*(result.gradients for result in results), strict=True)
            means = [torch.stack(shares).sum(dim=0) / pixels for shares in gradients]
            if not self._adam.step(means, rate):
                return math.nan
            self._update_average()
        return value

    def _learn_ahead(
        self, clips: Tensor, noise: CameraNoise, learned: Tensor, rate: float
    ) -> Tensor:
        """Take one step, of which nothing is read: not even how many pixels count."""
        losses, mean = self._losses(clips, noise)
        learned = learned.expand_as(losses)
        # without a pixel this is not a number, and the step is not taken
        loss = torch.where(learned, losses, 0.0).sum() / learned.sum()
        gradients = torch.autograd.grad(loss, self._parameters)
        self.predicted, loss = mean, loss.detach()
        taken = self._adam.step(gradients, rate, loss)
        # also where it was not taken: the average only comes nearer to what it is of
        self._update_average()
        return torch.where(torch.as_tensor(taken), loss, math.nan)

    def _losses(self, clips: Tensor, noise: CameraNoise) -> tuple[Tensor, Tensor]:
        """Loss of every pixel, and the clean frames that are predicted."""
        margin = self.net.margin
        prediction = self.net.predict_clip(Clip(clips, noise), self.precision)
        noisy = clips[:, margin : clips.shape[1] - margin]
        return pixel_loss(prediction, noisy, noise), prediction.mean.detach()

    def _gradients(
        self, clips: Tensor, learned: Tensor, noise: CameraNoise
    ) -> _Gradients:
        losses, mean = self._losses(clips, noise)
        losses = losses[learned.expand_as(losses)]
        total = losses.sum()
        gradients = torch.autograd.grad(total, self._parameters)
        return _Gradients(float(total.detach()), losses.numel(), gradients, mean)

    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, self.steps / (self.steps + 10))
        averages, parameters = self.average.parameters(), self.net.parameters()
        with torch.no_grad():
            if self._ahead:
                torch._foreach_lerp_(list(averages), list(parameters), 1 - decay)
                return
            for average, parameter in zip(averages, parameters, strict=True):
                average.lerp_(parameter, 1 - decay)

    def settle(self) -> None:
        """Wait for the steps that were taken ahead, and count those not taken."""
        self._adam.settle()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return what :meth:`restore` needs, for a checkpoint."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "adam_first": dict(zip(self._names, self._adam.first, strict=True)),
            "adam_second": dict(zip(self._names, self._adam.second, strict=True)),
        }

    @property
    def steps(self) -> int:
        """Optimiser steps taken."""
        return self._adam.steps

    def restore(self, tensors: dict[str, dict[str, Any]], steps: int) -> None:
        """Continue from what :meth:`tensors` and :attr:`steps` returned."""
        self.net.load_state_dict(tensors["net"])
        self.average.load_state_dict(tensors["average"])
        self._adam.steps = steps
        for k, name in enumerate(self._names):
            if name in tensors.get("adam_first", {}):
                self._adam.first[k].copy_(tensors["adam_first"][name])
                self._adam.second[k].copy_(tensors["adam_second"][name])
