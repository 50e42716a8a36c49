"""The demo: from a simulated movie to a picture and numbers, as a user would."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from napari_udvd.cli.console import Report
from napari_udvd.errors import OutputError
from napari_udvd.formats import create, write_small
from napari_udvd.inference.request import Request
from napari_udvd.jobs.files import make_folder
from napari_udvd.jobs.training import train_movies
from napari_udvd.metrics import best_gaussian, psnr
from napari_udvd.simulation import simulate
from napari_udvd.training import Finished

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Stack

__all__ = ["run_demo", "side_by_side"]

Frame = npt.NDArray[np.floating]

MAGNIFICATION = 3

NOISY, TRUTH, DENOISED = "noisy.ome.tif", "truth.ome.tif", "denoised.ome.tif"
MODEL, PICTURE = "model.safetensors", "comparison.png"
FILES = (NOISY, TRUTH, DENOISED, MODEL, PICTURE)


def run_demo(
    folder: Path, minutes: float, seed: int, device: str, overwrite: bool, quiet: bool
) -> None:
    """Simulate nuclei under low light, train, denoise, compare with the truth.

    Writes ``noisy.ome.tif``, ``denoised.ome.tif``, ``truth.ome.tif``,
    ``model.safetensors`` and ``comparison.png``, and prints the signal-to-noise ratio
    of the noisy movie, of the best Gaussian filter and of the result.
    """
    report = Report(quiet)
    make_folder(folder)
    for name in FILES:
        if (folder / name).exists() and not overwrite:
            raise OutputError(
                f"{str(folder / name)!r} exists; name another folder, or replace the "
                "files of an earlier demo with --overwrite"
            )
    movie = simulate("nuclei", frames=40, shape=(128, 128), seed=seed)
    report.say(f"simulated nuclei: {movie.noisy.describe()}")
    values = {"minutes": minutes, "seed": seed, "device": device}
    asked = Request(device=device, events=None, refine=None, dtype=np.float32)
    outcome = report.training(train_movies([movie.noisy], values, follows=asked))
    assert isinstance(outcome, Finished)
    denoiser = outcome.denoiser
    denoised = denoiser.denoise(movie.noisy, device=device, dtype=np.float32)
    noisy, truth = movie.noisy.read(), movie.truth.read()
    gaussian = best_gaussian(truth, noisy)

    _write(folder / NOISY, movie.noisy, noisy)
    _write(folder / TRUTH, movie.truth, truth)
    _write(folder / DENOISED, movie.noisy, denoised, denoiser)
    denoiser.save(folder / MODEL)
    middle = len(noisy) // 2
    picture = side_by_side(
        {
            "noisy": noisy[middle],
            "best Gaussian": gaussian[middle],
            "denoised": denoised[middle],
            "truth": truth[middle],
        }
    )
    content = io.BytesIO()
    picture.save(content, "PNG")
    write_small(folder / PICTURE, content.getvalue(), overwrite=True)
    print(f"PSNR noisy         {psnr(truth, noisy):6.2f} dB")
    print(f"PSNR best Gaussian {psnr(truth, gaussian):6.2f} dB (chosen with the truth)")
    print(f"PSNR denoised      {psnr(truth, denoised):6.2f} dB")
    print(f"files in {folder}")


def side_by_side(frames: dict[str, Frame]) -> Image.Image:
    """Draw frames of one shape beside each other, on the grey scale of the last.

    Parameters
    ----------
    frames
        Title to frame ``(Y, X)``.
    """
    low, high = np.percentile(list(frames.values())[-1], (0.5, 99.8))
    panels = []
    for title, frame in frames.items():
        grey = np.clip((frame - low) / max(high - low, 1e-12), 0, 1) * 255
        panel = Image.fromarray(grey.astype(np.uint8))
        size = (panel.width * MAGNIFICATION, panel.height * MAGNIFICATION)
        panel = panel.resize(size, Image.Resampling.NEAREST)
        ImageDraw.Draw(panel).text(
            (6, 4), title, fill=255, font_size=20, stroke_width=2, stroke_fill=0
        )
        panels.append(panel)
    gap = 4
    width = sum(panel.width + gap for panel in panels) - gap
    picture = Image.new("L", (width, panels[0].height), 255)
    x = 0
    for panel in panels:
        picture.paste(panel, (x, 0))
        x += panel.width + gap
    return picture


def _write(
    path: Path, like: Stack, frames: Frame, denoiser: Denoiser | None = None
) -> None:
    record = {} if denoiser is None else {"training": dict(denoiser.record)}
    dtype = like.dtype if denoiser is None else np.float32
    with create(path, like=like, dtype=dtype, record=record, overwrite=True) as sink:
        sink.write(frames, 0)
