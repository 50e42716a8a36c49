"""Small surprises that a user of the library must not meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from tiny import tiny_movie

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")

QUICK: dict[str, Any] = {"steps": 2, "width": 4, "model": "udvd-3", "patch": 16}


def test_training_on_an_array_works_or_says_how() -> None:
    # nu.denoise takes arrays; so does nu.train, or it names Stack.from_array
    array = np.asarray(tiny_movie().data)
    try:
        denoiser = nu.train(array, **QUICK)  # type: ignore[arg-type]
    except (nu.InputError, TypeError) as error:
        assert "from_array" in str(error)
    else:
        assert denoiser.denoise(array, "TYX").shape == array.shape


def test_training_on_several_arrays_works_or_says_how() -> None:
    arrays = [np.asarray(tiny_movie(seed=seed).data) for seed in (0, 1)]
    try:
        nu.train(arrays, **QUICK)  # type: ignore[arg-type]
    except (nu.InputError, TypeError) as error:
        assert "from_array" in str(error)


def test_a_torch_tensor_is_a_movie_or_refused_in_words() -> None:
    tensor = torch.from_numpy(np.asarray(tiny_movie().data).astype("f4"))
    try:
        clean = nu.denoise(tensor, axes="TYX", **QUICK)  # type: ignore[arg-type]
    except nu.InputError as error:
        assert "torch.float32" in str(error)
    else:
        assert clean.shape == tuple(tensor.shape)


def test_the_simulation_can_be_called_twice() -> None:
    first = nu.simulate("nuclei", frames=2, shape=(16, 16))
    second = nu.simulate("nuclei", frames=2, shape=(16, 16))
    np.testing.assert_array_equal(first.noisy.read(), second.noisy.read())


@pytest.mark.parametrize("tile", [-1, 0])
def test_a_tile_that_is_none(tile: int) -> None:
    denoiser = nu.train(tiny_movie(), **QUICK)
    with pytest.raises(ValueError, match="tile"):
        denoiser.denoise(tiny_movie(), tile=tile)
