"""Movies in which it is known what happens when."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.simulation import EVENT_KINDS, simulate, simulate_events
from napari_udvd.spans import by_region, check_spans, labels_per_frame

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.simulation import EventMovie
    from napari_udvd.spans import Span

FRAMES = 48
CYCLE = ["interphase", "rounding", "plate", "separation", "interphase"]


@cache
def movie(kind: str, seed: int = 3) -> EventMovie:
    return simulate_events(kind, frames=FRAMES, shape=(96, 96), seed=seed)


def places(movie: EventMovie, region: str) -> dict[int, npt.NDArray[np.float64]]:
    assert movie.tracks is not None
    its = movie.tracks[movie.tracks[:, 0] == int(region)]
    return {int(t): np.array([y, x]) for _, t, y, x in its}


def crop(
    movie: EventMovie, t: int, place: npt.NDArray[np.float64], half: int = 9
) -> npt.NDArray[np.float64]:
    frame = np.pad(movie.truth.read(t)[0] - movie.noise.offset, half)
    y, x = np.rint(place).astype(int)
    return frame[y : y + 2 * half + 1, x : x + 2 * half + 1].astype(float)


# --- all kinds ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_region_has_one_label_in_every_frame_it_is_there(kind: str) -> None:
    found = movie(kind)
    check_spans(found.spans, n_frames=FRAMES)
    regions = by_region(found.spans)
    assert len(regions) >= 4
    assert len({span.label for span in found.spans}) > 1
    for name, spans in regions.items():
        assert all(one.stop == two.start for one, two in pairwise(spans))
        assert all(one.label != two.label for one, two in pairwise(spans))
        if found.tracks is None:
            assert (spans[0].start, spans[-1].stop) == (0, FRAMES)
        else:
            there = sorted(places(found, name))
            assert there == list(range(spans[0].start, spans[-1].stop))
            assert there[-1] == FRAMES - 1


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_regions_are_numbers_of_tracks_or_labels(kind: str) -> None:
    found = movie(kind)
    assert (found.tracks is None) != (found.labels is None)
    if found.tracks is None:
        assert found.labels is not None
        numbers = np.unique(found.labels[found.labels > 0])
        assert found.labels.shape == found.noisy.frame_shape
    else:
        numbers = np.unique(found.tracks[:, 0]).astype(int)
        inside = found.tracks[:, 2:]
        assert ((inside >= 0) & (inside <= 95)).all()
    assert {str(k) for k in numbers} == set(by_region(found.spans))


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_the_same_seed_gives_the_same_movie(kind: str) -> None:
    one, two, other = (
        simulate_events(kind, frames=20, shape=(48, 48), seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.noisy.read(), two.noisy.read())
    assert one.spans == two.spans
    assert not np.array_equal(one.truth.read(), other.truth.read())
    assert one.noisy.scale["T"] > 0 and one.kind == kind


def test_movies_that_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match=r"no simulated movie 'cells'; .*divisions"):
        simulate_events("cells")
    with pytest.raises(InputError, match="0 frames of 96 x 12"):
        simulate_events(frames=0, shape=(96, 12))


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_the_shortest_movie(kind: str) -> None:
    found = simulate_events(kind, frames=1, shape=(40, 40))
    assert found.noisy.shape == (1, 40, 40)
    check_spans(found.spans, n_frames=1)


# --- divisions ----------------------------------------------------------------------


def divisions(found: EventMovie) -> list[list[Span]]:
    """Find rounding, plate and separation of every division."""
    return [
        spans[k : k + 3]
        for spans in by_region(found.spans).values()
        for k in range(len(spans))
        if spans[k].label == "rounding"
    ]


def test_phases_follow_one_another() -> None:
    for spans in by_region(movie("divisions").spans).values():
        labels = [span.label for span in spans]
        assert labels[0] == labels[-1] == "interphase"
        for one, two in pairwise(labels):
            assert two == CYCLE[CYCLE.index(one) + 1]
        assert labels.count("plate") <= 2
        for span in spans:
            if span.label != "interphase":
                assert 2 <= len(span) <= 6
    assert len(divisions(movie("divisions"))) >= 4


def test_daughters_part_where_the_plate_was() -> None:
    found, sisters = movie("divisions"), 0
    births = {
        name: spans[0].start
        for name, spans in by_region(found.spans).items()
        if spans[0].start
    }
    for *_, separation in divisions(found):
        here = places(found, separation.region)[separation.stop]
        for name, birth in births.items():
            away = np.hypot(*(places(found, name)[birth] - here))
            if birth == separation.stop and away < 30:
                sisters += 1
                assert 8 < away < 30
                # brothers of the same size: as bright where they are born
                one, two = (
                    crop(found, birth, place, 2).mean()
                    for place in (here, places(found, name)[birth])
                )
                assert 0.5 < one / two < 2.0
    assert sisters >= len(births) - 1 > 1


def test_a_dividing_nucleus_becomes_small_and_bright_then_long() -> None:
    found = movie("divisions")
    brighter, longer = [], []
    for rounding, plate, _ in divisions(found):
        way = places(found, plate.region)
        before, middle = rounding.start - 2, (plate.start + plate.stop) // 2
        first, second = (crop(found, t, way[t]) for t in (before, middle))
        brighter.append(second[6:13, 6:13].max() / first[6:13, 6:13].max())
        longer.append(elongation(second) / elongation(first))
    assert np.median(brighter) > 1.5
    assert np.median(longer) > 1.5


def elongation(part: npt.NDArray[np.float64]) -> float:
    """Ratio of the axes of what is bright."""
    weight = np.clip(part - 0.4 * part[6:13, 6:13].max(), 0, None)
    at = np.stack(np.mgrid[: part.shape[0], : part.shape[1]]).reshape(2, -1)
    near = np.hypot(*(at - 9)) < 8
    covariance = np.cov(at[:, near], aweights=weight.ravel()[near])
    low, high = np.linalg.eigvalsh(covariance)
    return float(np.sqrt(high / low))


# --- onsets -------------------------------------------------------------------------


def test_onsets_are_those_of_the_calcium_scene() -> None:
    events = movie("onsets")
    plain = simulate("calcium", frames=FRAMES, shape=(96, 96), seed=3)
    np.testing.assert_array_equal(events.noisy.read(), plain.noisy.read())
    np.testing.assert_array_equal(events.motion, plain.motion)


def test_a_neuron_is_brighter_after_an_onset_and_only_then() -> None:
    found = simulate_events("onsets", frames=120, shape=(96, 96), seed=3)
    truth = found.truth.read() - found.noise.offset
    rises, calm = [], []
    for name, spans in by_region(found.spans).items():
        trace = truth[:, found.labels == int(name)].mean(axis=1)
        states = labels_per_frame(spans, 120)
        for t in range(1, 120):
            change = (trace[t] - trace[t - 1]) / trace.min()
            if states[t] == "onset" and states[t - 1] == "rest":
                rises.append(change)
            elif states[t] == "rest":
                calm.append(change)
    assert len(rises) > 20
    # a rest is a slow decay, or a glow that changes little
    assert np.percentile(rises, 5) > np.percentile(calm, 99)
    assert np.median(rises) > 0.1


def test_regions_are_large_enough_to_measure() -> None:
    labels = movie("onsets").labels
    assert labels is not None
    assert np.bincount(labels.ravel())[1:].min() >= 20


# --- particles ----------------------------------------------------------------------


def test_a_spot_is_bright_while_it_is_there() -> None:
    found = movie("particles")
    jumps = {"present": [], "absent": []}
    for name, spans in by_region(found.spans).items():
        way = places(found, name)
        for before, after in pairwise(spans):
            t = after.start
            assert {before.label, after.label} == set(jumps)
            assert len(before) >= 3 and len(after) >= 3
            light = [crop(found, k, way[k], 1).mean() for k in (t - 1, t)]
            jumps[after.label].append(light[1] - light[0])
    assert min(jumps["present"]) > 0 > max(jumps["absent"])
    assert min(map(len, jumps.values())) > 5
