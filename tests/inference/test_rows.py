"""A task that says something of each frame, from training to the file and the layer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Image
from torch import Tensor, nn

from napari_udvd import tasks
from napari_udvd._widgets.shared.layers import drawn_like
from napari_udvd.formats import create, open_stack
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.inference.loading import load
from napari_udvd.inference.request import Request
from napari_udvd.models import (
    Clip,
    Geometry,
    Network,
    NetworkSettings,
    NetworkSpec,
    Prediction,
    Recipe,
    catalogue,
)
from napari_udvd.stack import Stack
from napari_udvd.tasks import Batch, Denoising, Estimate, Verdict
from napari_udvd.training import TrainingSettings
from napari_udvd.training.events import Finished, Preview
from napari_udvd.training.trainer import train_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.stack import Layout
    from napari_udvd.tasks import Judged

torch.set_num_threads(1)

LABELS = 2
"""Dark, bright."""

BRIGHT = 30
"""Grey level above which a frame is bright."""


class Labeller(Network):
    """Log odds of the labels of a frame, from the mean of all of its pixels."""

    name, title, size = "labeller", "Labeller", ""
    channels, likelihood, hole, shares_frames = 1, False, (1, 1), False
    geometry = Geometry(context=1, radius=0, grid=1, least_frames=3, local=False)

    def __init__(self, hole: tuple[int, int] = (1, 1), **_: Any) -> None:
        super().__init__()
        self.head = nn.Linear(1, LABELS)

    def configuration(self) -> dict[str, Any]:
        return {}

    def predict(self, clip: Clip, precision: torch.dtype) -> Prediction:
        level = clip.frames[:, 1:-1].mean(dim=(-2, -1))  # (N, T, 1)
        return Prediction(self.head(level)[:, :, None, None])  # (N, T, 1, 1, labels)

    def sweep(
        self, clip: Clip, windows: Iterable[Sequence[int]], precision: torch.dtype
    ) -> Iterator[Prediction]:
        for seen in windows:
            found = self.predict(clip._replace(frames=clip.frames[:, seen]), precision)
            yield Prediction(found.mean[:, 0])


class Labelling(Denoising):
    """The labels follow from the frames, so that nobody has to give them."""

    name = "label"

    def batch(self, clip: Clip, is_target: Tensor) -> Batch:
        middle = clip.frames[:, 1:-1]
        return Batch(clip, (middle.mean(dim=(-3, -2, -1)) > 0).long(), is_target)

    def loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        odds = prediction.mean[:, :, 0, 0].movedim(-1, 1)  # (N, labels, targets)
        return nn.functional.cross_entropy(odds, batch.targets, reduction="none")

    def finish(
        self, prediction: Prediction, frames: Clip, *, use_posterior: bool = True
    ) -> Estimate:
        return Estimate(prediction.mean.softmax(dim=-1), is_light=False)

    def layout(self, movie: Layout) -> Layout:
        return movie.with_rows(LABELS)

    def verdict(self, judged: Sequence[Judged]) -> Verdict:
        wrong = sum(float(self.loss(one.prediction, one.batch)) > 1 for one in judged)
        return Verdict((f"{wrong} frames are wrong",) if wrong else ())


SPEC = NetworkSpec(
    name=Labeller.name,
    title=Labeller.title,
    network=f"{__name__}:Labeller",
    summary="says of each frame whether it is bright",
    settings=NetworkSettings,
    recipe=Recipe(batch=4, targets=4, fewest=4, rate=0.1, warm_rate=0.1),
    tasks=(Labelling.name,),
)


@pytest.fixture
def stack() -> Stack:
    """Frames of which some, at random, are bright."""
    rng = np.random.default_rng(0)
    levels = np.where(rng.random(40) < 0.5, 10, 50)
    frames = rng.poisson(levels[:, None, None], (40, 24, 30))
    return replace(
        Stack.from_array(frames.astype(np.uint16), "TYX"),
        scale={"T": 2.0, "Y": 0.3, "X": 0.3},
        units={"T": "s", "Y": "µm", "X": "µm"},
    )


@pytest.fixture
def trained(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Denoiser:
    monkeypatch.setitem(tasks.TASKS, Labelling.name, Labelling())
    monkeypatch.setitem(catalogue.built_in(), SPEC.name, SPEC)
    settings = TrainingSettings(model=SPEC.name, steps=80, device="cpu")
    events = list(train_events([stack], settings, task=Labelling.name))
    previews = [event for event in events if isinstance(event, Preview)]
    assert all(event.denoised.shape == (1, 1, LABELS) for event in previews)
    done = events[-1]
    assert isinstance(done, Finished)
    assert done.warnings == ()
    assert done.best_validation < 0.3  # chance is log 2
    return done.denoiser


def is_bright(stack: Stack) -> np.ndarray[Any, Any]:
    return np.asarray(stack.read()).mean(axis=(1, 2)) > BRIGHT


@pytest.mark.parametrize("tile", [None, 16])
def test_every_frame_gets_its_row(
    trained: Denoiser, stack: Stack, tile: int | None
) -> None:
    rows = trained.denoise(stack, device="cpu", dtype=np.float32, tile=tile)
    assert rows.shape == (40, 1, LABELS)
    np.testing.assert_allclose(rows.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(rows[:, 0, 1] > 0.5, is_bright(stack))


def test_a_file_has_the_steps_of_time_alone_and_tells_the_task(
    trained: Denoiser, stack: Stack, tmp_path: Path
) -> None:
    model, path = tmp_path / "labels.safetensors", tmp_path / "labels.ome.tif"
    trained.save(model)
    again = load(model)
    assert again.task == Labelling.name
    record = again.provenance(stack)
    with create(
        path, like=again.layout(stack), dtype=np.float32, record=record
    ) as sink:
        assert list(again.restore(stack, sink, Request(device="cpu")))
    found = open_stack(path)
    assert found.scale == {"T": 2.0}
    rows = np.asarray(found.data)
    np.testing.assert_array_equal(rows[:, 0, 1] > 0.5, is_bright(stack))
    assert json.loads(json.dumps(record))["task"] == Labelling.name


def test_a_movie_of_rows_fills_up(
    trained: Denoiser, stack: Stack, tmp_path: Path
) -> None:
    movie = DenoisedMovie(trained, stack, Request(device="cpu"), folder=tmp_path)
    assert movie.mean.shape == (40, 1, LABELS)
    movie.want(7)
    assert list(movie.fill())
    rows = np.asarray(movie.mean)
    np.testing.assert_array_equal(rows[:, 0, 1] > 0.5, is_bright(stack))
    # in a viewer they lie over the movie, frame by frame
    layer = Image(np.asarray(stack.read()), scale=(2.0, 0.3, 0.3))
    over = Image(rows, **drawn_like(layer, shape=rows.shape))
    for end in (-0.5, np.subtract(rows.shape, 0.5)):
        corner = np.broadcast_to(end, 3)
        there = over.data_to_world(corner)
        corner = np.where(corner < 0, corner, np.subtract(layer.data.shape, 0.5))
        np.testing.assert_allclose(there, layer.data_to_world(corner), atol=1e-9)
