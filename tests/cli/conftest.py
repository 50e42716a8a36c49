"""Fixtures of the tests of the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from cli_tools import ALONE, Outcome, calibrated, write

from napari_udvd.cli.app import main
from napari_udvd.inference.restorer import Denoiser
from tiny import tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Run

# small tensors are fastest with one thread, above all beside other programs
torch.set_num_threads(1)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: Any, second_stage: bool = False) -> Outcome:
        if not second_stage and arguments[:1] in {("denoise",), ("apply",)}:
            arguments = (*arguments, *ALONE)
        monkeypatch.setattr(sys, "argv", ["napari-udvd", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        code = caught.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture
def listing(tmp_path: Path) -> Callable[[], dict[str, bytes | None]]:
    """Tell every file and folder below the test's folder, with its content."""

    def listing() -> dict[str, bytes | None]:
        return {
            str(path.relative_to(tmp_path)): (
                path.read_bytes() if path.is_file() else None
            )
            for path in sorted(tmp_path.rglob("*"))
        }

    return listing


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Write eight frames of 24 x 28 pixels, with scale and units."""
    stack = calibrated(np.asarray(tiny_movie().data), "TYX")
    return write(tmp_path / "movie.ome.tif", stack)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Save a network of three frames for one channel, with random weights."""
    path = tmp_path / "model.safetensors"
    net = tiny_net(frames=3, likelihood=True)
    Denoiser(net, (tiny_calibration(),), record={"seconds": 1.5}).save(path)
    return path
