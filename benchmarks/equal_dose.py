"""The same dose on every pixel, or all of it on a fifth of them.

    python -m benchmarks.equal_dose --seconds 60 --picture docs/images/equal-dose.png

A scene is recorded twice: in full, with so many photons at each pixel, and sparsely,
with as many more at a fifth of the pixels as the other four fifths have less. The full
scan is denoised by the centre-blind network, the sparse one reconstructed by the same
network with a mask, both with the same budget and told the noise. Read noise is paid
once for every visit, so that it decides which is better. PSNR as in `reconstruct`.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.common import DATA, machine, progress, set_up, table
from benchmarks.movies import READ_NOISE, scene
from benchmarks.sparse_methods import MASKS, full, ours, psnr

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KINDS", "MASK", "NOISES", "SHARE", "Dose", "compare", "dose_table"]

KINDS = "calcium", "lattice"

NOISES = READ_NOISE, 0.0
"""Read noise, photons."""

SHARE = 0.2
"""Of the pixels that are visited, and ..."""

MASK = "random-20"
"""... which ones."""

DOSES = 1.0, 3.0, 9.0
"""Photons at each pixel of the full scan, at the 99.9th percentile of the truth."""

COLOURS = {READ_NOISE: (200, 80, 40), 0.0: (40, 90, 180)}

WIDTH, HEIGHT, LEFT, TOP, BETWEEN = 320, 240, 50, 30, 40
"""Pixels of an axis of the picture and of what lies around."""


class Dose(NamedTuple):
    """What both scans come to.

    Attributes
    ----------
    kind
        Of the scene.
    read_noise
        Photons.
    photons
        At each pixel of the full scan.
    full, sparse
        PSNR, dB, averaged over seeds.
    """

    kind: str
    read_noise: float
    photons: float
    full: float
    sparse: float


def compare(
    kind: str,
    read_noise: float,
    photons: float,
    seeds: Sequence[int],
    frames: int | None = None,
    **budget: Any,
) -> Dose:
    """Record a scene in full and sparsely, and make a movie of either.

    Parameters
    ----------
    kind, read_noise, photons
        See :class:`Dose`.
    seeds
        Of masks and trainings.
    frames
        Of the scene; all if None.
    **budget
        Of a training: ``minutes`` or ``steps``.
    """
    evenly = scene(kind, DATA, photons=photons, read_noise=read_noise)
    dwelling = scene(kind, DATA, photons=photons / SHARE, read_noise=read_noise)
    evenly, dwelling = (
        movie._replace(truth=movie.truth[:frames], noisy=movie.noisy[:frames])
        for movie in (evenly, dwelling)
    )
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        measured = MASKS[MASK](dwelling.truth.shape, rng)
        found.append(
            (
                psnr(evenly.truth, full(evenly, seed, **budget).mean),
                psnr(dwelling.truth, ours(dwelling, measured, seed, **budget).mean),
            )
        )
    whole, sparse = (float(v) for v in np.mean(found, axis=0))
    dose = Dose(kind, read_noise, photons, whole, sparse)
    progress(str(dose))
    return dose


def dose_table(doses: Sequence[Dose]) -> str:
    """Table of both, and what the sparse scan gains."""
    head = "scene", "read noise", "photons", "full, dB", "sparse, dB", "gain"
    rows = [
        (
            each.kind,
            f"{each.read_noise:g}",
            f"{each.photons:g}",
            f"{each.full:.2f}",
            f"{each.sparse:.2f}",
            f"{each.sparse - each.full:+.2f}",
        )
        for each in doses
    ]
    return table(head, rows)


def draw(doses: Sequence[Dose]) -> Image.Image:
    """Draw PSNR over dose, a panel for each scene; the full scan is dashed."""
    kinds = list(dict.fromkeys(each.kind for each in doses))
    panel = LEFT + WIDTH + BETWEEN
    image = Image.new("RGB", (panel * len(kinds), HEIGHT + 2 * TOP + 36), "white")
    pen = ImageDraw.Draw(image)
    photons = sorted({each.photons for each in doses})
    for k, kind in enumerate(kinds):
        some = [each for each in doses if each.kind == kind]
        levels = [v for each in some for v in (each.full, each.sparse)]
        low, high = np.floor(min(levels)), np.ceil(max(levels))
        left = panel * k + LEFT
        pen.rectangle((left, TOP, left + WIDTH, TOP + HEIGHT), outline="black")
        pen.text((left, TOP - 16), f"{kind}: PSNR, dB", fill="black")
        for level in np.arange(low, high + 1):
            y = _down(level, low, high)
            pen.line((left, y, left + WIDTH, y), fill=(225, 225, 225))
            pen.text((left - 22, y - 6), f"{level:.0f}", fill="black")
        for value in photons:
            x = left + _aside(value, photons)
            pen.text((x - 4, TOP + HEIGHT + 4), f"{value:g}", fill="black")
        pen.text(
            (left, TOP + HEIGHT + 20),
            "photons at a pixel of the full scan, five times that at a fifth",
            fill="black",
        )
        for noise in sorted({each.read_noise for each in some}):
            line = sorted((e for e in some if e.read_noise == noise), key=_photons)
            colour = COLOURS.get(noise, (90, 90, 90))
            for field in ("full", "sparse"):
                points = [
                    (
                        left + _aside(e.photons, photons),
                        _down(getattr(e, field), low, high),
                    )
                    for e in line
                ]
                _line(pen, points, colour, is_dashed=field == "full")
            name = f"read noise {noise:g}: full dashed, sparse solid"
            at = TOP + HEIGHT - 18 - 16 * (noise > 0)
            pen.text((left + 90, at), name, fill=colour)
    return image


def _photons(dose: Dose) -> float:
    return dose.photons


def _aside(value: float, photons: Sequence[float]) -> float:
    low, high = np.log(photons[0]), np.log(photons[-1])
    return 20 + float((np.log(value) - low) / max(high - low, 1e-9)) * (WIDTH - 40)


def _down(level: float, low: float, high: float) -> float:
    return TOP + float(1 - (level - low) / (high - low)) * HEIGHT


def _line(
    pen: ImageDraw.ImageDraw,
    points: Sequence[tuple[float, float]],
    colour: tuple[int, int, int],
    *,
    is_dashed: bool,
) -> None:
    for (x, y), (to_x, to_y) in pairwise(points):
        pieces = 16 if is_dashed else 1
        for k in range(0, pieces, 2):
            a, b = k / pieces, (k + 1) / pieces
            ends = [(x + (to_x - x) * at, y + (to_y - y) * at) for at in (a, b)]
            pen.line(ends, fill=colour, width=2)
    for x, y in points:
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def main() -> None:
    """Measure the curve, print it, and draw it if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--read-noise", type=float, nargs="+", default=NOISES)
    parser.add_argument("--photons", type=float, nargs="+", default=DOSES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--steps", type=int, help="instead of seconds")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, metavar="FILE")
    options = parser.parse_args()
    set_up(options.threads)
    budget: dict[str, Any] = {"minutes": options.seconds / 60}
    if options.steps:
        budget = {"steps": options.steps}
    doses = [
        compare(kind, noise, photons, options.seeds, options.frames, **budget)
        for kind in options.kinds
        for noise in options.read_noise
        for photons in options.photons
    ]
    print(f"{machine()}\n\n{dose_table(doses)}")
    if options.picture:
        draw(doses).quantize(64).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()
