"""``reconstruct`` fills what a sparse scan did not measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from cli_tools import calibrated, names, write

import napari_udvd as nu
from napari_udvd.formats import read_record
from napari_udvd.metrics import psnr
from napari_udvd.scanning import make_mask
from napari_udvd.simulation import simulate
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run

SHAPE = 16, 48, 48
QUICK = "--minutes", "0.05"


@pytest.fixture(scope="module")
def scanned() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and scan, NaN where none of every fifth pixel; its mask, some never."""
    scene = simulate("nuclei", frames=SHAPE[0], shape=SHAPE[1:], photons=20, seed=4)
    mask = np.asarray(make_mask("blue-noise", SHAPE[0], SHAPE[1:], share=0.2))
    mask[:, :6, :6] = False
    truth = scene.truth.read().astype(np.float32)
    return truth, np.where(mask, scene.noisy.read(), np.nan).astype(np.float32), mask


def test_from_a_scan_with_gaps_to_a_movie_without(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    truth, sparse, _ = scanned
    movie = write(tmp_path / "scan.ome.tif", calibrated(sparse, "TYX"))
    result, std = tmp_path / "full.ome.tif", tmp_path / "std.ome.tif"
    code, _, err = run("reconstruct", movie, "-o", result, *QUICK, "--std", std)
    assert code == 0, err
    full, unsure = nu.open(result), nu.open(std).read()
    assert dict(full.scale) == dict(nu.open(movie).scale)
    filled = full.read()
    assert np.isfinite(filled).all() and (np.isfinite(unsure) & (unsure > 0)).all()
    level = np.full_like(truth, np.nanmean(sparse))
    assert psnr(truth, filled) > psnr(truth, level) + 6
    assert read_record(result)["task"] == "reconstruct"


def test_a_preview_trains_nothing(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    truth, sparse, _ = scanned
    movie = write(tmp_path / "scan.ome.tif", calibrated(sparse, "TYX"))
    result, std = tmp_path / "full.ome.tif", tmp_path / "std.ome.tif"
    how = "--preview", "--std", std
    code, out, err = run("reconstruct", movie, "-o", result, *how)
    assert code == 0, err
    assert str(result) in out
    assert "training" not in err
    filled = nu.open(result)
    assert dict(filled.scale) == dict(nu.open(movie).scale)
    level = np.full_like(truth, np.nanmean(sparse))
    assert psnr(truth, filled.read()) > psnr(truth, level) + 6
    unsure = nu.open(std).read()
    assert np.isfinite(unsure).all() and (unsure > 0).all()
    assert read_record(result)["task"] == "preview"
    assert read_record(std)["quantity"] == "standard deviation"
    # nothing is replaced unasked, and nothing written on top of itself
    code, _, err = run("reconstruct", movie, "-o", result, "--preview")
    assert code == 2
    assert "overwrite" in err
    more = "--preview", "--overwrite", "--std", result
    code, _, err = run("reconstruct", movie, "-o", result, *more)
    assert code == 2
    assert "the same file" in err
    # a folder of several
    other = write(tmp_path / "other.ome.tif", calibrated(sparse, "TYX"))
    code, out, err = run(
        "reconstruct", movie, other, "-o", tmp_path / "all", "--preview"
    )
    assert code == 0, err
    assert len(list((tmp_path / "all").iterdir())) == 2


@pytest.mark.parametrize("asked", ["--minutes", "--save", "--no-posterior", "--resume"])
def test_a_preview_does_nothing_of_a_training(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...], asked: str
) -> None:
    movie = write(tmp_path / "scan.ome.tif", calibrated(scanned[1], "TYX"))
    value = {"--minutes": ["3"], "--save": [str(tmp_path / "model.safetensors")]}
    how = "--preview", asked, *value.get(asked, [])
    result = tmp_path / "full.ome.tif"
    code, _, err = run("reconstruct", movie, "-o", result, *how)
    assert code == 2
    assert "a preview trains nothing" in err
    assert not result.exists()


def test_a_mask_file_says_the_same_as_nan(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    _, sparse, mask = scanned
    np.save(tmp_path / "mask.npy", mask)
    results = []
    for name, pixels, more in (
        ("nan", sparse, ()),
        ("mask", np.where(mask, sparse, 7e4), ("--mask", tmp_path / "mask.npy")),
    ):
        movie = write(tmp_path / f"{name}.ome.tif", calibrated(pixels, "TYX"))
        result = tmp_path / f"{name}.result.ome.tif"
        steps = ("--minutes", "0.001", "--seed", "3")
        code, _, err = run("reconstruct", movie, "-o", result, *steps, *more)
        assert code == 0, err
        results.append(nu.open(result).read())
    np.testing.assert_array_equal(*results)


def test_a_movie_without_gaps_is_refused(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    truth, *_ = scanned
    movie = write(tmp_path / "movie.ome.tif", calibrated(truth, "TYX"))
    code, _, err = run("reconstruct", movie, "-o", tmp_path / "full.ome.tif")
    assert code == 2
    assert "there is nothing to reconstruct" in err and "--mask" in err
    assert names(tmp_path) == ["movie.ome.tif"]


def test_networks_that_denoise_are_not_offered(run: Run) -> None:
    code, _, err = run("reconstruct", "a.tif", "-o", "b.tif", "--model", "udvd")
    assert code == 2
    assert "udvd" in err and "centerblind-sparse" in err


def test_the_other_network_fills_a_scan_of_two_channels(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    _, sparse, _ = scanned
    both = np.stack([sparse[:8], 2 * sparse[:8]], axis=1)
    movie = write(tmp_path / "scan.ome.tif", calibrated(both, "TCYX"))
    result = tmp_path / "full.ome.tif"
    how = ("--model", "deepfovea", "--features", "4", "--joint-channels")
    code, _, err = run("reconstruct", movie, "-o", result, *QUICK, *how)
    assert code == 0, err
    filled = nu.open(result)
    assert filled.n_channels == 2
    levels = [filled.read(plane=Plane(c)) for c in range(2)]
    assert np.isfinite(levels).all()
    assert np.median(levels[1]) == pytest.approx(2 * np.median(levels[0]), rel=0.1)
    assert read_record(result)["network"]["name"] == "deepfovea"


@pytest.mark.parametrize(
    "mask, words",
    [
        ("nothing", "no pixel of the movie"),
        ("all", "there is nothing to reconstruct"),
        ("smaller", "does not fit the movie"),
        ("inverted", "the mask may be inverted, or another movie's"),
        ("thin", "tell --noise (gain, offset and read noise of the camera)"),
    ],
)
def test_what_cannot_be_reconstructed(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...], mask: str, words: str
) -> None:
    truth, sparse, known = scanned
    told = {
        "nothing": np.zeros_like(known),
        "all": np.ones_like(known),
        "smaller": known[:, 1:],
        "inverted": ~known,
        "thin": known & (np.random.default_rng(0).random(known.shape) < 0.1),
    }[mask]
    np.save(tmp_path / "mask.npy", told)
    pixels = truth if mask == "all" else sparse
    movie = write(tmp_path / "scan.ome.tif", calibrated(pixels, "TYX"))
    result = tmp_path / "full.ome.tif"
    how = ("--mask", tmp_path / "mask.npy", *QUICK)
    code, _, err = run("reconstruct", movie, "-o", result, *how)
    assert code == 2
    assert words in " ".join(err.split())
    assert not result.exists()


def test_a_thin_scan_whose_noise_is_told_is_warned_of(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    _, sparse, known = scanned
    few = known & (np.random.default_rng(0).random(known.shape) < 0.04)
    pixels = np.where(few, sparse, np.nan).astype(np.float32)
    pixels[2, 20, 20:24] = np.nan
    np.save(tmp_path / "mask.npy", few)  # a few of those are NaN all the same
    movie = write(tmp_path / "scan.ome.tif", calibrated(pixels, "TYX"))
    result = tmp_path / "full.ome.tif"
    how = ("--mask", tmp_path / "mask.npy", "--noise", "2", "100", "3")
    code, out, err = run("reconstruct", movie, "-o", result, "--minutes", "0.001", *how)
    assert code == 0, err
    assert "of the pixels were measured: there is little to learn from" in " ".join(
        (out + err).split()
    )
    assert np.isfinite(nu.open(result).read()).all()


def test_to_denoise_a_scan_names_what_fills_it(
    run: Run, tmp_path: Path, scanned: tuple[np.ndarray, ...]
) -> None:
    _, sparse, _ = scanned
    movie = write(tmp_path / "scan.ome.tif", calibrated(sparse, "TYX"))
    model, result = tmp_path / "model.safetensors", tmp_path / "clean.ome.tif"
    quick = ("--minutes", "0.001", "--model", "udvd-3", "--width", "4")
    # the scan is changed a little: of what a model was trained on nothing is said
    other = np.where(np.arange(SHAPE[1])[:, None] < 2, np.nan, sparse)
    beside = write(tmp_path / "other.ome.tif", calibrated(other, "TYX"))
    for command in (
        ("denoise", movie, "-o", result, "--save", model, *quick),
        ("apply", model, beside, "-o", result, "--overwrite"),
    ):
        code, out, err = run(*command)
        assert code == 0, err
        assert "to fill them use reconstruct" in " ".join((out + err).split())
        assert np.isnan(nu.open(result).read()).any()
