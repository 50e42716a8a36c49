"""What the tests of the command line share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pytest
import torch

from napari_udvd.cli.app import main
from napari_udvd.denoiser import Denoiser
from napari_udvd.formats import create
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable

# small tensors are fastest with one thread, above all beside other programs
torch.set_num_threads(1)


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Run ``napari-udvd`` with these arguments, in this process."""

    def __call__(self, *arguments: Any) -> Outcome: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: Any) -> Outcome:
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
    """Every file and folder below the test's folder, with its content."""

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
    """Eight frames of 24 x 28 pixels, with everything a file can say about them."""
    stack = calibrated(np.asarray(tiny_movie().data), "TYX")
    return write(tmp_path / "movie.ome.tif", stack)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network of three frames for one channel; its weights are random."""
    path = tmp_path / "model.safetensors"
    net = tiny_net(frames=3, likelihood=True)
    Denoiser(net, (tiny_calibration(),), record={"seconds": 1.5}).save(path)
    return path


def calibrated(pixels: np.ndarray, axes: str, **more: Any) -> Stack:
    steps = {"T": 2.5, "Z": 0.5, "Y": 0.2, "X": 0.2}
    units = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    return Stack.from_array(
        pixels,
        axes,
        scale={axis: step for axis, step in steps.items() if axis in axes},
        units={axis: unit for axis, unit in units.items() if axis in axes},
        **more,
    )


def write(path: Path, stack: Stack) -> Path:
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        for plane in stack.planes():
            sink.write(stack.read(slice(None), plane), 0, plane)
    return path
