"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# Several processes that test at the same time share the cores; torch reads it when it
# is imported, as do the programs that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The viewer starts without the preferences of whoever tests, and writes none: it would
# write them several times in every test.
os.environ["NAPARI_CONFIG"] = ""

LONGEST = (
    "test_on_workers.py",
    "test_denoise_movie.py",
    "test_networks.py",
    "test_trainer.py",
    "test_noise.py",
    "test_stbn_training.py",
    "test_broken_assumptions.py",
    "test_stream.py",
    "test_cli_interruptions.py",
    "test_gpu_script.py",
)
"""Files that take the longest, which are begun first: else one process has one of them
to do in the end, while the others have nothing."""

SHARED = Path(__file__).parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let what measures time run without the others."""
    parser.addoption(
        "--alone",
        choices=("later", "now"),
        help="leave out the tests marked alone, or run only those",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Begin with the longest; choose by the option, all where it is not given."""
    rank = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))
    if (when := config.getoption("alone")) is None:
        return
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        is_alone = item.get_closest_marker("alone") is not None
        (chosen if is_alone == (when == "now") else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_configure() -> None:
    """Hear Ctrl-C also where a shell started the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real movies; tests that need it skip where it is missing."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the folder of real movies {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def shared_parity() -> Path:
    """Folder of numbers computed by the published networks."""
    folder = SHARED / "parity"
    if not folder.is_dir():
        pytest.skip(f"the folder of published results {folder} is not there")
    return folder


@pytest.fixture
def benchmark_script() -> Callable[[str], Any]:
    """Import a module of the benchmarks, which are not part of the package."""
    return lambda name: import_module(f"benchmarks.{name}")
