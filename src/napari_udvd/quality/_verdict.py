"""From numbers to a verdict in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.quality._report import LEVELS, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_udvd.quality._accuracy import Accuracy
    from napari_udvd.quality._added import Added
    from napari_udvd.quality._copies import Correlations
    from napari_udvd.quality._coverage import Coverage
    from napari_udvd.quality._regions import Region
    from napari_udvd.quality._report import Level, Resolution
    from napari_udvd.quality._residual import Residual

__all__ = ["reasons_of", "verdict_of"]

TAKEN = 1.15, 1.5
"""Variance of the residual over the noise's, from which signal was taken away (care,
do not trust)."""

KEPT = 0.5
"""The same below which most of the noise is still there."""

SHIFTED = 0.15, 0.5
"""Mean residual of a brightness, in standard deviations of the noise."""

LOST = 0.1, 0.3
"""Share of the contrast of fine structures that is in the residual."""

SURE = 5.0
"""Standard errors beyond which a share is no chance."""

SPREAD = 0.1
"""Share that distances from the prediction may be larger or smaller than said."""

FALSE = 0.1, 0.5
"""Share of the spots that may be false."""

FEW = 1.0
"""False spots that are expected of no more than this do not matter."""

UNSURE = 6.0
"""Decibels between which a predicted PSNR may be without a word of care."""

CHANCE = 1
"""Events of a noisy trace that may be none: of 740 frames one is by chance."""

REPEATED = 0.05, 0.2
"""Autocorrelation of the residual from frame to frame that noise does not have."""

SHARED = 0.05
"""Autocorrelation of the residual from pixel to pixel beyond that of the noise."""


def verdict_of(reasons: Iterable[Reason], good: Sequence[str]) -> Verdict:
    """Sum up: the worst reason decides."""
    ordered = sorted(set(reasons), key=lambda r: -LEVELS.index(r.level))
    level = ordered[0].level if ordered else LEVELS[0]
    return Verdict(level, tuple(ordered), tuple(good))


def reasons_of(
    accuracy: Accuracy,
    residual: Residual,
    resolution: Resolution | None,
    added: Added,
    coverage: Coverage | None,
    regions: Sequence[Region],
    correlations: Correlations,
) -> Verdict:
    """Judge the numbers of one plane."""
    reasons = [
        *_of_accuracy(accuracy),
        *_of_residual(residual, correlations),
        *_of_resolution(resolution),
        *_of_spots(added),
        *_of_coverage(coverage),
        *_of_regions(regions),
    ]
    return verdict_of(reasons, list(_good(accuracy, residual, resolution, added)))


def _of_accuracy(accuracy: Accuracy) -> Iterator[Reason]:
    bound = "predicted to be" if accuracy.predicted is not None else "at most"
    if accuracy.gain <= 0:
        yield Reason(
            "do not trust",
            f"the result is {bound} {abs(accuracy.gain):.1f} dB worse than the noisy "
            "movie itself; do not use it",
        )
    elif accuracy.gain_over_average <= 0:
        yield Reason(
            "do not trust",
            f"a plain average of three frames is {-accuracy.gain_over_average:.1f} dB "
            f"better than what the result is {bound}; average, or train longer",
        )
    if accuracy.predicted is not None:
        _, least, most = accuracy.predicted
        if most - least > UNSURE:
            yield Reason(
                "care",
                f"how good the result is cannot be told well: a PSNR of {least:.0f} to "
                f"{most:.0f} dB; what it lacks is too little beside the noise, or too "
                "much like it, for this movie to show",
            )
    if accuracy.disagree:
        assert accuracy.posterior is not None and accuracy.measured is not None
        yield Reason(
            "care",
            f"two ways to predict the PSNR disagree: {accuracy.posterior[0]:.1f} dB by "
            "the standard deviation of the result, "
            f"{accuracy.measured[0]:.1f} dB as measured in the movie; the model does "
            "not know its own errors, or the noise model is off",
        )


def _of_residual(residual: Residual, correlations: Correlations) -> Iterator[Reason]:
    variance = np.array(residual.variance)
    k = int(np.argmax(variance))
    if variance[k] > TAKEN[0]:
        yield Reason(
            _worse(variance[k], TAKEN),
            f"at grey levels near {residual.level[k]:.4g} the residual varies "
            f"{variance[k]:.2f} times as much as the noise does: the result lacks "
            "something that was in the movie, or the noise model does not hold there",
        )
    if residual.whole < KEPT:
        yield Reason(
            "care",
            f"the residual has only {residual.whole:.0%} of the variance of the noise: "
            "the rest of it is still in the result",
        )
    mean = np.array(residual.mean)
    k = int(np.argmax(np.abs(mean)))
    if abs(mean[k]) > SHIFTED[0]:
        yield Reason(
            _worse(abs(mean[k]), SHIFTED),
            f"near grey level {residual.level[k]:.4g} the result is "
            f"{'darker' if mean[k] > 0 else 'brighter'} than the movie by "
            f"{abs(mean[k]):.2f} standard deviations of the noise: intensities are "
            "shifted",
        )
    lost, error = residual.structure, residual.structure_error
    if lost > LOST[0] and lost > SURE * error:
        yield Reason(
            _worse(lost, LOST),
            f"{lost:.0%} of the contrast of fine structures is in the residual: they "
            "are dimmer in the result than in the movie",
        )
    if residual.along_t and residual.along_t[0] > REPEATED[0]:
        yield Reason(
            _worse(residual.along_t[0], REPEATED),
            "the residual of a frame is like that of the next (correlation "
            f"{residual.along_t[0]:+.2f}), as noise is not: something that moves or "
            "stands still was taken for noise",
        )
    for along, noise, what in (
        (residual.along_y, correlations.rows, "row"),
        (residual.along_x, correlations.columns, "column"),
    ):
        if along and along[0] > max(noise, 0.0) + SHARED:
            yield Reason(
                "care",
                f"the residual of a {what} is like that of the next (correlation "
                f"{along[0]:+.2f}, that of the noise is {noise:+.2f}): there are "
                "structures in what was taken away",
            )


def _of_resolution(resolution: Resolution | None) -> Iterator[Reason]:
    if resolution is not None and resolution.is_empty:
        yield Reason(
            "do not trust",
            "results of two independent copies of the movie do not show the same "
            "structures at any scale below that of the frame: there is nothing in it "
            "that can be told from noise",
        )


def _of_spots(added: Added) -> Iterator[Reason]:
    if added.unsupported > max(FALSE[0] * added.found, FEW):
        share = added.unsupported / added.found
        yield Reason(
            _worse(share, FALSE),
            f"{added.unsupported} of {added.found} spots of the result are not "
            "supported by the noisy movie at 3 standard deviations; do not count them",
        )
    expected = added.false_expected
    if expected is not None and expected > max(FALSE[0] * added.found, FEW):
        share = expected / max(added.found, 1)
        yield Reason(
            _worse(share, FALSE),
            f"the same pipeline makes about {expected:.0f} such spots of noise alone, "
            f"where {added.found} were found",
        )


def _of_coverage(coverage: Coverage | None) -> Iterator[Reason]:
    if coverage is None:
        return
    away = coverage.spread - 1
    if abs(away) > SPREAD:
        yield Reason(
            "care",
            f"noisy pixels are {coverage.spread:.2f} times as far from what was "
            "predicted as its standard deviation and the noise say: one of both is too "
            + ("small" if away > 0 else "large"),
        )


def _of_regions(regions: Sequence[Region]) -> Iterator[Reason]:
    for region in regions:
        if abs(region.bias) > SURE * region.bias_error:
            yield Reason(
                "care",
                f"region {region.name}: the mean of the result is {region.bias:+.4g} "
                f"grey levels off that of the movie (noise explains "
                f"{region.bias_error:.2g})",
            )
        lost = region.events_before - region.events_kept
        if lost > CHANCE:
            yield Reason(
                "care",
                f"region {region.name}: {lost} of {region.events_before} events of the "
                "noisy trace are not in that of the result (one or two may be chance)",
            )


def _good(
    accuracy: Accuracy,
    residual: Residual,
    resolution: Resolution | None,
    added: Added,
) -> Iterator[str]:
    if accuracy.predicted is not None and accuracy.gain > 0:
        yield (
            f"predicted {accuracy.gain:.1f} dB better than the noisy movie"
            + (
                f", and {accuracy.gain_over_average:.1f} dB better than the average of "
                "three frames"
                if accuracy.gain_over_average > 0
                else ""
            )
        )
    variance = np.array(residual.variance)
    if variance.max() <= TAKEN[0] and residual.whole >= KEPT:
        yield "what was taken away varies as the noise does, at every brightness"
    if abs(residual.structure) <= max(LOST[0], SURE * residual.structure_error):
        yield "no fine structure is seen in what was taken away"
    if resolution is not None and not resolution.is_empty:
        yield (
            "two independent copies of the movie show the same structures down to "
            f"{resolution.pixels:.1f} px"
        )
    if added.found and added.unsupported <= max(FALSE[0] * added.found, FEW):
        yield (
            f"{added.found - added.unsupported} of {added.found} spots are supported "
            "by the noisy movie"
        )


def _worse(value: float, limits: tuple[float, float]) -> Level:
    return "do not trust" if value > limits[1] else "care"
