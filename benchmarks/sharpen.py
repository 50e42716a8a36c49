"""What sharpening gains, on movies that were blurred by a known amount.

A simulated scene is blurred by a Gaussian, averaged over pixels, and recorded with few
photons. The program is told the blur and nothing of the noise; it denoises the movie
(*Fast*, trained on it), and sharpens the result by as many Richardson-Lucy iterations
as independent noisy copies ask for. Beside it are the same iterations on the noisy
movie, and the best number of them, both chosen with the truth.

PSNR is that of ``quality.py``. Resolution is the period down to which the result agrees
with the truth (Fourier ring correlation above 1/2), before and after.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import zoom as spline_zoom

import napari_udvd as nu
from benchmarks.common import at_most, machine, progress, set_up, table
from benchmarks.quality import psnr
from napari_udvd.cutting import cores
from napari_udvd.inference.request import Request
from napari_udvd.metrics import fourier_rings
from napari_udvd.optics import Blur, Gaussian, Microscope, richardson_lucy
from napari_udvd.sharpening import Optics, Sharpener
from napari_udvd.sharpening._blocks import PIXELS
from napari_udvd.simulation import KINDS, add_noise

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_udvd import Denoiser

Frames = npt.NDArray[np.float32]

FRAMES, EDGE = at_most(24, 96)
OFFSET, GAIN, READ_NOISE = 100.0, 2.0, 1.4
"""Of the camera, in grey levels: 0.7 photons of read noise."""

MOST = 200
"""Iterations among which the best is chosen with the truth."""

WRONG = 0.9, 1.1
"""Of the width, that the program is told in place of it."""


class Case(NamedTuple):
    """A movie: scene, photons, standard deviation of the blur in its pixels, zoom."""

    kind: str
    photons: float
    sigma: float = 1.75
    zoom: int = 1
    seed: int = 0

    @property
    def name(self) -> str:
        """What a table calls it."""
        grid = f", x{self.zoom}" if self.zoom > 1 else ""
        return f"{self.kind}, {self.photons:g} photons, {self.sigma:g} px{grid}"


CASES = (
    Case("filaments", 6),
    Case("filaments", 30),
    Case("vesicles", 6),
    Case("vesicles", 30),
    Case("nuclei", 6),
    Case("nuclei", 30),
    Case("filaments", 30, 0.7, 2),
    Case("vesicles", 15, 0.7, 2),
    Case("filaments", 15, 1.2, seed=1),
    Case("nuclei", 15, 2.5, seed=1),
)


class Blurred(NamedTuple):
    """A scene on the grid of the result, and what was recorded of it."""

    truth: Frames
    noisy: Frames


def blurred(case: Case) -> Blurred:
    """Draw a scene, blur it, and record it.

    The scene is drawn with a margin, so that light shines in from outside.
    """
    zoom, margin = case.zoom, 16
    edge = (EDGE if zoom == 1 else min(EDGE, 64)) + 2 * margin
    rng = np.random.default_rng(case.seed + 10000)
    scene, _ = KINDS[case.kind].draw(FRAMES, zoom * edge, zoom * edge, rng)
    blur = Blur(Gaussian(case.sigma), (edge, edge), zoom)
    light = torch.from_numpy(np.asarray(scene, np.float32))
    seen = blur(blur.canvas(light) if zoom == 1 else _on_canvas(blur, light)).numpy()
    inner = (slice(None), *2 * (slice(margin, -margin),))
    fine = (slice(None), *2 * (slice(zoom * margin, -zoom * margin),))
    seen, scene = np.maximum(seen[inner], 0.0), np.asarray(scene)[fine]
    noisy, _ = add_noise(
        seen,
        photons=case.photons,
        gain=GAIN,
        offset=OFFSET,
        read_noise=READ_NOISE,
        seed=case.seed,
        dtype=np.float32,
    )
    level = GAIN * case.photons / float(np.percentile(seen, 99.9))
    return Blurred(np.asarray(scene * level, np.float32), noisy)


def _on_canvas(blur: Blur, scene: torch.Tensor) -> torch.Tensor:
    """Put a scene that is on the fine grid on a canvas; nothing around it."""
    coarse = torch.zeros(len(scene), *(n // blur.zoom for n in scene.shape[1:]))
    canvas = blur.canvas(coarse)
    blur.inside(canvas)[:] = scene
    return canvas


def resolution(truth: Frames, result: Frames) -> float:
    """Period down to which a result agrees with the truth, px of the truth."""
    rings = fourier_rings(truth, result)
    below = rings.correlation < 0.5
    end = int(np.argmax(below)) if below.any() else len(below) - 1
    return float(1 / rings.frequency[end])


def enlarged(frames: Frames, zoom: int) -> Frames:
    """Bring frames to the grid of the result, by cubic splines over pixel areas."""
    if zoom == 1:
        return frames
    found = spline_zoom(
        frames, (1, zoom, zoom), order=3, mode="grid-mirror", grid_mode=True
    )
    return np.asarray(found, np.float32)


def best_of(truth: Frames, light: Frames, optics: Optics) -> tuple[int, float]:
    """Find the iterations that come closest to the truth, and how close."""
    blur = Blur(optics.psf, light.shape[1:], optics.zoom)
    found = [
        psnr(truth, blur.inside(iterate.scene).numpy())
        for iterate in islice(richardson_lucy(torch.from_numpy(light), blur), MOST + 1)
    ]
    best = int(np.argmax(found))
    return best, found[best]


def finished(steps: Generator[object, None, Sharpener]) -> Sharpener:
    """Run to the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            sharpener: Sharpener = end.value
            return sharpener


def trained(noisy: Frames, options: argparse.Namespace) -> Denoiser:
    """Train on the movie."""
    return nu.train(noisy, "TYX", steps=options.steps, seed=options.seed)


def row(case: Case, options: argparse.Namespace) -> dict[str, object]:
    """Measure one movie."""
    movie = blurred(case)
    stack = nu.Stack.from_array(movie.noisy, "TYX")
    began = time.perf_counter()
    denoiser = trained(movie.noisy, options)
    plain = denoiser.denoise(stack, dtype=np.float32)
    denoising = time.perf_counter() - began
    offset = np.float32(denoiser.calibrations_for(stack)[0].noise.offset)
    optics = Optics(Gaussian(case.sigma), case.zoom)
    began = time.perf_counter()
    sharpener = finished(Sharpener.fitted(denoiser, stack, optics, Request()))
    sharp = sharpener.denoise(stack) - offset
    seconds = time.perf_counter() - began
    best, most = best_of(movie.truth, plain - offset, optics)
    of_noisy, noisy = best_of(movie.truth, movie.noisy - np.float32(OFFSET), optics)
    before = enlarged(plain - offset, case.zoom)
    (choice,), (assessed,) = sharpener.choices, sharpener.assessments
    assert assessed is not None
    found: dict[str, object] = {
        "movie": case.name,
        "noisy, RL": noisy,
        "denoised": psnr(movie.truth, before),
        "sharpened": psnr(movie.truth, sharp),
        "best": most,
        "iterations": f"{choice.iterations} ({best}; noisy {of_noisy})",
        "resolution": f"{resolution(movie.truth, before):.2f}, "
        f"{resolution(movie.truth, sharp):.2f}",
        "by copies": f"{assessed.before.resolution:.2f}, "
        f"{assessed.after.resolution:.2f}",
        "mottled, %": f"{100 * assessed.mottled:.1f}",
        "offset": float(offset),
        "s": f"{denoising:.0f} + {seconds:.0f}",
    }
    for wrong in WRONG if options.wrong else ():
        other = Optics(Gaussian(wrong * case.sigma), case.zoom)
        told = finished(Sharpener.fitted(denoiser, stack, other, Request()))
        score = psnr(movie.truth, told.denoise(stack) - offset)
        found[f"blur x {wrong:g}"] = score
    progress(json.dumps(found))
    return found


def flat(options: argparse.Namespace) -> str:
    """Sharpen a movie of nothing but an even background."""
    noisy, _ = add_noise(
        np.ones((FRAMES, EDGE, EDGE), np.float32),
        photons=15,
        gain=GAIN,
        offset=OFFSET,
        read_noise=READ_NOISE,
        dtype=np.float32,
    )
    stack = nu.Stack.from_array(noisy, "TYX")
    denoiser = trained(noisy, options)
    optics = Optics(Gaussian(1.75))
    sharpener = finished(Sharpener.fitted(denoiser, stack, optics, Request()))
    # an even movie does not tell its offset: the camera's own, not what was measured
    light = sharpener.denoise(stack) - np.float32(OFFSET)
    above = int((light > 1.5 * np.median(light)).sum())
    return (
        f"Flat background: {sharpener.choices[0].iterations} iteration(s); {above} of "
        f"{light.size} pixels are above 1.5 times its level (aim: 0)"
    )


def speed(options: argparse.Namespace) -> str:
    """Time 100 frames of 256 x 256, after they were denoised."""
    frames, edge = at_most(100, 256)
    light = torch.rand(frames, edge, edge) + 1
    blur = Blur(Microscope(na=0.8, wavelength=520, pixel_size=0.1), (edge, edge))
    began = time.perf_counter()
    with torch.inference_mode():
        for part in cores(frames, PIXELS["cpu"] // edge**2):
            *_, _last = islice(richardson_lucy(light[part], blur), 51)
    took = time.perf_counter() - began
    return (
        f"50 iterations on {frames} frames of {edge} x {edge} take {took:.1f} s on "
        f"{torch.get_num_threads()} thread(s) (aim: 10 s on two cores)"
    )


def main() -> None:
    """Measure every movie, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(len(CASES))))
    parser.add_argument("--steps", type=int, default=150, help="of the denoiser")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--wrong", action="store_true", help="tell a wrong width, too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="gets all numbers, as JSON")
    options = parser.parse_args()
    set_up(options.threads)
    rows = [row(CASES[k], options) for k in options.cases]
    if options.keep:
        options.keep.write_text(json.dumps(rows, indent=1))
    print(machine(), "\n")
    columns = list(rows[0])
    cells = [
        [f"{v:.2f}" if isinstance(v, float) else str(v) for v in each.values()]
        for each in rows
    ]
    print(table(columns, cells))
    print("\n" + flat(options))
    print("\n" + speed(options))


if __name__ == "__main__":
    main()
