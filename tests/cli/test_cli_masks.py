"""``--mask`` and ``--unmeasured`` say what was measured, in every command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_tools import calibrated, write

from napari_udvd.formats import open_stack, read_record
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run

QUICK = ("--minutes", "0.01", "--model", "udvd-3", "--width", "4")
FRAMES = np.asarray(simulate("nuclei", frames=16, shape=(48, 48), seed=8).noisy.read())
KNOWN = np.random.default_rng(3).random(FRAMES.shape) < 0.4


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    zeros = np.where(KNOWN, FRAMES, 0).astype(np.uint16)
    return write(tmp_path / "movie.ome.tif", calibrated(zeros, "TYX"))


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, KNOWN.astype(np.uint8))
    return path


def test_diagnose(run: Run, movie: Path, mask: Path) -> None:
    told = []
    for how in (("--mask", mask), ("--unmeasured", "0")):
        code, out, _ = run("diagnose", movie, "--json", *how)
        assert code == 0
        told.append(json.loads(out))
    assert told[0]["gain"] == told[1]["gain"] > 0
    assert any(str(mask) in reason for reason in told[0]["reasons"])
    assert any("those that are 0" in reason for reason in told[1]["reasons"])


def test_train_and_apply(run: Run, tmp_path: Path, movie: Path, mask: Path) -> None:
    model, result = tmp_path / "model.safetensors", tmp_path / "result.ome.tif"
    assert run("train", movie, "--save", model, "--mask", mask, *QUICK).code == 0
    assert run("apply", model, movie, "-o", result, "--unmeasured", "0").code == 0
    before, after = open_stack(movie).read(), open_stack(result).read()
    assert (after[~KNOWN] == 0).all()
    assert after[KNOWN].std() < before[KNOWN].std()
    record = read_record(result)
    assert record is not None
    assert record["unmeasured"] == 0
    assert "mask" not in record
    assert record["training"]["movies"][0]["mask"] == str(mask)


def test_denoise(run: Run, tmp_path: Path, movie: Path, mask: Path) -> None:
    result = tmp_path / "result.ome.tif"
    assert run("denoise", movie, "-o", result, "--mask", mask, *QUICK).code == 0
    record = read_record(result)
    assert record is not None
    assert record["mask"] == str(mask)
    assert (open_stack(result).read()[~KNOWN] == 0).all()


@pytest.mark.parametrize(
    "how, words",
    [
        (("--unmeasured", "-1"), "can never be -1"),
        (("--mask", "other.tif"), "does not fit"),
        (("--mask", "none.tif"), "does not exist"),
        (("--mask", "nothing.tif"), "no pixel of the movie"),
        (("--unmeasured", "black"), "black"),
    ],
)
def test_what_does_not_fit(
    run: Run,
    tmp_path: Path,
    movie: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: tuple[str, str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("other.tif", KNOWN[:, 1:].astype(np.uint8))
    tifffile.imwrite("nothing.tif", np.zeros_like(KNOWN, np.uint8))
    code, _, err = run("diagnose", movie, *how)
    assert code == 2
    assert words in " ".join(err.split())


def test_the_model_does_not_replace_the_mask(run: Run, movie: Path, mask: Path) -> None:
    code, _, err = run("train", movie, "--save", mask, "--mask", mask, "--overwrite")
    assert code == 2
    assert "choose another name for the model" in " ".join(err.split())
