"""A movie of dask stays lazy: chunks are computed as they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

from napari_udvd import cutting
from napari_udvd._napari.layer_data import layer_data
from napari_udvd.formats import create, open_stack
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.noise import check_pixels, diagnose
from napari_udvd.stack import Plane, Stack
from tiny import learned_from, tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FRAMES = 28


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[Any, Any]:
    return np.asarray(tiny_movie(FRAMES, (20, 24)).read())


@pytest.fixture
def movie(
    pixels: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[Stack, list[int]]:
    """Make a movie of dask, and a list of how many frames were computed at once."""
    computed: list[int] = []
    compute = da.Array.compute

    def counting(self: da.Array, **options: Any) -> Any:
        computed.append(self.size // (20 * 24))
        return compute(self, **options)

    monkeypatch.setattr(da.Array, "compute", counting)
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 8)
    frames = da.from_array(pixels, chunks=(1, -1, -1))
    return Stack.from_array(frames, "TYX"), computed


def denoiser_for(stack: Stack) -> Denoiser:
    return Denoiser(
        tiny_center_blind(), (tiny_calibration(),), record=learned_from(stack)
    )


def denoised(stack: Stack, folder: Path) -> None:
    denoiser_for(stack).denoise(stack, device="cpu")


def denoised_bit_by_bit(stack: Stack, folder: Path) -> None:
    movie = DenoisedMovie(
        denoiser_for(stack), stack, Request(device="cpu"), folder=folder
    )
    for _ in movie.fill():
        pass


def written(stack: Stack, folder: Path) -> None:
    with create(folder / "a.zarr", like=stack, dtype="u2", record={}) as sink:
        for start, stop in cutting.blocks(stack):
            sink.write(stack.read(slice(start, stop)), start, Plane())


@pytest.mark.parametrize(
    "use",
    [
        lambda stack, _: check_pixels(stack),
        lambda stack, _: diagnose(stack, Plane()),
        lambda stack, _: layer_data(stack, "movie"),
        denoised,
        denoised_bit_by_bit,
        written,
    ],
)
def test_it_is_never_computed_whole(
    movie: tuple[Stack, list[int]], use: Callable[[Stack, Path], object], tmp_path: Path
) -> None:
    stack, computed = movie
    assert not computed
    use(stack, tmp_path)
    assert 0 < max(computed) <= cutting.BLOCK_FRAMES + 2 * 8 < FRAMES


def test_its_parts_and_layers_are_of_dask(
    movie: tuple[Stack, list[int]], pixels: np.ndarray[Any, Any]
) -> None:
    stack, computed = movie
    assert isinstance(stack.data, da.Array) and stack.to_dask() is stack.data
    part = stack.crop(slice(3, -2), slice(4, 10))
    assert isinstance(part.data, da.Array)
    data, _, _ = layer_data(part, "part", contrast_limits=(0, 1))
    assert data is part.data and not computed
    np.testing.assert_array_equal(part.read(5), pixels[8:9, 4:10])


def test_a_file_is_a_dask_array_for_whoever_wants_one(
    tmp_path: Path, pixels: np.ndarray[Any, Any]
) -> None:
    like = Stack.from_array(pixels, "TYX")
    with create(tmp_path / "a.tif", like=like, dtype="u2", record={}) as sink:
        sink.write(pixels, 0)
    frames = open_stack(tmp_path / "a.tif").to_dask()
    assert frames.chunksize == (1, 20, 24) and frames.dtype == pixels.dtype
    np.testing.assert_array_equal(frames[7:9].compute(), pixels[7:9])
