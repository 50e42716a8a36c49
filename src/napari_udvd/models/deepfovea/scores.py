"""The published figures of merit, for comparison with the published tables alone.

Both have the names of measures that everybody knows, and neither is one of them: see
what is wrong with each. `napari_udvd.metrics` has those that are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["published_psnr", "published_ssim"]


def published_psnr(prediction: Tensor, label: Tensor) -> Tensor:
    """Return the published "PSNR", in dB.

    Not comparable with the literature: the peak is the largest value of the
    *prediction*, so one pixel that is wrongly bright raises the score, and so does an
    offset of both. PSNR has a peak that no prediction can move: the range of the data.

    Parameters
    ----------
    prediction, label
        Same shape.
    """
    error = (prediction - label).square().mean()
    return 10 * (prediction.max().square() / error).log10()


def published_ssim(prediction: Tensor, label: Tensor) -> Tensor:
    """Return the published "SSIM".

    Not comparable with the literature: it is one formula over all values at once, where
    SSIM is the mean over local windows; the constants are missing that keep it finite
    where nothing varies; and the covariance is divided by n, the variances by n - 1, so
    that a clip does not even score 1 against itself.

    Parameters
    ----------
    prediction, label
        Same shape.
    """
    means = prediction.mean(), label.mean()
    variances = prediction.var(), label.var()
    covariance = ((prediction - means[0]) * (label - means[1])).mean()
    alike = 4 * means[0] * means[1] * covariance
    return alike / (means[0] ** 2 + means[1] ** 2) / (variances[0] + variances[1])
