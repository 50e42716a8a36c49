"""Behind the network: the noisy pixel, and events of a single frame."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.live_movie import DenoisedMovie
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.second_stage import SecondStage
from napari_udvd.jobs import make_settings
from napari_udvd.models import build_network
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.training.plan import make_plan
from napari_udvd.training.warm_start import warm_start
from tiny import learned_from, tiny_calibration, tiny_center_blind, tiny_net, tiny_stbn

if TYPE_CHECKING:
    from napari_udvd.inference.flashes import Flash

torch.set_num_threads(1)

Movie = npt.NDArray[np.float32]

WITHOUT = replace(EXACT, events=False, refine=False)

PLACES = [(0, 20, 30), (4, 12, 50), (7, 40, 15)]
"""Frames (the first and the last too), rows and columns of events."""


@cache
def movie() -> tuple[Denoiser, Movie, Movie]:
    """Denoiser with the shipped weights, truth and noisy movie."""
    simulated = simulate("nuclei", frames=8, shape=(56, 64), seed=9, photons=30.0)
    plan = make_plan([simulated.noisy], make_settings(model="auto"), on_cpu=True)
    net = build_network(plan.name, plan.network)
    assert warm_start(net).done
    stack = simulated.noisy
    denoiser = Denoiser(net.eval(), plan.calibrations, record=learned_from(stack))
    return denoiser, simulated.truth.read(), stack.read().astype(np.float32)


def knowing(denoiser: Denoiser, stack: Stack) -> Denoiser:
    """Return the same model, which takes the movie for its own."""
    return Denoiser(
        denoiser.net, denoiser.calibrations * stack.n_channels, denoiser.joint,
        record=learned_from(stack),
    )  # fmt: skip


def restored(
    denoiser: Denoiser, stack: Stack, request: Any = EXACT
) -> tuple[Movie, Movie, list[Flash]]:
    """All frames of the first series: mean, standard deviation, events."""
    blocks = denoiser.blocks(stack, replace(request, with_std=True))
    series = blocks.series[0]
    mean, std = blocks.block(series, 0, stack.n_frames)
    assert std is not None
    return mean[:, 0], std[:, 0], blocks.flashes_in(series, 0, stack.n_frames)


@cache
def eventful() -> tuple[Movie, float]:
    _, _, noisy = movie()
    noisy, amplitude = noisy.copy(), 12 * float(noisy.std())
    for place in PLACES:
        noisy[place] += amplitude
    return noisy, amplitude


@cache
def of_the_eventful() -> tuple[Denoiser, Stack, tuple[Movie, Movie, list[Flash]]]:
    """Model, movie with events, and all its frames restored."""
    stack = Stack.from_array(eventful()[0], "TYX")
    model = knowing(movie()[0], stack)
    return model, stack, restored(model, stack)


def test_events_are_put_back() -> None:
    _, truth, _ = movie()
    _, amplitude = eventful()
    model, stack, (mean, std, flashes) = of_the_eventful()
    plain, plain_std, none = restored(model, stack, WITHOUT)
    found = [(f.frame, f.row, f.column) for f in flashes]
    assert set(PLACES) <= set(found)
    assert len(found) <= len(PLACES) + 1
    assert none == []
    for flash in flashes:
        if (flash.frame, flash.row, flash.column) in PLACES:
            assert flash.kind == "pixel"
            assert flash.amplitude == pytest.approx(amplitude, rel=0.3)
            assert flash.probability > 0.99
    for place in PLACES:
        assert mean[place] - truth[place] == pytest.approx(amplitude, rel=0.3)
        assert plain[place] - truth[place] < 0.3 * amplitude
        assert std[place] > plain_std[place]
    # and nothing else has changed
    near = np.zeros(mean.shape, bool)
    for t, y, x in found:
        near[t, max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = True
    alone, _, _ = restored(model, stack, replace(EXACT, refine=False))
    other = np.abs(alone - plain)[~near]
    assert np.median(other) < 1e-3
    assert np.quantile(other, 0.999) < plain_std.mean()


def test_without_events_hardly_anything_changes() -> None:
    denoiser, truth, noisy = movie()
    stack = Stack.from_array(noisy, "TYX")
    model = knowing(denoiser, stack)
    mean, _, flashes = restored(model, stack)
    plain, _, _ = restored(model, stack, WITHOUT)
    errors = [float(((each - truth) ** 2).mean()) for each in (mean, plain)]
    assert 10 * np.log10(errors[0] / errors[1]) < 0.02
    assert len(flashes) <= 1


@pytest.mark.parametrize("name", ["fast", "shared", "recurrent"])
def test_the_same_to_the_bit_in_any_order(name: str) -> None:
    nets = {
        "fast": tiny_center_blind(likelihood=True),
        "shared": tiny_net(frames=3, likelihood=True),
        "recurrent": tiny_stbn(likelihood=True),
    }
    data, _ = eventful()
    stack = Stack.from_array(data[..., :24, :28], "TYX")
    denoiser = Denoiser(nets[name], (tiny_calibration(),), record=learned_from(stack))
    request = replace(EXACT, with_std=True)
    runs = [(0, 3), (3, 6), (6, 8)]
    results = []
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        blocks = denoiser.blocks(stack, request)
        assert isinstance(blocks, SecondStage)
        series = blocks.series[0]
        done = {k: blocks.block(series, *runs[k]) for k in order}
        again = blocks.block(series, *runs[1])
        np.testing.assert_array_equal(again, done[1])
        parts = [done[k] for k in range(3)]
        flashes = [blocks.flashes_in(series, *run) for run in runs]
        results.append((np.concatenate(parts, axis=1), flashes))
    for mean_and_std, flashes in results[1:]:
        np.testing.assert_array_equal(mean_and_std, results[0][0])
        assert flashes == results[0][1]


def test_runs_that_are_denoised_in_the_pauses_of_another() -> None:
    denoiser, _, _ = movie()
    # a part of it; what is known of the movie is found in the pauses, too
    stack = Stack.from_array(eventful()[0][:, 4:36, 20:56], "TYX")
    expected, _, _ = restored(knowing(denoiser, stack), stack)
    blocks = knowing(denoiser, stack).blocks(stack, EXACT)
    series = blocks.series[0]
    steps = blocks.steps(series, 0, 4)
    between = None
    for _ in range(5):
        assert next(steps) is None
        between = blocks.block(series, 5, 7)[0]
    last = [result for result in steps if result is not None]
    np.testing.assert_array_equal(last[0][0][:, 0], expected[:4])
    assert between is not None
    np.testing.assert_array_equal(between[:, 0], expected[5:7])


def test_a_frame_for_each_core_is_the_same_to_the_bit() -> None:
    denoiser, _, _ = movie()
    stack = Stack.from_array(eventful()[0][:5, 4:36, 20:56], "TYX")
    model = knowing(denoiser, stack)
    expected = restored(model, stack)
    torch.set_num_threads(2)
    try:
        found = restored(model, stack)
    finally:
        torch.set_num_threads(1)
    for one, other in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(one[:4], other[:4], rtol=0, atol=0)
        np.testing.assert_allclose(one[4], other[4], rtol=1e-5)
    places = [
        [(f.frame, f.row, f.column) for f in each[2]] for each in (found, expected)
    ]
    assert places[0] == places[1] != []


def test_there_are_pauses_for_every_frame() -> None:
    denoiser, _, noisy = movie()
    stack = Stack.from_array(noisy, "TYX")
    blocks = knowing(denoiser, stack).blocks(stack, EXACT)
    told = list(blocks.steps(blocks.series[0], 0, 8))
    assert told[-1] is not None
    assert sum(step is None for step in told) >= 8 + 8
    with pytest.raises(IndexError, match="frames 5 to 8 of 8"):
        blocks.block(blocks.series[0], 5, 9)


def test_planes_and_channels_are_movies_of_their_own() -> None:
    denoiser, _, noisy = movie()
    part = slice(0, 5), slice(4, 32), slice(24, 56)
    noisy, data = noisy[part], eventful()[0][part]
    events = {(t, y - 4, x - 24) for t, y, x in PLACES[:2]}
    several = np.stack([np.stack([noisy, data], 1), np.stack([data, noisy], 1)], 1)
    stack = Stack.from_array(several, "TCZYX")
    model = knowing(denoiser, stack)
    blocks = model.blocks(stack, EXACT)
    found = {}
    for series in blocks.series:
        blocks.block(series, 0, 5)
        flashes = blocks.flashes_in(series, 0, 5)
        assert {(f.channel, f.plane) for f in flashes} <= {
            (series.channels[0], series.z)
        }
        places = {(f.frame, f.row, f.column) for f in flashes}
        found[series.channels[0], series.z] = events <= places
    assert found == {(0, 0): False, (0, 1): True, (1, 0): True, (1, 1): False}


def test_frames_and_pixels_that_are_not_measured() -> None:
    denoiser, truth, _ = movie()
    data, amplitude = eventful()
    data = data.copy()
    data[3] = 0.0  # beside an event
    data[:, :, :3] = np.nan
    data[4, 12, 49] = np.nan
    stack = Stack.from_array(data, "TYX")
    model = knowing(denoiser, stack)
    mean, std, flashes = restored(model, stack)
    np.testing.assert_array_equal(np.isnan(mean), np.isnan(data))
    assert np.isfinite(std).all()
    places = {(f.frame, f.row, f.column) for f in flashes}
    assert set(PLACES) <= places
    assert all(t != 3 and x >= 3 for t, _, x in places)
    for place in PLACES:
        assert mean[place] - truth[place] == pytest.approx(amplitude, rel=0.3)
    plain, _, _ = restored(model, stack, WITHOUT)
    np.testing.assert_allclose(mean[3], plain[3], rtol=1e-4)


def test_two_frames() -> None:
    denoiser, _, _ = movie()
    data, _ = eventful()
    stack = Stack.from_array(data[:2], "TYX")
    mean, _, flashes = restored(knowing(denoiser, stack), stack)
    assert (0, 20, 30) in {(f.frame, f.row, f.column) for f in flashes}
    assert np.isfinite(mean).all()


def test_where_there_is_no_second_stage() -> None:
    denoiser, _, noisy = movie()
    stack = Stack.from_array(noisy, "TYX")
    plain = knowing(denoiser, stack)
    for request in (WITHOUT, replace(EXACT, use_posterior=False)):
        assert isinstance(plain.blocks(stack, request), BlockDenoiser)
        assert plain.survey(stack, request) == []
    no_likelihood = Denoiser(
        tiny_net(frames=3), (tiny_calibration(),), record=learned_from(stack)
    )
    assert isinstance(no_likelihood.blocks(stack, EXACT), BlockDenoiser)
    two = Stack.from_array(np.stack([noisy, noisy], 1), "TCYX")
    joint = Denoiser(
        tiny_net(frames=3, channels=2, likelihood=True),
        (tiny_calibration(),) * 2,
        joint=True,
        record=learned_from(two),
    )
    assert isinstance(joint.blocks(two, EXACT), BlockDenoiser)
    assert not joint.looks_for_events(two, EXACT)


def test_arrays_files_and_live_movies_agree() -> None:
    model, stack, (expected, _, flashes) = of_the_eventful()
    live = DenoisedMovie(model, stack, EXACT)
    live.want(5)
    told = list(live.fill())
    np.testing.assert_array_equal(np.asarray(live.mean), expected)
    assert [f for filled in told for f in filled.flashes] == flashes
    live.close()
    record = model.provenance(stack, EXACT)
    assert record["posterior"] is True
    assert record["second_stage"] == [e.to_dict() for e in model.survey(stack, EXACT)]
    assert model.provenance(stack, WITHOUT)["second_stage"] == []
