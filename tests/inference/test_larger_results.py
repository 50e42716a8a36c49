"""A result with more pixels than the movie, from the network to the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd import tasks
from napari_udvd.formats import create, open_stack
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models import Clip, Geometry, Network, Prediction
from napari_udvd.stack import Stack
from napari_udvd.tasks import Denoising, Estimate
from tiny import learned_from, tiny_calibration, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_udvd.stack import Layout

torch.set_num_threads(1)

ZOOM = 2


class Doubling(Network):
    """Average of both neighbours, each of its pixels four times."""

    name, title, size = "doubling", "Doubling", ""
    channels, likelihood, hole, shares_frames = 1, False, (1, 1), False
    geometry = Geometry(context=1, radius=3, grid=4, least_frames=2, zoom=ZOOM)

    def configuration(self) -> dict[str, Any]:
        return {}

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        frames = clip.frames
        mean = (frames[:, :-2] + frames[:, 2:]) / 2
        return Prediction(
            mean.repeat_interleave(ZOOM, dim=-1).repeat_interleave(ZOOM, dim=-2)
        )

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        for seen in windows:
            mean = self.predict(clip._replace(frames=clip.frames[:, seen]), precision)
            yield Prediction(mean.mean[:, 0])


class Enlarging(Denoising):
    name = "enlarge"

    def finish(
        self, prediction: Prediction, frames: Clip, *, use_posterior: bool = True
    ) -> Estimate:
        return Estimate(prediction.mean)

    def layout(self, movie: Layout) -> Layout:
        return movie.zoomed(ZOOM)


@pytest.fixture
def stack() -> Stack:
    return replace(
        tiny_movie(5, (40, 52)),
        scale={"T": 2.0, "Y": 0.3, "X": 0.3},
        units={"T": "s", "Y": "µm", "X": "µm"},
    )


@pytest.fixture
def denoiser(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Denoiser:
    monkeypatch.setitem(tasks.TASKS, Enlarging.name, Enlarging())
    return Denoiser(
        Doubling(),
        (tiny_calibration(),),
        record=learned_from(stack),
        task=Enlarging.name,
    )


@pytest.fixture
def expected(stack: Stack) -> np.ndarray[Any, Any]:
    movie = np.asarray(stack.data).astype(np.float32)
    padded = np.concatenate([movie[1:2], movie, movie[-2:-1]])
    mean = (padded[:-2] + padded[2:]) / 2
    return mean.repeat(ZOOM, axis=1).repeat(ZOOM, axis=2)


@pytest.mark.parametrize("tile", [None, 16])
def test_in_memory(
    denoiser: Denoiser, stack: Stack, expected: np.ndarray[Any, Any], tile: int | None
) -> None:
    found = denoiser.denoise(stack, device="cpu", dtype=np.float32, tile=tile)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_in_a_file_the_pixels_are_half_as_large(
    denoiser: Denoiser, stack: Stack, expected: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    path = tmp_path / "larger.ome.tif"
    request = Request(device="cpu")
    with create(
        path,
        like=denoiser.layout(stack),
        dtype=np.float32,
        record=denoiser.provenance(stack),
    ) as sink:
        assert list(denoiser.restore(stack, sink, request))
    found = open_stack(path)
    np.testing.assert_allclose(np.asarray(found.data), expected, rtol=1e-5)
    assert found.scale["Y"] == pytest.approx(0.15)
    assert found.scale["T"] == pytest.approx(2.0)


def test_in_a_movie_that_fills_up(
    denoiser: Denoiser, stack: Stack, expected: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    movie = DenoisedMovie(denoiser, stack, Request(device="cpu"), folder=tmp_path)
    assert movie.mean.shape == expected.shape
    assert list(movie.fill())
    np.testing.assert_allclose(np.asarray(movie.mean), expected, rtol=1e-5)
    path = tmp_path / "part.ome.zarr"
    part = slice(1, 4), slice(8, 24), slice(0, 104)
    for _ in movie.export(path, np.float32, part=part):
        pass
    found = open_stack(path)
    np.testing.assert_allclose(np.asarray(found.data), expected[part], rtol=1e-5)
    assert found.scale["X"] == pytest.approx(0.15)


def test_what_was_not_measured_is_put_back_four_times(denoiser: Denoiser) -> None:
    frames = np.asarray(tiny_movie(5, (40, 52)).data).astype(np.float32)
    frames[:, :, :6] = np.nan
    stack = Stack.from_array(frames, "TYX")
    found = Denoiser(
        denoiser.net, denoiser.calibrations, record=learned_from(stack), task="enlarge"
    ).denoise(stack, device="cpu")
    assert found.shape == (5, 80, 104)
    assert np.isnan(found[..., :12]).all()
    assert np.isfinite(found[..., 12:]).all()
