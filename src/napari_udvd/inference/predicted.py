"""Frames as the second stage sees them: recorded, predicted, and both combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor

from napari_udvd.cutting import runs
from napari_udvd.inference.flash_scores import Frame
from napari_udvd.models import Prediction, posterior
from napari_udvd.planes import read_measured

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.inference.block_denoiser import BlockDenoiser
    from napari_udvd.inference.scaling import Scaler
    from napari_udvd.planes import Series
    from napari_udvd.stack import Stack

__all__ = ["Predicted", "predict", "without_events"]

Floats: TypeAlias = "npt.NDArray[np.float32]"


class Predicted(NamedTuple):
    """A frame and its blind prediction, and the posterior: mean and std ``(H, W)``."""

    frame: Frame
    mean: Tensor
    std: Tensor


def predict(
    blind: BlockDenoiser,
    stack: Stack,
    series: Series,
    scaler: Scaler,
    frames: Sequence[int],
) -> Generator[None, None, dict[int, Predicted]]:
    """Predict frames and combine them with what was recorded.

    Parameters
    ----------
    blind
        Predicts, without the noisy pixel and with standard deviation.
    stack
        The movie, inspected.
    series
        One channel of it.
    scaler
        Of that channel.
    frames
        Their numbers, rising.

    Yields
    ------
    None
        Before every frame.
    """
    found = {}
    for run in runs(frames):
        for result in blind.steps(series, run[0], run[-1] + 1):
            if result is None:
                yield
                continue
            grey, measured = read_measured(stack, series, run)
            mean, std = result
            assert std is not None
            for k, t in enumerate(run):
                known = None if measured is None else measured[k, 0]
                found[t] = _combined(grey[k], mean[k], std[k], known, scaler)
    return found


def _combined(
    grey: Floats,
    mean: Floats,
    std: Floats,
    measured: npt.NDArray[np.bool_] | None,
    scaler: Scaler,
) -> Predicted:
    """Combine a blind prediction ``(1, H, W)`` with the noisy pixels."""
    device = scaler.scale.device
    with torch.inference_mode():
        noisy, blind = (
            scaler.normalise(torch.from_numpy(each).to(device)) for each in (grey, mean)
        )
        prior = torch.from_numpy(std).to(device) / scaler.scale
        prediction = Prediction(blind, prior[None])
        after, unsure = posterior(prediction, noisy, scaler.noise.variance(blind))
        known = None
        if measured is not None:
            known = torch.from_numpy(measured).to(device)
            after = torch.where(known, after, blind)
            unsure = torch.where(known, unsure, prior)
        frame = Frame(noisy[0], blind[0], prior[0], known)
        return Predicted(frame, after[0], unsure[0])


def without_events(
    before: Predicted, own: Predicted, after: Predicted
) -> tuple[Tensor, Tensor]:
    """Tell what a frame would be without events: the mean of its neighbours.

    Where one was not measured the other counts, and the frame itself where neither was.
    """
    if before.frame.measured is None and after.frame.measured is None:
        return (before.mean + after.mean) / 2, (before.std + after.std) / 2
    total, unsure = torch.zeros_like(own.mean), torch.zeros_like(own.mean)
    count = torch.zeros_like(own.mean)
    for one in (before, after):
        seen = one.frame.measured
        known = torch.ones_like(total, dtype=torch.bool) if seen is None else seen
        # not times the mask: what was not measured may be no number
        total += torch.where(known, one.mean, 0.0)
        unsure += torch.where(known, one.std, 0.0)
        count += known
    is_known, count = count > 0, count.clamp_min(1)
    return (
        torch.where(is_known, total / count, own.mean),
        # neighbours err alike
        torch.where(is_known, unsure / count, own.std),
    )
