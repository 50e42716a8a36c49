"""What the tests of files share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd import formats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from napari_udvd.stack import Stack


@pytest.fixture
def movie() -> npt.NDArray[Any]:
    """Twelve frames of 10 x 14 pixels, every pixel different."""
    return np.arange(12 * 10 * 14, dtype=np.uint16).reshape(12, 10, 14)


@pytest.fixture(scope="session")
def save() -> Callable[..., None]:
    """Write a stack through a sink, a few frames at a time, in a shuffled order."""

    def save(path: Path, stack: Stack, dtype: Any = None, **options: Any) -> None:
        options = {"record": {"made": "in a test"}, **options}
        dtype = stack.dtype if dtype is None else dtype
        with formats.create(path, like=stack, dtype=dtype, **options) as sink:
            for plane in reversed(list(stack.planes())):
                for start in reversed(range(0, stack.n_frames, 5)):
                    sink.write(stack.read(slice(start, start + 5), plane), start, plane)

    return save
