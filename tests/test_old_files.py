"""Models and checkpoints of earlier versions give what they gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.old_files import FRAMES
from benchmarks.same_results import compute, largest_difference

import napari_udvd

SOURCE = Path(napari_udvd.__file__).parents[1]
STORED = Path(__file__).parent / "fixtures" / "results"
FILES = [path.relative_to(STORED) for path in sorted(STORED.rglob("*.*"))]

TOLERANCE = 1e-3
"""Grey levels, where the noise has a standard deviation of about five. Processors add
up in different orders, which changed the results by up to 1e-4."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what this version makes of the old files."""
    folder = tmp_path_factory.mktemp("results")
    compute(SOURCE, folder, "models", "checkpoints")
    return folder


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent}-{file.stem}")
def test_a_result_is_what_it_was(results: Path, file: Path) -> None:
    if file.suffix == ".txt":
        assert (results / file).read_text() == (STORED / file).read_text()
        return
    now, then = np.load(results / file), np.load(STORED / file)
    if file.stem == "denoised":
        now = now[list(FRAMES)]
    assert now.dtype == then.dtype
    assert now.shape == then.shape
    assert largest_difference(now, then) < TOLERANCE


def test_every_old_file_has_a_result() -> None:
    packed = {path.name.split(".")[0] for path in STORED.parent.glob("*.xz")}
    expected = {name.replace("-checkpoint", "-resumed") for name in packed}
    assert {file.parent.name for file in FILES} == expected
    assert len(packed) >= 8
