"""What the tests of the engines share: their folders, tools, and a movie."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_udvd
from napari_udvd.formats import create, open_stack
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINES = Path(__file__).parents[2] / "engines"
SOURCE = Path(napari_udvd.__file__).parents[1]
TOOLS = Path(sys.executable).parent


@pytest.fixture
def engines() -> Path:
    """Return the folder of the engines."""
    return ENGINES


@pytest.fixture
def tool() -> Callable[[str, str], str]:
    """Find a program of this environment, or skip the test."""

    def tool(name: str, package: str) -> str:
        found = shutil.which(name, path=str(TOOLS))
        if found is None:
            pytest.skip(f"{name} is not installed (pip install {package})")
        return found

    return tool


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run a program that finds this package and the programs of its environment."""

    def run(*command: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(
                [str(SOURCE), str(ENGINES / "fractal" / "src")]
            ),
            "OMP_NUM_THREADS": "1",
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        return subprocess.run(
            [str(word) for word in command],
            env={**os.environ, **settings, **more.pop("env", {})},
            cwd=more.pop("cwd", tmp_path),
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Write eight noisy frames of 24 x 28 pixels."""
    stack = tiny_movie()
    path = tmp_path / "movie.ome.tif"
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        sink.write(stack.read(), 0)
    return path


@pytest.fixture
def check_denoised() -> Callable[[Path], None]:
    """Check that a file is that movie, denoised."""

    def check(path: Path) -> None:
        noisy, found = tiny_movie(), open_stack(path)
        assert found.shape == noisy.shape
        assert found.axes == noisy.axes
        assert not np.array_equal(found.read(), noisy.read())

    return check
