"""Settings, and what is made of them for a movie."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.jobs import make_settings
from napari_udvd.models import catalogue
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.tasks import Denoising
from napari_udvd.training import TrainingSettings
from napari_udvd.training.plan import Plan, make_plan
from tiny import tiny_movie


def plan(stack: Stack, **settings: Any) -> Plan:
    return make_plan([stack], make_settings(**settings), on_cpu=True)


def labelled(data: Any, axes: str = "TYX") -> Stack:
    return Stack.from_array(data, axes, source="m.tif")


@pytest.mark.parametrize(("n_frames", "frames"), [(2, 1), (3, 3), (4, 3), (5, 5)])
def test_the_largest_network_that_fits(n_frames: int, frames: int) -> None:
    # a width is a setting of UDVD, so auto is no other network
    found = plan(tiny_movie(n_frames), width=4)
    assert found.name == "udvd"
    assert found.network["frames"] == frames
    assert "width" in found.reason


@pytest.mark.parametrize(
    ("n_frames", "model", "fits"),
    [(4, "udvd", "udvd-3"), (2, "udvd", "udvd-1"), (2, "udvd-3", "udvd-1")],
)
def test_too_few_frames_for_a_network(n_frames: int, model: str, fits: str) -> None:
    stack = labelled(np.asarray(tiny_movie(n_frames).data))
    with pytest.raises(InputError) as caught:
        plan(stack, model=model)
    message = str(caught.value)
    assert "m.tif" in message
    assert f"{n_frames} frames" in message
    assert model in message
    assert f"{fits} fits" in message


@pytest.mark.parametrize(
    ("axes", "shape", "remedy"),
    [
        ("YX", (20, 24), "time axis"),
        ("TYX", (1, 20, 24), "at least 2"),
        ("ZYX", (9, 20, 24), "TYX"),
        ("CYX", (9, 20, 24), "TYX"),
        ("CZYX", (1, 9, 20, 24), "time"),
    ],
)
def test_no_time_to_learn_from(axes: str, shape: tuple[int, ...], remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(labelled(np.ones(shape, "u2"), axes))
    message = str(caught.value)
    assert "m.tif" in message
    assert "T" in axes or axes in message
    assert remedy in message


def spoiled(value: float) -> Stack:
    movie = np.asarray(tiny_movie(6).data).astype("f4")
    movie[4, 3, 7] = value
    return labelled(movie)


def test_pixels_that_are_nan_are_left_out() -> None:
    remarks = plan(spoiled(np.nan)).remarks
    assert any("NaN" in remark for remark in remarks)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_pixels_that_are_infinite(value: float) -> None:
    with pytest.raises(InputError, match=r"m\.tif.*T = 4, Y = 3, X = 7"):
        plan(spoiled(value))


def test_a_constant_movie() -> None:
    with pytest.raises(InputError, match=r"m\.tif.* is 7.*constant"):
        plan(labelled(np.full((6, 20, 24), 7, "u2")))


@pytest.mark.parametrize("hole", [(21, 1), (1, 25), (101, 101)])
def test_frames_smaller_than_the_hole(hole: tuple[int, int]) -> None:
    stack = labelled(np.asarray(tiny_movie(6, (20, 24)).data))
    with pytest.raises(InputError) as caught:
        plan(stack, hole=hole)
    message = str(caught.value)
    assert "20 x 24" in message
    assert f"{hole[0]} x {hole[1]}" in message
    # and what to do
    assert "smaller hole" in message or "larger frames" in message


def test_the_hole_follows_the_noise() -> None:
    # noise that goes along with the neighbour in the row
    along_x = simulate("nuclei", frames=40, shape=(64, 64), correlation=[[1, 1]]).noisy
    assert plan(along_x).hole == (1, 3)
    assert plan(along_x, hole=(5, 1)).hole == (5, 1)
    white = tiny_movie(20, (48, 48))
    assert plan(white).hole == (1, 1)
    both = make_plan([white, along_x], TrainingSettings(), on_cpu=True)
    assert both.hole == (1, 3)  # of several movies the hole covers all


def test_channels_one_by_one_or_together() -> None:
    movie = np.asarray(tiny_movie(6).data)
    two = Stack.from_array(np.stack([movie, 3 * movie + 40], axis=1), "TCYX")
    apart, joint = plan(two), plan(two, joint_channels=True)
    assert apart.network["channels"] == 1
    assert joint.network["channels"] == 2
    for found in (apart, joint):
        first, second = found.calibrations
        assert second.scale == pytest.approx(3 * first.scale, rel=0.01)
        assert second.noise.gain == pytest.approx(3 * first.noise.gain, rel=0.05)


def test_movies_of_different_channels_do_not_go_together() -> None:
    one = tiny_movie(6)
    two = Stack.from_array(np.stack([one.data] * 2, axis=1), "TCYX")
    with pytest.raises(InputError, match=r"\[1, 2\]"):
        make_plan([one, two], TrainingSettings(), on_cpu=True)


def test_no_movie_at_all() -> None:
    with pytest.raises(InputError, match="movie"):
        make_plan([], TrainingSettings(), on_cpu=True)


def test_the_width_suits_the_machine() -> None:
    movie = tiny_movie(6)
    settings = make_settings(model="udvd")
    slim = make_plan([movie], settings, on_cpu=True).network["width"]
    full = make_plan([movie], settings, on_cpu=False).network["width"]
    assert slim < full == 48
    assert plan(movie, width=7).network["width"] == 7


def test_a_plan_survives_json() -> None:
    before = plan(tiny_movie(6), hole=(3, 1))
    after = Plan.from_dict(json.loads(json.dumps(before.to_dict())))
    assert after == before
    assert after.hole == (3, 1)


def test_the_remarks_of_the_diagnosis_are_told_once() -> None:
    movie = np.asarray(tiny_movie(4).data)
    two = Stack.from_array(np.stack([movie, movie], axis=1), "TCYX")
    remarks = plan(two).remarks
    assert any("4 frames" in remark for remark in remarks)
    assert len(remarks) == len(set(remarks))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "resnet"),
        ("minutes", 0),
        ("minutes", -1),
        ("minutes", float("nan")),
        ("minutes", float("inf")),
        ("minutes", "soon"),
        ("steps", 0),
        ("width", 3),
        ("width", 1000),
        ("hole", (2, 1)),
        ("hole", (1, 0)),
        ("hole", 3),
        ("hole", (1, 1, 1)),
        ("seed", -1),
        ("seed", 2**70),
        ("patch", 8),
        ("batch", 0),
        ("targets", 0),
        ("learning_rate", 0),
        ("checkpoint_seconds", 0),
        ("momentum", 0.9),
    ],
)
def test_settings_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        make_settings(**{name: value})
    message = str(caught.value)
    assert name in message
    assert str(value) in message


def test_none_keeps_the_default() -> None:
    assert make_settings(minutes=None, width=None) == TrainingSettings()
    assert make_settings(minutes=None).model_fields_set == set()


def test_settings_take_the_numbers_of_numpy() -> None:
    settings = make_settings(
        width=np.int64(8), seed=np.int32(3), minutes=np.float32(0.5), hole=[3, 1]
    )
    assert (settings.width, settings.seed, settings.hole) == (8, 3, (3, 1))
    assert settings.minutes == 0.5
    holes = np.array([3, 1])
    assert make_settings(hole=tuple(holes)).hole == (3, 1)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainingSettings().minutes = 3  # type: ignore[misc]


def test_settings_of_the_other_network_are_refused() -> None:
    movie = tiny_movie(8)
    with pytest.raises(InputError, match="preset is 'small'"):
        plan(movie, model="udvd", preset="small")
    with pytest.raises(InputError, match="width is 8"):
        plan(movie, model="centerblind", width=8)
    with pytest.raises(InputError, match="targets is 2"):
        plan(movie, model="centerblind", targets=2)


def test_what_breaks_the_assumptions_is_a_warning_and_small_holes_are_too() -> None:
    white = simulate("nuclei", frames=20, shape=(64, 64), seed=2).noisy
    along_x = simulate(
        "nuclei", frames=20, shape=(64, 64), seed=2, correlation=[[1.0, 1.0]]
    ).noisy
    assert plan(white).warnings == ()
    assert plan(along_x).warnings == ()
    assert any("hole" in warning for warning in plan(along_x, hole=(1, 1)).warnings)


def test_the_choice_says_why() -> None:
    assert "UDVD" in plan(tiny_movie(8)).reason
    assert plan(tiny_movie(8), model="centerblind").reason == ""


def test_stbn_has_the_size_of_the_device() -> None:
    stack = tiny_movie(6)
    small = make_plan([stack], make_settings(model="stbn"), on_cpu=True)
    large = make_plan([stack], make_settings(model="stbn"), on_cpu=False)
    assert small.network["features"] < large.network["features"] == 64
    assert large.network["modules"] == 5
    assert plan(stack, model="stbn", width=8).network["features"] == 8
    assert plan(stack, model="stbn", flow=False).network["flow"] == "none"


def test_stbn_warns_of_noise_that_lives_on() -> None:
    rng = np.random.default_rng(0)
    light = rng.normal(0, 20, (41, 64, 64))
    # every frame shares half of its noise with the next one
    movie = labelled((500 + light[1:] + light[:-1]).astype(np.float32))
    said = " ".join(plan(movie, model="stbn").warnings)
    assert "lives on in the next frame, which STBN sees in full" in said
    assert "STBN" not in " ".join(plan(movie, model="udvd").warnings)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ((-1, 0, 2), "must not be negative"),
        ((1, 0, -2), "must not be negative"),
        ((0, 100, 0), "not both 0"),
        ((np.nan, 0, 1), "finite"),
        ((1, np.inf, 1), "finite"),
    ],
)
def test_impossible_noise_of_a_camera_is_refused(
    noise: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plan(tiny_movie(12), noise=noise)


def test_a_network_that_is_not_for_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Denoising):
        name = "enlarge"

    able = replace(catalogue.find("stbn"), tasks=("denoise", "enlarge"))
    known = {**catalogue.specs(), "stbn": able}
    monkeypatch.setattr(catalogue, "specs", lambda: known)
    with pytest.raises(InputError, match=r"'udvd' cannot enlarge; .* are stbn"):
        make_plan([tiny_movie()], make_settings(model="udvd"), True, Other())
    found = make_plan([tiny_movie()], make_settings(model="stbn"), True, Other())
    assert found.name == "stbn"
