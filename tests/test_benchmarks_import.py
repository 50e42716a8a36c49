"""The benchmarks' own arithmetic, on sizes that take no time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_table_is_markdown(benchmark_script: Callable[[str], Any]) -> None:
    table = benchmark_script("common").table(("a", "b"), [("x", 1), ("y", 2)])
    assert table == "| a | b |\n| --- | ---: |\n| x | 1 |\n| y | 2 |"


def test_a_weave_is_a_peak_of_its_period(
    benchmark_script: Callable[[str], Any],
) -> None:
    weave = benchmark_script("weave")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:97, :110]
    for period in weave.PERIODS:
        error = rng.normal(0, 1, (80, 97, 110))
        error += 0.3 * np.cos(2 * np.pi * (x + y) / period)
        power = weave.spectrum(error.astype("f4"))
        found = {other: weave.peak(power, other) for other in weave.PERIODS}
        assert found.pop(period) > 20
        assert max(found.values()) < weave.GOAL


COUNT = """
import torch
from benchmarks import udvd_speed as speed
plain, net = speed.same_networks(width=8)
side = 64

def run_plain():
    plain(torch.zeros(1, 5, side, side))

def run_ours():
    with torch.inference_mode():
        net(speed.Clip(torch.zeros(1, 5, 1, side, side), speed.NO_NOISE))

print(speed.counted_gflop(run_plain) / speed.plain_gflop(plain, side, side, False))
print(speed.counted_gflop(run_ours) / speed.our_gflop(net, side, side, 3, 1, False))
"""


def test_operations_are_those_torch_counts() -> None:
    # torch's counter imports its compiler, which may not be in one process with a
    # graphics driver that a viewer has loaded
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    plain, ours = map(float, done.stdout.split())
    # the plain network computes a row more per layer: 1 / 64 here, 1 / 16 at a quarter
    assert 1 <= plain < 1.05
    # ours has 4 + 4 border columns and up to 3 rows more
    assert 1 <= ours < 1.35


def test_psnr_takes_the_bright_end_of_the_truth_as_peak(
    benchmark_script: Callable[[str], Any],
) -> None:
    quality = benchmark_script("udvd_quality")
    truth, noisy = quality.make_movie("nuclei", Path(), frames=6)
    noise = np.mean(truth) + quality.READ_NOISE**2  # variance of Poisson and Gaussian
    expected = 10 * np.log10(quality.PHOTONS**2 / noise)
    assert quality.psnr(truth, noisy) == pytest.approx(expected, abs=0.1)


def test_frames_of_the_movie_written_for_memory_differ(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    import zarr

    memory = benchmark_script("memory")
    memory.write_movie(tmp_path / "movie.zarr", frames=35, size=16)
    movie = zarr.open_array(tmp_path / "movie.zarr", mode="r")[:]
    assert len(np.unique(movie.reshape(35, -1), axis=0)) == 35


def test_a_missing_movie_is_said_plainly(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    common = benchmark_script("common")
    with pytest.raises(SystemExit, match=r"movie\.tif' is not in"):
        common.real_movie("movie.tif", tmp_path)


def test_a_picture_shows_three_panels(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    import tifffile

    frames = np.random.default_rng(0).poisson(20, (3, 32, 40)).astype(np.uint16)
    for name in ("noisy.tif", "denoised.tif"):
        tifffile.imwrite(tmp_path / name, frames, imagej=True, metadata={"axes": "TYX"})
    script = benchmark_script("real_movies")

    class Run:
        movie, result = tmp_path / "noisy.tif", tmp_path / "denoised.tif"
        network = "Fast, hole 1x1, 3 s"

        def noise_std(self, frame: Any, channel: int) -> Any:
            return np.ones_like(frame)

    picture = script.draw("movie", [Run()])
    times = script.PANEL // 40
    assert picture.width == 3 * 40 * times + 2 * script.GAP
    grey = np.asarray(picture)
    top, height = 2 * script.LINE, 32 * times
    left, middle = (
        grey[top : top + height, x : x + 40 * times]
        for x in (0, 40 * times + script.GAP)
    )
    assert np.array_equal(left, middle)
    # nothing was taken away here: the difference is mid grey
    right = grey[top : top + height, -40 * times :]
    assert (right == 127).all()
