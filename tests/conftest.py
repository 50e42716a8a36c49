"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


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
