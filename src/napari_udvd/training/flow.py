"""A flow network learns from the movie that it is used on, without known motion.

Three teachers, as in the literature:

- *constancy*: what moves keeps its look, so the second frame, fetched along the flow,
  is compared with the first, by brightness and by the census transform (Meister, Hur
  and Roth 2018: UnFlow), where both directions agree that nothing is hidden
  (Sundaram, Brox and Keutzer 2010);
- *smoothness*: neighbours move alike, except across edges (Wang et al. 2018);
- *distillation*: the flow between denoised frames teaches the flow between noisy ones
  (Chen et al. 2025: STBN; Lin et al. 2022: S2SVR, from restored to degraded frames).

The network always *sees* the noisy frames, since that is what it gets in use. It is
*judged* on the denoised ones, where noise cannot be mistaken for texture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.models import sample_bilinear
from napari_udvd.training.optimiser import NamedAdam

if TYPE_CHECKING:
    from napari_udvd.models import FlowNetwork

__all__ = [
    "FlowLearner",
    "census_distance",
    "edge_aware_roughness",
    "visible",
]

RATE = 2e-4
"""Learning rate."""

SMOOTHNESS = 0.05
"""Weight of the smoothness."""

BRIGHTNESS = 0.5
"""Weight of the difference in brightness, beside that of the census transform: it
leads from farther away."""

DISTILLATION = 0.3
"""Weight of the distillation, per pixel of difference."""

CENSUS = 7
"""Rows and columns of the neighbourhood that the census transform compares."""

SOFT = 0.1
"""Squared differences in brightness that the census transform takes for small."""


def census_distance(first: Tensor, second: Tensor) -> Tensor:
    """Compare the neighbourhoods of pixels, whatever their brightness.

    The soft census transform of Meister et al. 2018: differences to the neighbours,
    squashed, and a robust distance between those of both images.

    Parameters
    ----------
    first, second
        ``(N, C, H, W)``, on a scale where structure has a size of about one.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)``, from 0 (alike) to about 1.
    """
    square = (_squashed(first) - _squashed(second)).square()
    return 1 - (SOFT / (SOFT + square)).mean(dim=1, keepdim=True)


def _squashed(image: Tensor) -> Tensor:
    """Differences ``(N, K, H, W)`` to the neighbours, from -1 to 1."""
    grey = image.mean(dim=1, keepdim=True)
    height, width = grey.shape[2:]
    reach = CENSUS // 2
    padded = F.pad(grey, [reach] * 4, mode="replicate")
    # half of the neighbours: the others would compare the same pairs the other way
    places = [divmod(k, CENSUS) for k in range(CENSUS**2 // 2)]
    neighbours = torch.cat(
        [padded[:, :, y : y + height, x : x + width] for y, x in places], dim=1
    )
    difference = neighbours - grey
    return difference * (SOFT + difference.square()).rsqrt()


def edge_aware_roughness(flow: Tensor, image: Tensor) -> Tensor:
    """Mean absolute gradient of the flow, less where the image has edges.

    Parameters
    ----------
    flow
        ``(N, 2, H, W)``, px.
    image
        ``(N, C, H, W)``, on a scale where edges have a size of about one.
    """
    total = flow.new_zeros(())
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(dim=1, keepdim=True)
        total = total + ((-2 * edge).exp() * flow.diff(dim=axis).abs()).mean()
    return total


def visible(flow: Tensor, back: Tensor) -> Tensor:
    """Tell which pixels are seen in both frames.

    Going there and back again must lead to where it began (Sundaram et al. 2010).

    Parameters
    ----------
    flow, back
        From the first frame to the second and back, ``(N, 2, H, W)``, px.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)`` of ones and zeros.
    """
    returned = sample_bilinear(back, flow)
    gap = (flow + returned).square().sum(dim=1, keepdim=True)
    size = (flow.square() + returned.square()).sum(dim=1, keepdim=True)
    height, width = flow.shape[2:]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 0]
    x = torch.arange(width, device=flow.device) + flow[:, 1]
    inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
    return ((gap < 0.01 * size + 0.5) & inside[:, None]).to(flow.dtype)


class FlowLearner:
    """Takes optimiser steps of a flow network.

    Parameters
    ----------
    net
        The network that learns.
    precision
        Floating-point type of its convolutions.

    Attributes
    ----------
    adam
        The optimiser, whose state belongs in a checkpoint.
    """

    def __init__(
        self, net: FlowNetwork, precision: torch.dtype = torch.float32
    ) -> None:
        self.net = net
        self._precision = precision
        self.adam = NamedAdam(dict(net.named_parameters()))

    def learn(
        self, noisy: Tensor, guide: Tensor, share: float, *, distil: bool = True
    ) -> float:
        """Take one step.

        Parameters
        ----------
        noisy
            Frames that the network sees, ``(N, T, C, H, W)``.
        guide
            The same frames denoised as well as it is known by now, ``(N, T, C, H,
            W)``.
        share
            Of the learning rate, from 0 to 1.
        distil
            Also learn from the flow between the guides; not while it knows no better.

        Returns
        -------
        float
            The loss; no step was taken if it, or its gradient, is not finite.
        """
        guide = guide.detach()
        scale = guide.std().clamp_min(1e-6) / 2
        guide = guide / scale
        flows = self.net.of_clip(noisy, self._precision)
        with torch.no_grad():
            teachers = self.net.of_clip(guide * scale, self._precision)
        before, after = guide[:, :-1].flatten(0, 1), guide[:, 1:].flatten(0, 1)
        to_next, to_previous = (way.flatten(0, 1) for way in flows)
        next_teacher, previous_teacher = (way.flatten(0, 1) for way in teachers)
        loss = torch.zeros((), device=noisy.device)
        for first, second, flow, back, teacher, teacher_back in (
            (before, after, to_next, to_previous, next_teacher, previous_teacher),
            (after, before, to_previous, to_next, previous_teacher, next_teacher),
        ):
            seen = visible(flow.detach(), back.detach())
            fetched = sample_bilinear(second, flow)
            difference = (first - fetched).abs().mean(dim=1, keepdim=True)
            distance = census_distance(first, fetched) + BRIGHTNESS * difference
            loss = loss + (seen * distance).sum() / seen.sum().clamp_min(1)
            loss = loss + SMOOTHNESS * edge_aware_roughness(flow, first)
            if distil:
                known = visible(teacher, teacher_back)
                apart = (flow - teacher).abs().sum(dim=1, keepdim=True)
                loss = loss + DISTILLATION * (known * apart).mean()
        value = float(loss.detach())
        if math.isfinite(value):
            gradients = torch.autograd.grad(loss, self.adam.parameters)
            self.adam.step(gradients, RATE * share)
        return value
