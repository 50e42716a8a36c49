"""The first picture, and what does not have to come before it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.inference.live_view import LiveView, View
from napari_udvd.jobs import make_settings
from napari_udvd.training import (
    LivePreview,
    Preview,
    Started,
    afterwards,
    feeding,
    opening,
    plan,
    train_events,
    trainer,
)
from tiny import tiny_movie

if TYPE_CHECKING:
    import pytest

QUICK = {"model": "centerblind", "preset": "small", "patch": 16, "batch": 2}


def test_nothing_is_measured_before_the_first_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[str] = []
    for module, name in ((trainer, "confirm_noise"), (afterwards, "measure_pace")):
        done = getattr(module, name)

        def noted(*args: Any, name: str = name, done: Any = done, **rest: Any) -> Any:
            measured.append(name)
            return done(*args, **rest)

        monkeypatch.setattr(module, name, noted)
    movie = tiny_movie(20, (48, 40))
    live = LiveView(movie)
    live.look_at(View(3, 0, slice(0, 48), slice(0, 40)))
    shipped = make_settings(model="centerblind", patch=16, batch=2, minutes=0.02)
    events = train_events([movie], shipped, live=live)
    first, seen = islice(events, 2)
    assert isinstance(first, Preview)
    assert first.step == 0
    assert first.denoised.shape == first.noisy.shape
    assert first.denoised.std() < first.noisy.std()
    assert isinstance(seen, LivePreview)
    assert seen.denoised.shape == (1, 48, 40)
    assert not measured
    assert isinstance(next(events), Started)
    assert measured == ["confirm_noise", "measure_pace"]
    events.close()


def test_all_of_the_movie_is_looked_at_behind_the_first_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    glances: list[bool] = []
    whole = plan.diagnose

    def noted(*args: Any, glance: bool) -> Any:
        glances.append(glance)
        return whole(*args, glance=glance)

    monkeypatch.setattr(plan, "diagnose", noted)
    shipped = make_settings(model="centerblind", patch=16, batch=2, minutes=0.02)
    events = train_events([tiny_movie(20, (48, 40))], shipped)
    assert isinstance(next(events), Preview)
    assert glances == [True]
    assert isinstance(next(events), Started)
    assert glances == [True, False]
    events.close()


def test_what_a_glance_cannot_use_is_looked_at_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*_: Any, glance: bool) -> Any:
        assert glance  # the whole look is the trainer's
        raise InputError("all frames that were looked at are the same")

    monkeypatch.setattr(opening, "make_plan", nothing)
    settings = make_settings(model="centerblind", patch=16, batch=2, minutes=0.02)
    events = train_events([tiny_movie(20, (48, 40))], settings)
    assert isinstance(next(events), Started)
    events.close()


def test_from_scratch_there_is_nothing_to_see_yet() -> None:
    settings = make_settings(**QUICK, steps=1, from_scratch=True)
    first = next(iter(train_events([tiny_movie()], settings)))
    assert isinstance(first, Started)


def test_drawing_ahead_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for way in ("ahead", "here"):
        monkeypatch.setattr(feeding, "_best_way", lambda *_, way=way: way)
        settings = make_settings(**QUICK, steps=4, seed=5)
        *_, end = train_events([tiny_movie()], settings)
        found.append(end.denoiser.net.state_dict())
    ahead, here = found
    for name, weight in ahead.items():
        np.testing.assert_array_equal(weight.numpy(), here[name].numpy())
