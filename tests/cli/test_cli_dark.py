"""``--dark`` takes the offsets of the camera's pixels off, in every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_tools import calibrated, names, write

from napari_udvd.formats import open_stack, read_record
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run

QUICK = ("--minutes", "0.01", "--model", "udvd-3", "--width", "4")


@pytest.fixture
def pattern() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 6, (64, 64))


@pytest.fixture
def movie(tmp_path: Path, pattern: np.ndarray) -> Path:
    frames = simulate("nuclei", frames=24, shape=(64, 64), seed=8).noisy.read()
    noisy = np.rint(frames + pattern).clip(0).astype(np.uint16)
    return write(tmp_path / "movie.ome.tif", calibrated(noisy, "TYX"))


@pytest.fixture
def dark(tmp_path: Path, pattern: np.ndarray) -> Path:
    noise = np.random.default_rng(6).normal(0, 3, (60, 64, 64))
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, np.rint(100 + pattern + noise).astype(np.uint16))
    return path


def kept(result: Path, pattern: np.ndarray) -> float:
    """Share of the pattern that is in a result."""
    mean = open_stack(result).read().mean(axis=0)
    fine = [np.diff(np.diff(image, axis=0), axis=1) for image in (mean, pattern)]
    return float((fine[0] * fine[1]).sum() / (fine[1] ** 2).sum())


def test_diagnose(run: Run, movie: Path, dark: Path) -> None:
    before = json.loads(run("diagnose", movie, "--json").out)
    assert any("--dark" in reason for reason in before["reasons"])
    code, out, _ = run("diagnose", movie, "--json", "--dark", dark)
    assert code == 0
    after = json.loads(out)
    assert not any("offsets of their own" in reason for reason in after["reasons"])
    assert any("60 frames without light" in note for note in after["notes"])


def test_denoise(run: Run, movie: Path, dark: Path, pattern: np.ndarray) -> None:
    result = movie.with_name("clean.ome.tif")
    code, _, err = run("denoise", movie, "-o", result, *QUICK, "--dark", dark)
    assert code == 0
    assert "was subtracted" in err
    assert abs(kept(result, pattern)) < 0.1
    clean = open_stack(result)
    assert clean.dtype == np.float32  # whole grey levels are not what is left
    assert clean.read().mean() == pytest.approx(open_stack(movie).read().mean(), abs=1)
    record = read_record(result)
    assert record is not None and record["dark"] == str(dark)


def test_train_and_apply(
    run: Run, movie: Path, dark: Path, pattern: np.ndarray
) -> None:
    model, result = (movie.with_name(n) for n in ("m.safetensors", "clean.ome.zarr"))
    assert run("train", movie, "--save", model, *QUICK, "--dark", dark).code == 0
    code, _, _ = run("apply", model, movie, "-o", result, "--dark", dark)
    assert code == 0
    assert abs(kept(result, pattern)) < 0.1


def test_a_dark_frame_that_does_not_fit_leaves_nothing_behind(
    run: Run, movie: Path
) -> None:
    other = movie.with_name("other.npy")
    np.save(other, np.zeros((64, 60)))
    before = names(movie.parent)
    for command in (
        ("diagnose", movie),
        ("denoise", movie, "-o", movie.with_name("clean.ome.tif"), *QUICK),
        ("train", movie, "--save", movie.with_name("m.safetensors"), *QUICK),
    ):
        code, out, err = run(*command, "--dark", other)
        assert (code, out) == (2, "")
        assert "64 x 60" in err and "64 x 64" in err
    missing = run("diagnose", movie, "--dark", movie.with_name("none.tif"))
    assert missing.code == 2 and "does not exist" in missing.err
    assert names(movie.parent) == before


def test_the_dark_frame_is_never_replaced(run: Run, movie: Path, dark: Path) -> None:
    content = dark.read_bytes()
    for command in (
        ("denoise", movie, "-o", dark, *QUICK),
        ("train", movie, "--save", dark, *QUICK),
    ):
        assert run(*command, "--dark", dark, "--overwrite").code == 2
    assert dark.read_bytes() == content
