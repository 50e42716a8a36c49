"""Adam, without the compiler that torch's own brings along.

Making one of torch's optimisers imports its compiler: a second and a half before the
first step, and on some systems a crash. The compiler's code generator (LLVM) does not
get on with that of a graphics driver that the viewer has loaded before.

On a card every operation has to be started by the processor, and whatever is read back
makes it wait for all that was started before. There the numbers of all parameters lie
in one row: a dozen operations make a step, however many layers there are, and the card
itself decides whether it is taken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

__all__ = ["Adam", "NamedAdam", "Row", "average_share", "follow", "rate_at"]

EPSILON = 1e-8

LARGEST_NORM = 1.0
"""That gradients are shrunk to."""

YOUNG = 10
"""Steps of which a moving average forgets half when it has seen so many."""


def rate_at(
    peak: float, step: int, progress: float, *, warm_up: int, final: float
) -> float:
    """Learning rate of a step: a rise along a line, then a fall along half a cosine.

    Parameters
    ----------
    peak
        Highest rate.
    step
        Number of the step; the first is 1.
    progress
        Share of the training that is over, from 0 to 1.
    warm_up
        Steps over which the rate rises.
    final
        Rate at the end, as a fraction of the peak.
    """
    warm = min(step / warm_up, 1.0)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return peak * warm * (final + (1 - final) * cosine)


def average_share(steps: int, decay: float) -> float:
    """Weight of the last step in a moving average, see :func:`follow`."""
    return 1 - min(decay, steps / (steps + YOUNG))


@torch.no_grad()
def follow(
    average: nn.Module, net: nn.Module, steps: int, decay: float, *, at_once: bool
) -> None:
    """Move the average of a network's weights (EMA) on by a step.

    Parameters
    ----------
    average
        Changed in place.
    net
        The network, after the step.
    steps
        Taken so far: the average is that of few steps at first.
    decay
        Of the average later on.
    at_once
        All weights in one operation, for cards.
    """
    share = average_share(steps, decay)
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = list(net.parameters())
    if at_once:
        torch._foreach_lerp_(averages, weights, share)
        return
    for mean, weight in zip(averages, weights, strict=True):
        mean.lerp_(weight, share)


class Adam:
    """Kingma and Ba 2015, algorithm 1, with gradients that are shrunk where large.

    Parameters
    ----------
    parameters
        What is learned; changed in place.
    decays
        Of the averages of the gradient and of its square.
    largest_norm
        Gradients are shrunk so that their common norm is at most this.
    in_a_row
        Compute all parameters at once, without waiting for a number: equal to one
        after the other up to rounding. By default on CUDA devices.

    Attributes
    ----------
    steps
        Taken so far. Steps in a row count as taken until :meth:`settle`.
    first, second
        Averages of the gradients and of their squares, one for each parameter.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        decays: tuple[float, float] = (0.9, 0.99),
        largest_norm: float = LARGEST_NORM,
        in_a_row: bool | None = None,
    ) -> None:
        self._parameters, self._decays = parameters, decays
        self._largest_norm = largest_norm
        self.steps = 0
        if in_a_row is None:
            in_a_row = any(parameter.is_cuda for parameter in parameters)
        self._row = Row(parameters) if in_a_row else None
        if self._row is not None:
            self.first = self._row.cut(self._row.first)
            self.second = self._row.cut(self._row.second)
            return
        self.first = [torch.zeros_like(parameter) for parameter in parameters]
        self.second = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(
        self, gradients: Sequence[Tensor], rate: float, loss: Tensor | None = None
    ) -> bool | Tensor:
        """Take a step, unless a gradient is not finite: it would leave no number.

        Parameters
        ----------
        gradients
            One for each parameter.
        rate
            Learning rate.
        loss
            That must be finite as well; for whoever has not looked at it.

        Returns
        -------
        bool or Tensor
            The step was taken; a tensor, on the device, of a step in a row.
        """
        if self._row is not None:
            return self._step_in_a_row(self._row, gradients, rate, loss)
        if loss is not None and not loss.isfinite():
            return False
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        norm = float(torch.linalg.vector_norm(torch.stack(norms)))
        if not math.isfinite(norm):
            return False
        share = min(self._largest_norm / (norm + 1e-6), 1.0)
        slow, fast = self._decays
        size, spread = self._next_size(rate)
        for parameter, gradient, first, second in zip(
            self._parameters, gradients, self.first, self.second, strict=True
        ):
            shrunk = gradient * share
            first.lerp_(shrunk, 1 - slow)
            second.mul_(fast).addcmul_(shrunk, shrunk, value=1 - fast)
            scale = second.sqrt().div_(spread).add_(EPSILON)
            parameter.addcdiv_(first, scale, value=-size)
        return True

    @torch.no_grad()
    def settle(self) -> None:
        """Take steps in a row that were not taken off the number of steps.

        Waits for the device.
        """
        if self._row is not None:
            self.steps -= int(self._row.skipped)
            self._row.skipped.zero_()

    def _next_size(self, rate: float) -> tuple[float, float]:
        """Count a step; factors of the first moment and of the root of the second."""
        self.steps += 1
        slow, fast = self._decays
        return rate / (1 - slow**self.steps), math.sqrt(1 - fast**self.steps)

    def _step_in_a_row(
        self,
        row: Row,
        gradients: Sequence[Tensor],
        rate: float,
        loss: Tensor | None,
    ) -> Tensor:
        gradient = row.of(gradients)
        norm = torch.linalg.vector_norm(gradient)
        taken: Tensor = norm.isfinite()
        if loss is not None:
            taken &= loss.isfinite()
        gradient *= (self._largest_norm / (norm + 1e-6)).clamp_max(1.0)
        slow, fast = self._decays
        size, spread = self._next_size(rate)
        first = row.first.lerp(gradient, 1 - slow)
        second = (row.second * fast).addcmul_(gradient, gradient, value=1 - fast)
        change = (first / (second.sqrt() / spread + EPSILON)).mul_(-size)
        # chosen, not multiplied: nothing times what is not a number is not nothing
        change = torch.where(taken, change, 0.0)
        torch._foreach_add_(list(self._parameters), row.cut(change))
        row.first.copy_(torch.where(taken, first, row.first))
        row.second.copy_(torch.where(taken, second, row.second))
        row.skipped += ~taken
        return taken


class Row:
    """Moments of all parameters in one tensor each.

    Attributes
    ----------
    first, second
        The moments.
    skipped
        Steps that were not taken.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = parameters
        self._sizes = [parameter.numel() for parameter in parameters]
        like = parameters[0].detach()
        self.first = like.new_zeros(sum(self._sizes))
        self.second = like.new_zeros(sum(self._sizes))
        self.skipped = torch.zeros((), dtype=torch.int64, device=like.device)

    def cut(self, row: Tensor) -> list[Tensor]:
        """Return the parts of a row that belong to the parameters, in their shapes.

        Channels stay last in memory where they are.
        """
        parts = zip(row.split(self._sizes), self._parameters, strict=True)
        return [_alike(part, parameter) for part, parameter in parts]

    def of(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return a new row of tensors of these shapes."""
        pairs = zip(tensors, self._parameters, strict=True)
        return torch.cat(
            [
                tensor.permute(0, 2, 3, 1).reshape(-1)
                if _is_packed(parameter)
                else tensor.reshape(-1)
                for tensor, parameter in pairs
            ]
        )

    def gather(self, tensors: Sequence[Tensor]) -> Tensor:
        """Bring tensors of these shapes into one row, of which they become parts."""
        row = self.of([tensor.detach() for tensor in tensors])
        for tensor, part in zip(tensors, self.cut(row), strict=True):
            tensor.data = part
        return row


def _is_packed(parameter: Tensor) -> bool:
    """Whether it is a weight with its channels last in memory."""
    return (
        parameter.dim() == 4
        and not parameter.is_contiguous()
        and parameter.is_contiguous(memory_format=torch.channels_last)
    )


def _alike(part: Tensor, parameter: Tensor) -> Tensor:
    """Give numbers in a row the shape of a parameter, and its order in memory."""
    if not _is_packed(parameter):
        return part.view(parameter.shape)
    outputs, inputs, rows, columns = parameter.shape
    return part.view(outputs, rows, columns, inputs).permute(0, 3, 1, 2)


class NamedAdam(Adam):
    """Adam that knows its parameters by name, for checkpoints.

    Parameters
    ----------
    parameters
        What is learned, by name.
    decays, in_a_row
        As for :class:`Adam`.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        decays: tuple[float, float] = (0.9, 0.99),
        in_a_row: bool | None = None,
    ) -> None:
        super().__init__(list(parameters.values()), decays, in_a_row=in_a_row)
        self._names = list(parameters)

    @property
    def parameters(self) -> Sequence[Tensor]:
        """What is learned."""
        return self._parameters

    def tensors(self, prefix: str = "") -> dict[str, dict[str, Tensor]]:
        """Return both moments by name, in groups that begin with a prefix."""
        return {
            f"{prefix}first": dict(zip(self._names, self.first, strict=True)),
            f"{prefix}second": dict(zip(self._names, self.second, strict=True)),
        }

    def restore(
        self,
        tensors: Mapping[str, Mapping[str, Tensor]],
        steps: int,
        prefix: str = "",
    ) -> None:
        """Continue from what :meth:`tensors` and :attr:`steps` were.

        Raises
        ------
        KeyError
            If a moment is missing.
        """
        self.steps = steps
        for k, name in enumerate(self._names):
            self.first[k].copy_(tensors[f"{prefix}first"][name])
            self.second[k].copy_(tensors[f"{prefix}second"][name])
