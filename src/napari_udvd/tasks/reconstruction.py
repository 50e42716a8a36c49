"""Reconstruction: a dense movie from pixels of which only some were measured.

What a network learns from are the measured pixels, each predicted from what surrounds
it, as in `denoising`. What it is asked for are all pixels: the prediction is combined
with the measured pixel where there is one, and is the result where there is none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from napari_udvd.models.averaging import divided, gaussian, smooth
from napari_udvd.tasks.base import Batch, Verdict
from napari_udvd.tasks.denoising import SURE, Denoising

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.models import Clip
    from napari_udvd.tasks.base import Judged

__all__ = ["Reconstruction"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

FIXED = 0.3
"""Share of the sites of a clip that are never measured, from which on some of the
others are hidden."""

MOST_HIDDEN = 0.7
"""Share of the sites that are hidden at most; each share up to this is as likely."""

BESIDE = 0.9
"""Share of measured pixels whose neighbours were measured, from which on gaps are
areas."""

WIDTHS = ((1.0, 1.0), (1.0, 3.0), (2.0, 2.0), (3.0, 4.0))
"""Standard deviations, px and frames, of the averages that a result is compared with;
with the best of them."""


class Reconstruction(Denoising):
    """The task, see :class:`~napari_udvd.tasks.base.Task`."""

    name = "reconstruct"
    fills = True

    def batch(self, clip: Clip, is_target: Tensor) -> Batch:
        """Compare with the measured pixels, as in denoising.

        Where some sites are measured in every frame and others in none, every measured
        pixel has itself before and after, and no other one has: there some sites are
        hidden in all frames, to be predicted as those are that were not measured.
        Where whole areas were not measured, as beyond the border of a movie that was
        registered, every measured pixel has measured ones beside it: there as much is
        hidden in other places.
        """
        whole = super().batch(clip, is_target)
        if clip.mask is None:
            return whole
        if _is_in_areas(clip.mask):
            hidden = _moved(clip, ~clip.mask)
        elif 1 - clip.mask.any(dim=1).float().mean() >= FIXED:
            hidden = _sites(clip)
        else:
            return whole
        seen = clip._replace(mask=clip.mask & ~hidden)
        return whole._replace(clip=seen)

    def verdict(self, judged: Sequence[Judged]) -> Verdict:
        """Compare the result with averages of other frames, and with an empty frame.

        By the measured pixels of frames held out. Their noise is the same for all, so
        the differences of the squared distances are those of the errors.
        """
        each = [_distances(one) for one in judged]
        ours = np.concatenate([own for own, _, _ in each])
        averages = np.concatenate([them for _, them, _ in each], axis=1)
        empty = np.concatenate([level for _, _, level in each])
        best = averages[np.argmin(averages.mean(axis=1))]
        if not ours.mean() < best.mean():
            return Verdict(
                (
                    "the result is no better than a plain average of what was measured "
                    "in the frames before and after: on pixels held out its squared "
                    f"distance is {ours.mean():.3f} times the noise, that of the "
                    f"average {best.mean():.3f} times; train longer, or average",
                )
            )
        gains = empty - ours
        if not gains.mean() > SURE * gains.std() / math.sqrt(gains.size):
            return Verdict(
                (
                    "the result shows nothing that an empty frame of the same "
                    "brightness would not: on frames held out both are as far from "
                    "what was recorded; train longer, if there is anything to see",
                )
            )
        return Verdict(())


def _is_in_areas(mask: Tensor) -> bool:
    """Whether what is beside a measured pixel was nearly always measured, too."""
    return not bool(mask.all()) and all(
        bool((first & second).sum() > BESIDE * first.sum())
        for first, second in (
            (mask[..., :-1, :], mask[..., 1:, :]),
            (mask[..., :-1], mask[..., 1:]),
        )
    )


def _sites(clip: Clip) -> Tensor:
    """Choose sites ``(N, 1, 1, H, W)`` to be hidden in all frames."""
    count, *_, height, width = clip.frames.shape
    chance = _chance(clip)
    share = MOST_HIDDEN * torch.rand(count, 1, 1, 1, 1, generator=chance)
    hidden = torch.rand(count, 1, 1, height, width, generator=chance) < share
    return hidden.to(clip.frames.device)


def _moved(clip: Clip, gaps: Tensor) -> Tensor:
    """Move gaps ``(N, T, 1, H, W)`` somewhere else, the same way in all frames.

    In every second clip, so that gaps are also seen as large as they are.
    """
    *_, height, width = gaps.shape
    chance, parts = _chance(clip), []
    for gap in gaps:
        down, aside, is_moved = (
            int(torch.randint(n, (1,), generator=chance)) for n in (height, width, 2)
        )
        moved = gap.roll((down, aside), dims=(-2, -1))
        parts.append(moved if is_moved else torch.zeros_like(gap))
    return torch.stack(parts)


def _chance(clip: Clip) -> torch.Generator:
    """Return a source of randomness, the same one for the same clips.

    So that a training can be repeated, and losses on frames held out be compared.
    """
    bits = clip.frames.contiguous().view(torch.int32).sum(dtype=torch.int64)
    return torch.Generator().manual_seed(int(bits))


def _distances(judged: Judged) -> tuple[Doubles, Doubles, Doubles]:
    """Squared distances from each measured pixel, over the noise.

    Of the prediction ``(pixels,)``, of each average of other frames ``(averages,
    pixels)``, and of their mean grey level.
    """
    prediction, batch, around = judged
    with torch.inference_mode():
        frame = around[:, 1:2]
        noise = batch.clip.noise.variance(prediction.mean)
        averages = torch.cat([_average(batch.clip, widths) for widths in WIDTHS])
        level = averages[0].mean(dim=(-2, -1), keepdim=True)
        found = [
            ((frame - blind).square() / noise).mean(dim=2).flatten(0, 1).cpu().double()
            for blind in (prediction.mean, averages[:, None], level)
        ]
        learned = batch.learned[0, 0].expand(frame.shape[-2:]).cpu().numpy()
    ours, average, empty = (np.asarray(each)[:, learned] for each in found)
    return ours[0], average, empty[0]


def _average(clip: Clip, widths: tuple[float, float]) -> Tensor:
    """Average of the frames before and after the middle one, ``(1, C, H, W)``."""
    pixels, frames = widths
    there = torch.ones_like(clip.frames, dtype=torch.bool)
    if clip.mask is not None:
        there = there & clip.mask
    values = torch.where(there, clip.frames, 0.0)
    middle = clip.frames.shape[1] // 2
    weights = torch.tensor(
        [math.exp(-(((k - middle) / frames) ** 2) / 2) for k in range(2 * middle + 1)],
        device=values.device,
    )
    weights[middle] = 0.0
    weights = (weights / weights.sum())[:, None, None, None]
    taps = gaussian(pixels)
    total, known = (
        smooth((weights * part).sum(dim=1), taps)
        for part in (values, there.to(values.dtype))
    )
    # where hardly anything was measured, the grey level of all of it
    level = values.sum() / there.sum().clamp_min(1)
    return divided(total, known, level)
