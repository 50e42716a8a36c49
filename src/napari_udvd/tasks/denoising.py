"""Denoising: the noisy pixel of the same frame, predicted from what surrounds it.

Blind-spot training as in Laine et al. 2019 and Sheth et al. 2021, with the noise model
of the movie in the likelihood. What the network does not see it is judged by, and what
it predicts is combined with the noisy pixel at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from napari_udvd.models import negative_log_likelihood, posterior
from napari_udvd.tasks.base import Batch, Estimate, Terms, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.models import Clip, Prediction
    from napari_udvd.noise import Diagnosis
    from napari_udvd.stack import Layout
    from napari_udvd.tasks.base import Judged

__all__ = ["Denoising"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

MOST_HELD_OUT = 8
"""Frames of a movie that are kept for validation, at most."""

SURE = 2.0
"""Standard errors that a result must be better than an empty frame by."""


class Denoising:
    """The task, see :class:`~napari_udvd.tasks.base.Task`."""

    name = "denoise"
    fills = False

    def plan(
        self, diagnoses: Sequence[Diagnosis], hole: tuple[int, int] | None
    ) -> Terms:
        """Make the hole as large as noise is alike in any of the channels."""
        hole = hole or (
            max(diagnosis.hole[0] for diagnosis in diagnoses),
            max(diagnosis.hole[1] for diagnosis in diagnoses),
        )
        broken = [s for diagnosis in diagnoses for s in diagnosis.broken_under(hole)]
        return Terms(hole, tuple(dict.fromkeys(broken)))

    def hold_out(
        self, n_frames: int, missing: frozenset[int] = frozenset()
    ) -> frozenset[int]:
        """Choose one frame in ten, spread evenly, never all.

        None is `missing`: a frame that was not recorded judges nothing.
        """
        there = [t for t in range(n_frames) if t not in missing]
        if len(there) < 3:
            return frozenset()
        count = min(max(len(there) // 10, 1), MOST_HELD_OUT)
        spread = (np.arange(count) + 0.5) * len(there) / count
        return frozenset(there[int(k)] for k in spread)

    def batch(self, clip: Clip, is_target: Tensor) -> Batch:
        """Compare with the noisy frames themselves, where all channels were measured.

        The network is blind to the pixels that it predicts, so it may see the frames.
        """
        length, targets = clip.frames.shape[1], is_target.shape[1]
        first = (length - targets) // 2
        middle = slice(first, first + targets)
        learned = is_target[:, :, None, None]
        if clip.mask is not None:
            learned = learned & clip.mask[:, middle].all(dim=2)
        return Batch(clip, clip.frames[:, middle], learned)

    def loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Negative log likelihood of noisy pixels, ``(N, targets, H, W)``.

        The noise is Poisson-Gaussian: its variance follows the predicted mean, as a
        constant (the gradient would otherwise reward a bright prediction for its large
        variance). Without a likelihood head this is the squared error, weighted by the
        inverse noise variance.
        """
        variance = batch.clip.noise.variance(prediction.mean.detach())
        return negative_log_likelihood(prediction, batch.targets, variance)

    def finish(
        self, prediction: Prediction, frames: Clip, *, use_posterior: bool = True
    ) -> Estimate:
        """Combine the prediction with the noisy pixels, where they were measured."""
        blind = Estimate(prediction.mean, prediction.std)
        if not use_posterior or prediction.factor is None:
            return blind
        variance = frames.noise.variance(prediction.mean)
        mean, std = posterior(prediction, frames.frames, variance)
        if frames.mask is not None and blind.std is not None:
            mean = torch.where(frames.mask, mean, blind.mean)
            std = torch.where(frames.mask, std, blind.std)
        return Estimate(mean, std)

    def layout(self, movie: Layout) -> Layout:
        """Take that of the movie: every pixel has its denoised one."""
        return movie

    def verdict(self, judged: Sequence[Judged]) -> Verdict:
        """Compare the result with the noisy movie, an average, and an empty frame.

        The mean squared distance of a blind prediction from the noisy frame is its
        error plus the noise, so predictions can be compared without the truth: with
        the plain average of the frame before and the frame after and with their mean
        grey level, which are blind too, and with the noisy frame itself, whose error
        is the noise.
        """
        distances = np.concatenate([_distances(one) for one in judged], axis=1)
        noise = 1.0  # in its own units
        ours, average, _ = distances.mean(axis=1) - noise
        removed = float(np.clip(1 - ours / noise, 0.0, 1.0))
        if not ours < noise:
            return Verdict(
                (
                    "the result is no better than the noisy movie: on frames held out "
                    f"its squared error is {ours / noise:.2f} times that of the noise; "
                    "do not use it; train longer, or look at the diagnosis of the "
                    "noise",
                ),
                removed,
            )
        if not ours < average:
            # where the noise is estimated too large, both errors may come out negative
            compared = (
                f": on frames held out its squared error is {ours / average:.2f} times "
                "as large"
                if average > 0
                else ", judged by frames held out"
            )
            return Verdict(
                (
                    "the result is no better than a plain average of the frame before "
                    f"and the frame after{compared}; train longer, or average",
                ),
                removed,
            )
        # here the noise, which may be a few percent off, cancels
        gains = distances[2] - distances[0]
        if not gains.mean() > SURE * gains.std() / np.sqrt(gains.size):
            return Verdict(
                (
                    "the result shows nothing that an empty frame of the same "
                    "brightness would not: on frames held out both are as far from "
                    "what was recorded; train longer, if there is anything to see",
                ),
                removed,
            )
        return Verdict((), removed)


def _distances(judged: Judged) -> Doubles:
    """Squared distance from each noisy pixel, over the noise, ``(3, pixels)``.

    Of the prediction, of the average of the frames before and after, and of the mean of
    that.
    """
    prediction, batch, around = judged
    with torch.inference_mode():
        before, frame, after = around.split(1, dim=1)
        noise = batch.clip.noise.variance(prediction.mean)
        average = (before + after) / 2
        level = average.mean(dim=(-2, -1), keepdim=True)
        found = [
            ((frame - blind).square() / noise)[0, 0].cpu().double()
            for blind in (prediction.mean, average, level)
        ]
        learned = batch.learned[0, 0].expand(frame.shape[-2:]).cpu().numpy()
    return np.stack([np.asarray(d)[:, learned].ravel() for d in found])
