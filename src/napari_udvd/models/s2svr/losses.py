"""Losses by which S2SVR and its flow are trained.

The authors of S2SVR did not release how its flow learned. These are the losses of
ARFlow (Liu et al., CVPR 2020), whose flow network it has, and the distillation from
restored to degraded frames in its simplest form. Weights and constants are for frames
from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.models.flow.warp import sample_bilinear
from napari_udvd.models.s2svr.occlusion import hidden_by_return, hidden_by_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CENSUS",
    "CENSUS_SECOND_ORDER",
    "SSIM",
    "FlowCriterion",
    "FlowLoss",
    "census_distance",
    "charbonnier",
    "distillation_loss",
    "flow_loss",
    "smoothness",
    "ssim_distance",
]

LUMA = (0.2989, 0.5870, 0.1140)
"""Part of red, green and blue in grey."""

GREY_LEVELS = 255.0
"""Grey levels, as the census transform counts them, between 0 and 1."""

MODERATE = 0.1
"""Squared difference between two census transforms that counts half."""

SSIM_CONSTANTS = (0.01**2, 0.03**2)
"""Keep SSIM finite where frames are dark, and where they are flat."""

SSIM_SHARE = 0.85
"""Part of SSIM in the photometric loss; the rest is the absolute difference."""

MATCHED_LEVELS = 4
"""Levels of the flow, finest first, at which frames are compared."""


@dataclass(frozen=True)
class FlowCriterion:
    """What makes a good flow.

    Attributes
    ----------
    census
        Compare frames by their census transform, which does not see their brightness;
        otherwise by absolute difference and SSIM.
    by_return
        Pixels are hidden if the way there and back misses; otherwise if nothing came
        from them. Begin with the latter: an untrained flow misses everywhere, which
        hides all pixels and costs nothing.
    order
        Derivative of the flow that should be small: 1, or 2 where motion may change
        evenly.
    weight
        Of the smoothness.
    edges
        How much less smooth flow may be at edges of the frame, per difference of 1.
    soft
        Squared difference, in 255ths, to a neighbour that the census transform takes
        for noise: about ``(2 * 255 sigma)**2`` for noise of standard deviation sigma.

    Raises
    ------
    ValueError
        If `order` is neither, or a number is not positive.
    """

    census: bool = False
    by_return: bool = False
    order: int = 1
    weight: float = 50.0
    edges: float = 10.0
    soft: float = 0.81

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {self.order}")
        for name in ("weight", "edges"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        if not self.soft > 0:
            raise ValueError(f"soft must be positive, got {self.soft}")


SSIM = FlowCriterion()
"""For the first fifty epochs of ARFlow, and for any beginning."""

CENSUS = FlowCriterion(census=True, by_return=True)
"""For those after them."""

CENSUS_SECOND_ORDER = FlowCriterion(census=True, by_return=True, order=2, weight=75.0)
"""For those after them, where the camera drives through the scene."""


class FlowLoss(NamedTuple):
    """How bad a flow is.

    Attributes
    ----------
    photometric
        How different frames are along it.
    smooth
        How rough it is, weight included.
    """

    photometric: Tensor
    smooth: Tensor

    @property
    def total(self) -> Tensor:
        """The sum."""
        return self.photometric + self.smooth


def flow_loss(
    first: Tensor,
    second: Tensor,
    flows: Sequence[Tensor],
    backs: Sequence[Tensor],
    criterion: FlowCriterion = SSIM,
) -> FlowLoss:
    """Judge the flow between two frames without knowing the true one.

    Parameters
    ----------
    first, second
        ``(N, C, H, W)``, from 0 to 1, and best without noise.
    flows, backs
        From the first to the second and back, at the size of the frame and by half
        each: ``(N, 2, h, w)`` as (dy, dx) in pixels of that size. What
        :meth:`PWCLite.levels` returns.
    criterion
        What makes a good flow.

    Returns
    -------
    FlowLoss
        Averages of both directions.

    Raises
    ------
    ValueError
        If there are no flows, or as many one way as the other.
    """
    if not flows or len(flows) != len(backs):
        raise ValueError(
            "flow is judged at the same sizes there and back, and at least at one, got "
            f"{len(flows)} and {len(backs)}"
        )
    ways = [
        _one_way(*way, criterion)
        for way in ((first, second, flows, backs), (second, first, backs, flows))
    ]
    return FlowLoss(*((there + back) / 2 for there, back in zip(*ways, strict=True)))


def _one_way(
    first: Tensor,
    second: Tensor,
    flows: Sequence[Tensor],
    backs: Sequence[Tensor],
    criterion: FlowCriterion,
) -> FlowLoss:
    if criterion.by_return:
        hidden = hidden_by_return(flows[0], backs[0])
    else:
        hidden = hidden_by_sources(backs[0])
    photometric = first.new_zeros(())
    for flow in flows[:MATCHED_LEVELS]:
        size = (flow.shape[2], flow.shape[3])
        seen = 1 - F.interpolate(hidden.detach(), size, mode="nearest")
        one, two = (F.interpolate(x, size, mode="area") for x in (first, second))
        fetched = sample_bilinear(two, flow)
        one, fetched = one * seen, fetched * seen
        if criterion.census:
            distance = census_distance(one, fetched, criterion.soft).mean()
        else:
            distance = SSIM_SHARE * ssim_distance(one, fetched).mean()
            distance = distance + (1 - SSIM_SHARE) * F.l1_loss(fetched, one)
        # with no pixel in sight there is nothing to be learned
        photometric = photometric + distance / seen.mean().clamp_min(1e-6)
    roughness = smoothness(
        flows[0] / min(first.shape[2:]), first, criterion.order, criterion.edges
    )
    return FlowLoss(photometric, criterion.weight * roughness)


def ssim_distance(first: Tensor, second: Tensor) -> Tensor:
    """Compare the structure of neighbourhoods of 3 x 3 pixels.

    Parameters
    ----------
    first, second
        ``(N, C, H, W)``, from 0 to 1.

    Returns
    -------
    Tensor
        ``(N, C, H - 2, W - 2)``, from 0 (alike) to 1 (opposite): half of 1 - SSIM.
    """
    dark, flat = SSIM_CONSTANTS
    mean_1, mean_2 = (F.avg_pool2d(x, 3, 1) for x in (first, second))
    var_1 = F.avg_pool2d(first.square(), 3, 1) - mean_1.square()
    var_2 = F.avg_pool2d(second.square(), 3, 1) - mean_2.square()
    covariance = F.avg_pool2d(first * second, 3, 1) - mean_1 * mean_2
    brightness = (2 * mean_1 * mean_2 + dark) / (
        mean_1.square() + mean_2.square() + dark
    )
    structure = (2 * covariance + flat) / (var_1 + var_2 + flat)
    return ((1 - brightness * structure) / 2).clamp(0, 1)


def census_distance(first: Tensor, second: Tensor, soft: float = 0.81) -> Tensor:
    """Compare by how much pixels are brighter than their neighbours, softly.

    The ternary census transform of 3 x 3 pixels as in UnFlow (Meister et al. 2018).

    Parameters
    ----------
    first, second
        ``(N, C, H, W)``, from 0 to 1. Three channels are red, green and blue; of any
        other number, grey is the mean.
    soft
        Squared difference, in 255ths, that is taken for noise.

    Returns
    -------
    Tensor
        ``(N, 1, H, W)``, from 0 (alike) to 1; 0 on the outermost pixels.
    """
    gap = (_census(first, soft) - _census(second, soft)).square()
    distance = (gap / (MODERATE + gap)).mean(dim=1, keepdim=True)
    # the outermost pixels lack neighbours
    return F.pad(distance, (1, 1, 1, 1))


def _census(image: Tensor, soft: float) -> Tensor:
    """Squashed differences ``(N, 9, H - 2, W - 2)`` of inner pixels to neighbours."""
    if image.shape[1] == len(LUMA):
        grey = (image * image.new_tensor(LUMA).view(1, -1, 1, 1)).sum(1, keepdim=True)
    else:
        grey = image.mean(dim=1, keepdim=True)
    grey = GREY_LEVELS * grey
    height, width = grey.shape[2:]
    neighbours = torch.cat(
        [
            grey[:, :, y : height - 2 + y, x : width - 2 + x]
            for y in range(3)
            for x in range(3)
        ],
        dim=1,
    )
    difference = neighbours - grey[:, :, 1:-1, 1:-1]
    return difference * (soft + difference.square()).rsqrt()


def smoothness(
    flow: Tensor, image: Tensor, order: int = 1, edges: float = 10.0
) -> Tensor:
    """Mean roughness of a flow, where the image has no edges.

    Parameters
    ----------
    flow
        ``(N, 2, H, W)``.
    image
        ``(N, C, H, W)``, from 0 to 1.
    order
        1: half of the mean absolute first derivative; 2: that of the second, in full.
    edges
        How much less it counts at edges, per difference of 1.
    """
    total = flow.new_zeros(())
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(dim=1, keepdim=True)
        weight, rough = (-edges * edge).exp(), flow.diff(dim=axis).abs() / 2
        if order == 2:
            rough = flow.diff(n=2, dim=axis).abs()
            weight = weight.narrow(axis, 1, weight.shape[axis] - 1)
        total = total + (weight * rough).mean() / 2
    return total


def distillation_loss(
    student: Tensor, teacher: Tensor, hidden: Tensor | None = None
) -> Tensor:
    """Mean absolute difference between a flow and a better one.

    Parameters
    ----------
    student
        Flow between noisy frames, ``(N, 2, H, W)``, px.
    teacher
        Flow between denoised ones; no gradient passes.
    hidden
        ``(N, 1, H, W)``: 1 for pixels that the second frame does not show, which do not
        count; None if all do.
    """
    gap = (student - teacher.detach()).abs()
    if hidden is None:
        return gap.mean()
    seen = 1 - hidden
    return (gap * seen).mean() / (seen.mean() + 1e-7)


def charbonnier(restored: Tensor, truth: Tensor, scale: float = 1e-6) -> Tensor:
    """Mean absolute difference, rounded at zero: the published restoration loss.

    Parameters
    ----------
    restored, truth
        Of the same shape.
    scale
        Differences below it count by their square.
    """
    return ((restored - truth).square() + scale**2).sqrt().mean()
