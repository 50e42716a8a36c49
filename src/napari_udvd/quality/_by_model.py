"""What the model that made a result tells of it, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from napari_udvd.errors import InputError
from napari_udvd.metrics import fourier_rings
from napari_udvd.quality._accuracy import Opinion
from napari_udvd.quality._coverage import Coverage, CoverageSums
from napari_udvd.quality._report import Reason, Resolution
from napari_udvd.quality._risk import NUDGE, RiskSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_udvd.quality._added import SpotFinder
    from napari_udvd.quality._copies import Pipeline
    from napari_udvd.quality._pair import Pair
    from napari_udvd.quality._sampling import Part
    from napari_udvd.stack import Plane

__all__ = ["ModelJudge"]

BLURRED = 8.0
"""Sigma of the smooth background on which noise is drawn, px."""

EVERY = 2
"""Parts of which every second is copied, and predicted blindly."""

NOISE_PARTS = 2
"""Parts of which but the background is left."""

SAME = 0.02
"""Distance of the result from what the model makes of the movie, over the noise, up to
which they are the same: crops see less at their edges."""

OTHER = 0.5
"""The same from which on the model is another one."""

SEED = 20_161
"""Of all noise that is drawn: a report comes out the same each time."""


class ModelJudge:
    """Results of copies, of a little more noise, of the blind prediction, and of noise.

    Parameters
    ----------
    pipeline
        The model.
    pair
        The movies.
    plane
        Of them.
    parts
        Those that go through the model.
    risk
        Takes how the model answers to a little noise.

    Attributes
    ----------
    opinion
        What the model says of its error.
    coverage
        Of the blind prediction; None for a model without a standard deviation.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        pair: Pair,
        plane: Plane,
        parts: Sequence[Part],
        risk: RiskSums,
    ) -> None:
        self._pipeline, self._pair, self._plane = pipeline, pair, plane
        self._parts, self._risk = parts, risk
        self._results: list[list[npt.NDArray[np.float32]]] = [[], []]
        self._away = self._variance = 0.0
        self._is_rounded = True
        self.opinion = Opinion()
        self.coverage: Coverage | None = None

    def run(self) -> Iterator[None]:
        """Do all of it, with a pause after each part."""
        for k, part in enumerate(self._parts):
            self._answer_of(part)
            if k % EVERY == 0:
                copies = self._pipeline.of_copies(part, SEED)
                for results, copy in zip(self._results, copies, strict=True):
                    results.append(copy.mean)
            yield
        if not self._pipeline.has_std:
            return
        sums = CoverageSums(self._pipeline.noise, "blind")
        for part in self._parts[::EVERY]:
            blind = self._pipeline.restored(part, blind=True)
            p = self._pair.read(self._plane, part)
            assert blind.std is not None
            sums.add(p.noisy, blind.mean, blind.std, p.measured)
            yield
        self.coverage = sums.result()

    def _answer_of(self, part: Part) -> None:
        own = self._pipeline.restored(part)
        added, nudged = self._pipeline.nudged(part, NUDGE, SEED)
        p = self._pair.read(self._plane, part)
        change = (nudged.mean - own.mean) / np.float32(NUDGE)
        self._risk.add_answer(added, change, p.result, p.measured)
        self.opinion.add(own, p.measured)
        away = (own.mean - p.result)[p.measured]
        variance = self._pipeline.noise.variance(p.result)[p.measured]
        self._away += float((away**2).sum(dtype=float))
        self._variance += float(variance.sum())
        self._is_rounded &= bool((p.result == np.rint(p.result)).all())

    @property
    def frames(self) -> int:
        """How many there are, in parts of frames."""
        return _frames(self._parts)

    def resolution(self) -> Resolution:
        """Compare the results of both copies, scale by scale."""
        noisy = self._pair.noisy
        one, two = (np.concatenate(results) for results in self._results)
        rings = fourier_rings(one, two)
        step, pixels = noisy.scale.get("X"), rings.resolution
        return Resolution(
            pixels=pixels,
            physical=None if step is None else pixels * step,
            unit=noisy.units.get("X", ""),
            rings=rings,
            frames=_frames(self._parts[::EVERY]),
            edge=min(self._results[0][0].shape[1:]),
        )

    def about_model(self) -> list[Reason]:
        """See that the result is what the model makes of the movie.

        Raises
        ------
        InputError
            If it is far from it.
        """
        share = self._away / self._variance
        rounding = self.opinion.pixels / 12 / self._variance
        allowed = SAME + (rounding if self._is_rounded else 0.0)
        if share > OTHER + allowed:
            raise InputError(
                "the model is not the one that made the result: what it makes of the "
                f"movie differs from it by {share**0.5:.2f} standard deviations of the "
                "noise; name the model of this result, or leave `model` out"
            )
        if share <= allowed:
            return []
        return [
            Reason(
                "care",
                "what the model makes of the movie is not quite the result: they "
                f"differ by {share**0.5:.2f} standard deviations of the noise; "
                "resolution, predicted PSNR and false spots are those of the model as "
                "it is used by default",
            )
        ]

    def false_spots(self, finder: SpotFinder, chance: float) -> tuple[float, int]:
        """Count what the pipeline makes of noise on a smooth background.

        Parameters
        ----------
        finder
            As it searched the result.
        chance
            Standard deviation of the contrast there.

        Returns
        -------
        density, frames
            Spots for each pixel, and parts of frames that it is from.
        """
        count = area = frames = 0
        step = max(len(self._parts) // NOISE_PARTS, 1)
        for part in self._parts[::step][:NOISE_PARTS]:
            scene = self._pair.read(self._plane, part).result.mean(axis=0)
            background = gaussian_filter(scene, BLURRED)
            found = self._pipeline.of_noise(background, part, SEED).mean
            everywhere = np.ones(found.shape[1:], bool)
            count += sum(len(finder.find(f, everywhere, chance)) for f in found)
            area += found.size
            frames += len(found)
        return count / area, frames


def _frames(parts: Sequence[Part]) -> int:
    return sum(part.stop - part.start for part in parts)
