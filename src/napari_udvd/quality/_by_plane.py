"""Judge one plane of a movie: a movie of two dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.noise import diagnose
from napari_udvd.quality._accuracy import Opinion, accuracy_of
from napari_udvd.quality._added import (
    LISTED,
    MOST,
    SUPPORTED,
    Added,
    Looked,
    Spot,
    SpotFinder,
    support,
)
from napari_udvd.quality._by_model import ModelJudge
from napari_udvd.quality._copies import Cancelled, Correlations, Pipeline
from napari_udvd.quality._coverage import Coverage, CoverageSums
from napari_udvd.quality._frequencies import Boxes
from napari_udvd.quality._pair import Pair, Pixels, check_related
from napari_udvd.quality._precision import about_precision
from napari_udvd.quality._regions import (
    Region,
    TraceSums,
    judge_regions,
    variance_of_mean,
)
from napari_udvd.quality._report import PlaneReport, Reason
from napari_udvd.quality._residual import Maps, Residual, ResidualSums
from napari_udvd.quality._risk import RiskSums
from napari_udvd.quality._sampling import (
    MODEL_RUN,
    RUN,
    Part,
    parts_for_model,
    parts_to_look_at,
)
from napari_udvd.quality._verdict import reasons_of, verdict_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.noise import Diagnosis, NoiseModel
    from napari_udvd.stack import Plane

__all__ = ["Judging", "PlaneJudge"]

Doubles = npt.NDArray[np.float64]

SEARCHED = 2**22
"""Pixels of the frames that are searched for spots."""

WITH_VIEWS = 0.25
"""Share of the pixels that go through a model that looks at many views of each."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What is judged, and by what.

    Attributes
    ----------
    pair
        The two movies.
    denoiser
        The model that made the result; None if it is not known.
    request
        How it was used.
    masks
        Regions of interest ``(Y, X)``, by name.
    cancel
        Set it to stop soon.
    """

    pair: Pair
    denoiser: Denoiser | None
    request: Request
    masks: Mapping[str, npt.NDArray[np.bool_]]
    cancel: threading.Event | None

    def stop_if_cancelled(self) -> None:
        """Raise what ends it."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled


class PlaneJudge:
    """All numbers of one plane.

    Parameters
    ----------
    judging
        What is judged.
    plane
        Channel and depth.
    share
        Of the pixels that there is time for.
    """

    def __init__(self, judging: Judging, plane: Plane, share: float) -> None:
        self._judging, self._plane = judging, plane
        noisy = judging.pair.noisy
        self._looked = parts_to_look_at(noisy, share)
        self._modelled: list[Part] = []
        self.notes: list[str] = []
        denoiser = judging.denoiser
        if denoiser is not None:
            views = WITH_VIEWS if denoiser.self_ensemble else 1.0
            self._modelled = parts_for_model(noisy, share * views)
        self._is_scan = noisy.is_scan(plane)
        self._several = len(judging.pair.planes) > 1

    @property
    def steps(self) -> int:
        """How many there will be."""
        parts = len(self._modelled)
        return 3 + parts + -(-parts // 2) + (parts > 0)

    @property
    def label(self) -> str:
        """Name of the plane; empty where there is but one."""
        if not self._several:
            return ""
        noisy, parts = self._judging.pair.noisy, []
        if noisy.n_channels > 1:
            name = noisy.channel_names[self._plane.c] if noisy.channel_names else ""
            parts.append(f"channel {self._plane.c}" + (f" ({name})" if name else ""))
        if noisy.n_planes > 1:
            parts.append(f"plane {self._plane.z}")
        return ", ".join(parts)

    def run(self) -> Iterator[PlaneReport | None]:
        """Do it, with a pause after each step."""
        judging, pair = self._judging, self._judging.pair
        pixels = []
        for part in self._looked:
            judging.stop_if_cancelled()
            pixels.append(pair.read(self._plane, part))
        check_related(pixels, f" of {self.label}" if self.label else "")
        if self._is_scan:
            share = float(np.mean([p.measured.mean() for p in pixels]))
            self.notes.append(
                f"{share:.0%} of the pixels were measured, and all numbers are of "
                "those and of what lies around them; of the others there is nothing to "
                "compare the result with: see its standard deviation"
            )
        diagnosis = diagnose(pair.noisy, self._plane)
        noise, reasons = self._noise(diagnosis)
        correlations = Correlations(diagnosis.correlation_y, diagnosis.correlation_x)
        yield None
        residual, maps = self._residual(pixels, noise)
        coverage = self._coverage_of_result(pixels, noise)
        yield None
        finder = SpotFinder(noise, correlations)
        added, chance = self._spots(pixels, finder)
        yield None
        opinion, risk, resolution = Opinion(), None, None
        if judging.denoiser is not None:
            pipeline = Pipeline(
                judging.denoiser,
                pair,
                self._plane,
                noise,
                correlations,
                judging.request,
                judging.cancel,
            )
            sums = self._risk_of(pixels, noise, correlations)
            model = ModelJudge(pipeline, pair, self._plane, self._modelled, sums)
            yield from model.run()
            risk = sums.result()
            reasons += model.about_model()
            opinion, resolution = model.opinion, model.resolution()
            coverage = model.coverage or coverage
            density, frames = model.false_spots(finder, chance)
            looked = self._looked[0]
            searched = added.frames * looked.pixels / (looked.stop - looked.start)
            added = replace(
                added, false_expected=density * searched, noise_frames=frames
            )
            first = self._modelled[0]
            self.notes.append(
                f"predicted PSNR: {model.frames} frames, and resolution: "
                f"{resolution.frames}" + self._cut(first.rows, first.columns)
            )
            yield None
        accuracy, left = accuracy_of(pixels, noise, residual.whole, opinion, risk)
        reasons += about_precision(pixels, noise, left)
        regions = self._regions(noise, correlations)
        judged = reasons_of(
            accuracy, residual, resolution, added, coverage, regions, correlations
        )
        yield PlaneReport(
            plane=self._plane,
            label=self.label,
            noise=noise,
            accuracy=accuracy,
            residual=residual,
            resolution=resolution,
            added=added,
            coverage=coverage,
            regions=tuple(regions),
            maps=maps,
            verdict=verdict_of([*judged.reasons, *reasons], judged.good),
        )

    def _noise(self, diagnosis: Diagnosis) -> tuple[NoiseModel, list[Reason]]:
        """Return the noise that the model was told, or that is measured."""
        denoiser, noisy = self._judging.denoiser, self._judging.pair.noisy
        if denoiser is None:
            broken = diagnosis.broken
            return diagnosis.noise, [Reason("do not trust", s) for s in broken]
        match = denoiser.match(noisy)
        broken = (*match.warnings, *diagnosis.broken_under(denoiser.net.hole))
        reasons = [Reason("do not trust", s) for s in dict.fromkeys(broken)]
        self.notes += match.notes
        return match.calibrations[self._plane.c].noise, reasons

    def _residual(
        self, pixels: list[Pixels], noise: NoiseModel
    ) -> tuple[Residual, Maps]:
        levels = np.concatenate([p.result[p.measured][::7] for p in pixels])
        sums = ResidualSums(noise, levels, RUN)
        for p in pixels:
            self._judging.stop_if_cancelled()
            sums.add(p)
        k = len(pixels) // 2
        part = self._looked[k]
        residual = sums.result()
        self.notes.append(
            f"residual and spots: {residual.frames} of "
            f"{self._judging.pair.noisy.n_frames} frames"
            + self._cut(part.rows, part.columns)
        )
        return residual, sums.maps(pixels[k], part.rows, part.columns)

    def _risk_of(
        self, pixels: list[Pixels], noise: NoiseModel, correlations: Correlations
    ) -> RiskSums:
        """Take what the residual tells of the error."""
        part = self._modelled[0]
        height, width = (s.stop - s.start for s in (part.rows, part.columns))
        frames = min(self._judging.pair.noisy.n_frames, MODEL_RUN)
        sums = RiskSums(noise, correlations, Boxes(frames, height, width))
        for p in pixels:
            self._judging.stop_if_cancelled()
            sums.add_residual(p.noisy, p.result, p.measured)
        return sums

    def _cut(self, rows: slice, columns: slice) -> str:
        height, width = self._judging.pair.noisy.frame_shape
        size = rows.stop - rows.start, columns.stop - columns.start
        if size == (height, width):
            return ""
        return f", {size[0]} x {size[1]} pixels of {height} x {width}"

    def _coverage_of_result(
        self, pixels: list[Pixels], noise: NoiseModel
    ) -> Coverage | None:
        if self._judging.pair.std is None:
            return None
        sums = CoverageSums(noise, "result")
        for p in pixels:
            assert p.std is not None
            sums.add(p.noisy, p.result, p.std, p.measured)
        return sums.result()

    def _spots(self, pixels: list[Pixels], finder: SpotFinder) -> tuple[Added, float]:
        """Search frames, and ask the noisy movie for what was found."""
        frames = [
            (part.start + k, p.result[k], p.measured[k])
            for part, p in zip(self._looked, pixels, strict=True)
            for k in range(len(p.result))
        ]
        size = frames[0][1].size
        step = max(-(-len(frames) * size // SEARCHED), 1)
        frames = frames[step // 2 :: step]
        spots, chances, dropped = [], [], 0
        for t, result, measured in frames:
            self._judging.stop_if_cancelled()
            chances.append(finder.contrast(result)[1])
            # what a scan shows lies between its points, too
            found = finder.find(result, measured | self._is_scan)
            spots += [Spot(t, y, x, a) for y, x, a in found[:MOST]]
            dropped += max(len(found) - MOST, 0)
        if dropped:
            self.notes.append(
                f"spots: the {MOST} brightest of each frame; {dropped} dimmer ones are "
                "left out"
            )
        rows, columns = self._looked[0].rows, self._looked[0].columns

        def read(t: int) -> Looked:
            self._judging.stop_if_cancelled()
            p = self._judging.pair.read(self._plane, Part(t, t + 1, rows, columns))
            return Looked(p.noisy[0], p.result[0], p.measured[0])

        asked = support(finder, spots, read, self._judging.pair.noisy.n_frames)
        alone = [spot for spot in asked if spot.support < SUPPORTED]
        brief = [spot for spot in asked if spot.brief]
        alone.sort(key=lambda spot: -abs(spot.amplitude))
        listed = [
            spot._replace(row=spot.row + rows.start, column=spot.column + columns.start)
            for spot in alone[:LISTED]
        ]
        added = Added(
            frames=len(frames),
            found=len(asked),
            unsupported=len(alone),
            events=len(brief),
            unsupported_events=sum(spot.support < SUPPORTED for spot in brief),
            listed=tuple(listed),
        )
        return added, float(np.median(chances))

    def _regions(self, noise: NoiseModel, correlations: Correlations) -> list[Region]:
        masks, pair = self._judging.masks, self._judging.pair
        if not masks:
            return []
        sums = TraceSums(masks)
        for t in range(pair.noisy.n_frames):
            self._judging.stop_if_cancelled()
            result = pair.result.read(t, self._plane)[0]
            known = pair.noisy.read_mask(t, self._plane)[0] & np.isfinite(result)
            sums.add(pair.noisy.read(t, self._plane)[0], result, known)
        traces = sums.traces()
        self.notes += [
            f"region {name}: no pixel of it was measured; it is left out"
            for name in masks
            if name not in traces
        ]

        def variance(name: str, level: npt.NDArray[np.float64]) -> Doubles:
            pixels = traces[name].pixels
            assert pixels is not None
            return variance_of_mean(pixels, level, noise, correlations)

        return judge_regions(masks, traces, variance)
