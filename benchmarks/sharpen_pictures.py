"""Pictures of what sharpening does.

    python -m benchmarks.sharpen_pictures docs/images

``sharpen-scenes.png``: filaments and nuclei whose truth is known: truth, the blurred
scene without noise, what was recorded, denoised, sharpened, and what Richardson-Lucy
makes of the noisy movie itself, at its best. ``sharpen-stop.png``: distance from an
independent noisy copies against iterations, and from the truth. ``sharpen-rings.png``:
down to which period two copies agree, denoised and sharpened. ``sharpen-frap.png``: a
real confocal movie, recorded, denoised and sharpened, of which nobody knows the truth,
nor the microscope: its blur is a guess.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont

import napari_udvd as nu
from benchmarks.common import DATA, at_most, machine, progress, real_movie
from benchmarks.quality import psnr
from benchmarks.sharpen import OFFSET, Case, best_of, blurred, finished
from napari_udvd.inference.request import Request
from napari_udvd.metrics import ONE_SEVENTH
from napari_udvd.optics import Gaussian, richardson_lucy
from napari_udvd.sharpening import Optics, Sharpener

if TYPE_CHECKING:
    from collections.abc import Sequence

Frames = npt.NDArray[np.float32]

CELL, GAP, LINE = 260, 6, 20
"""Edge of a picture, what lies between, and the height of its title."""

SCENES = Case("filaments", 10), Case("nuclei", 10)

TRIED = 120
"""Iterations of the curves."""

LOWEST = -0.1
"""Correlation at the foot of its picture: beyond what is resolved it is chance."""

FRAP = "embl_frap_70x512x512.tif"
PART_FRAMES, PART_EDGE = at_most(24, 192)
PART = slice(10, 10 + PART_FRAMES), *2 * (slice(150, 150 + PART_EDGE),)
GUESS = 1.5
"""Standard deviation that is guessed for the real movie, px."""

SHOWN = slice(48, 144)
"""Rows and columns of the real movie that are enlarged."""


class Sharp(NamedTuple):
    """A movie and what was made of it; light, offset taken off."""

    noisy: Frames
    denoised: Frames
    sharp: Frames
    sharpener: Sharpener


def sharpened(noisy: Frames, sigma: float, steps: int) -> Sharp:
    """Train, denoise, sharpen."""
    stack = nu.Stack.from_array(noisy, "TYX")
    denoiser = nu.train(stack, steps=steps, seed=0)
    request = Request(events=False, refine=False)
    optics = Optics(Gaussian(sigma))
    sharpener = finished(Sharpener.fitted(denoiser, stack, optics, request))
    offset = np.float32(denoiser.calibrations_for(stack)[0].noise.offset)
    plain = denoiser.denoise(stack, dtype=np.float32, events=False, refine=False)
    sharp = sharpener.denoise(stack, events=False, refine=False)
    return Sharp(noisy - offset, plain - offset, sharp - offset, sharpener)


def row_of(case: Case, found: Sharp) -> list[tuple[str, Frames]]:
    """Return titles and frames, from 0 to 1, of a scene whose truth is known."""
    movie = blurred(case)
    truth, optics = movie.truth, Optics(Gaussian(case.sigma))
    blur = optics.blur((truth.shape[1], truth.shape[2]))
    seen = blur(blur.canvas(torch.from_numpy(truth))).numpy()
    raw = movie.noisy - np.float32(OFFSET)
    count, _ = best_of(truth, raw, optics)
    *_, last = islice(richardson_lucy(torch.from_numpy(raw), blur), count + 1)
    direct = blur.inside(last.scene).numpy()
    iterations = found.sharpener.choices[0].iterations
    named = [
        (f"{case.kind}, {case.photons:g} photons: truth", truth),
        ("blurred, without noise", seen),
        ("recorded", raw),
        ("denoised", found.denoised),
        (f"sharpened, k = {iterations}", found.sharp),
        (f"noisy, sharpened, best k = {count}", direct),
    ]
    at, (low, high) = len(truth) // 2, np.percentile(truth, (0.5, 99.8))
    return [
        (
            title if k == 0 else f"{title}: {psnr(truth, frames):.1f} dB",
            np.asarray((frames[at] - low) / (high - low), np.float32),
        )
        for k, (title, frames) in enumerate(named)
    ]


def drawn(rows: Sequence[Sequence[tuple[str, Frames]]]) -> Image.Image:
    """Lay pictures out in rows, each below its title."""
    font = ImageFont.load_default(size=13)
    width = max(map(len, rows)) * (CELL + GAP) - GAP
    whole = Image.new("RGB", (width, len(rows) * (CELL + LINE + GAP) - GAP), "white")
    pen = ImageDraw.Draw(whole)
    for k, row in enumerate(rows):
        top = k * (CELL + LINE + GAP)
        for n, (title, frame) in enumerate(row):
            left = n * (CELL + GAP)
            grey = Image.fromarray(np.uint8(255 * np.clip(frame, 0, 1) ** 0.7))
            scale = CELL / max(frame.shape)
            size = round(scale * grey.width), round(scale * grey.height)
            whole.paste(grey.resize(size, Image.Resampling.NEAREST), (left, top + LINE))
            pen.text((left + 2, top + 2), title, fill="black", font=font)
    return whole


def curves(cases: Sequence[Case], found: Sequence[Sharp]) -> Image.Image:
    """Draw distance from the copy and from the truth against iterations."""
    width, height, left, bottom = 2 * CELL, CELL, 8, 34
    font = ImageFont.load_default(size=13)
    whole = Image.new("RGB", (2 * (width + 3 * GAP), height + LINE + bottom), "white")
    pen = ImageDraw.Draw(whole)
    for k, (case, result) in enumerate(zip(cases, found, strict=True)):
        truth = blurred(case).truth
        blur = result.sharpener.optics.blur((truth.shape[1], truth.shape[2]))
        tried = richardson_lucy(torch.from_numpy(result.denoised), blur)
        errors = [
            float(((blur.inside(each.scene).numpy() - truth) ** 2).mean())
            for each in islice(tried, TRIED + 1)
        ]
        choice = result.sharpener.choices[0]
        start = left + k * (width + 3 * GAP)
        pen.rectangle((start, LINE, start + width, LINE + height), outline="grey")
        lines = (choice.curve, (31, 119, 180)), (errors, (214, 39, 40))
        for values, colour in lines:
            part = np.log(np.asarray(values[1 : TRIED + 1]))
            span = max(float(np.ptp(part)), 1e-12)
            points = [
                (
                    start + width * np.log(i + 1) / np.log(TRIED),
                    LINE + height * (0.95 - 0.9 * (v - part.min()) / span),
                )
                for i, v in enumerate(part)
            ]
            pen.line(points, fill=colour, width=2)
        for values, colour, name, row in (
            (choice.curve, (31, 119, 180), "from the copies", 0),
            (errors, (214, 39, 40), "from the truth", 1),
        ):
            best = max(int(np.argmin(values)), 1)
            x = start + width * np.log(best) / np.log(TRIED)
            pen.line((x, LINE, x, LINE + height), fill=colour)
            text = f"distance {name}: least at {best}"
            at = (start + 0.3 * width, LINE + 6 + 18 * row)
            pen.text(at, text, fill=colour, font=font)
        title = f"{case.kind}, {case.photons:g} photons"
        pen.text((start + 2, 2), title, fill="black", font=font)
        for mark in (1, 3, 10, 30, 100):
            x = start + width * np.log(mark) / np.log(TRIED)
            pen.text((x, LINE + height + 2), str(mark), fill="black", font=font)
        pen.text(
            (start + width / 2 - 30, LINE + height + 16),
            "iterations",
            fill="black",
            font=font,
        )
    return whole


def rings(cases: Sequence[Case], found: Sequence[Sharp]) -> Image.Image:
    """Draw the ring correlation of copies, denoised and sharpened."""
    width, height, left, bottom = 2 * CELL, CELL, 34, 34
    font = ImageFont.load_default(size=13)
    step = width + left + 3 * GAP
    whole = Image.new("RGB", (len(cases) * step, height + LINE + bottom), "white")
    pen = ImageDraw.Draw(whole)
    for k, (case, result) in enumerate(zip(cases, found, strict=True)):
        (assessed,) = result.sharpener.assessments
        assert assessed is not None
        start = left + k * step

        def place(
            frequency: float, correlation: float, start: int = start
        ) -> tuple[float, float]:
            share = min(max(correlation, LOWEST), 1.0) - LOWEST
            return (
                start + width * frequency / 0.5,
                LINE + height * (1 - share / (1 - LOWEST)),
            )

        title = f"{case.kind}, {case.photons:g} photons"
        pen.text((start + 2, 2), title, fill="black", font=font)
        pen.rectangle((start, LINE, start + width, LINE + height), outline="grey")
        for level, grey in ((0.0, "lightgrey"), (ONE_SEVENTH, "grey")):
            pen.line([place(0.0, level), place(0.5, level)], fill=grey)
        x, y = place(0.5, ONE_SEVENTH)
        pen.text((x - 30, y - 17), "1/7", fill="grey", font=font)
        for row, (name, curve, colour) in enumerate(
            (
                ("denoised", assessed.before, (31, 119, 180)),
                ("sharpened", assessed.after, (214, 39, 40)),
            )
        ):
            pairs = zip(curve.frequency, curve.correlation, strict=True)
            pen.line([place(*pair) for pair in pairs], fill=colour, width=2)
            end = curve.resolution
            if end > 0:
                x, y = place(1 / end, ONE_SEVENTH)
                pen.ellipse((x - 4, y - 4, x + 4, y + 4), outline=colour, width=2)
            text = f"{name}: down to {end:.1f} px"
            at = (start + 0.6 * width, LINE + 6 + 18 * row)
            pen.text(at, text, fill=colour, font=font)
        for correlation in (0.0, 0.5, 1.0):
            _, y = place(0.0, correlation)
            y = min(y, LINE + height - 8)
            pen.text((start - 26, y - 8), f"{correlation:g}", fill="black", font=font)
        for frequency in (0.1, 0.2, 0.3, 0.4):
            x, y = place(frequency, LOWEST)
            pen.text((x - 10, y + 2), f"{frequency:g}", fill="black", font=font)
        pen.text(
            (start + width / 2 - 60, LINE + height + 16),
            "cycles per pixel of the movie",
            fill="black",
            font=font,
        )
    return whole


def real(folder: Path, steps: int) -> Image.Image:
    """Draw the confocal movie."""
    stack = nu.open(real_movie(FRAP, folder)).crop(*PART)
    found = sharpened(np.asarray(stack.read(), np.float32), GUESS, steps)
    at = found.noisy.shape[0] // 2
    low, high = np.percentile(found.denoised[at], (1, 99.9))
    iterations = found.sharpener.choices[0].iterations
    (assessed,) = found.sharpener.assessments
    assert assessed is not None
    progress(f"FRAP: {iterations} iterations, {assessed.to_dict()}")
    named = (
        ("recorded", found.noisy),
        ("denoised", found.denoised),
        (f"sharpened, {iterations} iterations", found.sharp),
    )
    scaled = [(title, (frames[at] - low) / (high - low)) for title, frames in named]
    near = [(f"{title}, x 2", frame[SHOWN, SHOWN]) for title, frame in scaled]
    return drawn([scaled, near])


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="folder")
    parser.add_argument("--data", type=Path, default=DATA, help="the real movies")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--simulated", action="store_true", help="no real movie")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    found = [
        sharpened(blurred(case).noisy, case.sigma, options.steps) for case in SCENES
    ]
    rows = [row_of(case, each) for case, each in zip(SCENES, found, strict=True)]
    drawn(rows).save(options.output / "sharpen-scenes.png")
    curves(SCENES, found).save(options.output / "sharpen-stop.png")
    rings(SCENES, found).save(options.output / "sharpen-rings.png")
    if options.simulated:
        return
    real(options.data, options.steps).save(options.output / "sharpen-frap.png")


if __name__ == "__main__":
    main()
