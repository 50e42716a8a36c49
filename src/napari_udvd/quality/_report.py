"""The report: numbers and small pictures, and the ways they leave the program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_udvd._version import __version__
from napari_udvd.formats import to_plain, write_small

if TYPE_CHECKING:
    import os

    from napari_udvd.metrics import FourierRings
    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._accuracy import Accuracy
    from napari_udvd.quality._added import Added
    from napari_udvd.quality._coverage import Coverage
    from napari_udvd.quality._regions import Region
    from napari_udvd.quality._residual import Maps, Residual
    from napari_udvd.stack import Plane

__all__ = ["Level", "PlaneReport", "Reason", "Report", "Resolution", "Verdict"]

Level = Literal["trust", "care", "do not trust"]

COARSEST = 4
"""Periods on the edge of a crop from which on something is structure. What is coarser
both copies may share where the noise is a little stronger than its model."""

LEVELS: tuple[Level, ...] = ("trust", "care", "do not trust")
"""From best to worst."""


class Reason(NamedTuple):
    """Why a result deserves care, or is not to be trusted: one sentence."""

    level: Level
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What a user may make of the result.

    Attributes
    ----------
    level
        ``"trust"``, ``"care"`` or ``"do not trust"``: the worst of the reasons.
    reasons
        The worst first.
    good
        What speaks for the result, one sentence each.
    """

    level: Level
    reasons: tuple[Reason, ...]
    good: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The level in a sentence."""
        return {
            "trust": "The result can be trusted as far as the movie can tell.",
            "care": "The result can be used with care: mind the points below.",
            "do not trust": "Do not trust this result.",
        }[self.level]


@dataclass(frozen=True, eq=False)
class Resolution:
    """Resolution by Fourier ring correlation.

    Attributes
    ----------
    pixels
        Smallest period that two results of independent copies share, px; NaN where
        they share none.
    physical
        The same in `unit`; None where the size of a pixel is not known.
    unit
        Of the pixel size.
    rings
        The curve.
    frames
        Frames of crops that it is of.
    edge
        Rows or columns of a crop, whichever are fewer.
    """

    pixels: float
    physical: float | None
    unit: str
    rings: FourierRings
    frames: int
    edge: int

    @property
    def is_empty(self) -> bool:
        """Whether both share no more than a slope of brightness over the frame."""
        return not self.pixels <= self.edge / COARSEST


@dataclass(frozen=True, eq=False)
class PlaneReport:
    """All that is known of one plane; None is what could not be found out.

    Attributes
    ----------
    plane
        Channel and depth.
    label
        Name of the plane, for people; empty where there is but one.
    noise
        Its noise.
    accuracy, residual, resolution, added, coverage, regions
        See there.
    maps
        Pictures.
    verdict
        Of this plane.
    """

    plane: Plane
    label: str
    noise: NoiseModel
    accuracy: Accuracy
    residual: Residual
    resolution: Resolution | None
    added: Added
    coverage: Coverage | None
    regions: tuple[Region, ...]
    maps: Maps
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Report:
    """What a denoised movie is worth, judged without the truth.

    Attributes
    ----------
    noisy, result, model
        What was judged, for people; no model is an empty text.
    described
        The movie in words.
    planes
        One report for each plane that was judged, the worst first.
    verdict
        Of the whole: that of the worst plane.
    notes
        What could not be judged and why, and on what the numbers stand.
    """

    noisy: str
    result: str
    model: str
    described: str
    planes: tuple[PlaneReport, ...]
    verdict: Verdict
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers in types that JSON knows; pictures are left out."""
        found = {
            "program": "napari-udvd",
            "version": __version__,
            "noisy": self.noisy,
            "result": self.result,
            "model": self.model or None,
            "movie": self.described,
            "verdict": _verdict(self.verdict),
            "notes": self.notes,
            "planes": [_plane(plane) for plane in self.planes],
        }
        plain: dict[str, Any] = to_plain(found)
        return plain

    def to_json(self) -> str:
        """Return :meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1)

    def write_json(
        self, path: str | os.PathLike[str], *, overwrite: bool = False
    ) -> None:
        """Write all numbers.

        Raises
        ------
        OutputError
            If the file cannot be written; nothing is left behind.
        """
        _write(path, f"{self.to_json()}\n", overwrite)

    def to_html(self) -> str:
        """Return one page that needs nothing else: no other file, no script."""
        from napari_udvd.quality._page import page_of

        return page_of(self)

    def write_html(
        self, path: str | os.PathLike[str], *, overwrite: bool = False
    ) -> None:
        """Write :meth:`to_html`.

        Raises
        ------
        OutputError
            If the file cannot be written; nothing is left behind.
        """
        _write(path, self.to_html(), overwrite)

    def describe(self) -> str:
        """Say the verdict and the most important numbers in a few lines."""
        lines = [self.verdict.summary]
        lines += [f"- {reason.sentence}" for reason in self.verdict.reasons]
        return "\n".join([*lines, *self.numbers()])

    def numbers(self) -> list[str]:
        """Say the most important numbers, a line for each plane."""
        return [
            (f"{plane.label}: " if plane.label else "") + "; ".join(_numbers(plane))
            for plane in self.planes
        ]


def _write(path: str | os.PathLike[str], text: str, overwrite: bool) -> None:
    from pathlib import Path

    write_small(Path(path), text.encode("utf-8"), overwrite=overwrite)


def _numbers(plane: PlaneReport) -> list[str]:
    found, accuracy = [], plane.accuracy
    if accuracy.predicted is not None:
        value, least, most = accuracy.predicted
        found.append(f"PSNR about {value:.1f} dB ({least:.1f} to {most:.1f})")
        found.append(f"{accuracy.gain:+.1f} dB over the noisy movie")
    elif np.isfinite(accuracy.at_most):
        found.append(f"PSNR at most {accuracy.at_most:.1f} dB")
    if plane.resolution is not None and not plane.resolution.is_empty:
        found.append(f"resolution {plane.resolution.pixels:.1f} px")
    added = plane.added
    found.append(f"{added.unsupported} of {added.found} spots without support")
    return found


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "level": verdict.level,
        "summary": verdict.summary,
        "reasons": [reason._asdict() for reason in verdict.reasons],
        "good": verdict.good,
    }


def _plane(plane: PlaneReport) -> dict[str, Any]:
    accuracy = asdict(plane.accuracy)
    accuracy |= {
        "gain": plane.accuracy.gain,
        "gain_over_average": plane.accuracy.gain_over_average,
    }
    resolution = None
    if plane.resolution is not None:
        r = plane.resolution
        resolution = {
            f.name: getattr(r, f.name) for f in fields(r) if f.name != "rings"
        }
        resolution["rings"] = r.rings._asdict()
    added = asdict(plane.added)
    added["listed"] = [spot._asdict() for spot in plane.added.listed]
    return {
        "channel": plane.plane.c,
        "depth": plane.plane.z,
        "label": plane.label,
        "verdict": _verdict(plane.verdict),
        "noise": plane.noise.to_dict(),
        "accuracy": accuracy,
        "residual": asdict(plane.residual),
        "resolution": resolution,
        "added": added,
        "coverage": None if plane.coverage is None else asdict(plane.coverage),
        "regions": [asdict(region) for region in plane.regions],
    }
