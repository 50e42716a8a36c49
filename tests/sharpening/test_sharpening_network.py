"""A network that goes on from Richardson-Lucy, and whether it is used."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import TrainAndSharpen
from napari_udvd.models import build_improver
from napari_udvd.optics import Blur, Gaussian, Unblurred
from napari_udvd.planes import Series
from napari_udvd.sharpening import (
    Effort,
    Improvement,
    Learned,
    Optics,
    SharpenedBlocks,
    Sharpener,
    _network,
    learn_to_improve,
)
from napari_udvd.sharpening._learning import added_by
from napari_udvd.sharpening._pairs import Pair, seen_of
from napari_udvd.stack import Stack
from tiny import ALONE, fill, tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

REQUEST = Request(device="cpu", **ALONE)


def improvement(used: bool = True, **how: Any) -> Improvement:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_improver("s2svr", **how)
        torch.nn.init.normal_(net.decoder.leave[-1].weight, std=0.1)
    return Improvement(net.eval(), used, 1.0, False, None, 3.0, "for tests")


def frames(count: int = 4, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    chance = np.random.default_rng(0)
    return chance.random((count, *shape), dtype=np.float32) + 2


def finished(steps: Generator[Learned | None, None, Any]) -> tuple[list[Learned], Any]:
    told = []
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return told, end.value
        if step is not None:
            told.append(step)


def test_what_is_not_used_changes_nothing() -> None:
    light = frames()
    assert improvement(used=False).apply(light, light) is light
    assert improvement(used=False).context == 0
    assert improvement().context == _network.CONTEXT


def test_frames_are_improved_and_stay_light() -> None:
    light = frames()
    found = improvement().apply(light, light)
    assert found.shape == light.shape
    assert not np.allclose(found, light)
    dark = np.zeros_like(light)
    assert (improvement().apply(light, dark) >= 0).all()


def test_a_finer_grid_is_improved() -> None:
    light = frames(2)
    sharp = light.repeat(2, axis=1).repeat(2, axis=2)
    found = improvement(zoom=2).apply(light, sharp)
    assert found.shape == sharp.shape and not np.allclose(found, sharp)


def test_units_are_those_of_the_training() -> None:
    light = frames(2)
    one = improvement()
    ten = replace(one, unit=10.0)
    np.testing.assert_allclose(
        ten.apply(10 * light, 10 * light), 10 * one.apply(light, light), rtol=1e-4
    )


def test_tiles_have_hardly_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    light = frames(2, (40, 96))
    whole = improvement().apply(light, light)
    monkeypatch.setattr(_network, "TILE", 48)
    parts = improvement().apply(light, light)
    added = np.abs(whole - light).max()
    assert not np.array_equal(parts, whole)
    assert np.abs(parts - whole).max() < 0.02 * added


def test_overlapping_segments_give_what_the_whole_movie_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    light = frames(24, (16, 16))
    own = improvement()
    monkeypatch.setattr(_network, "SEGMENT", len(light))
    whole = own.apply(light, light)
    monkeypatch.undo()
    errors = []
    for context in (0, 2, _network.CONTEXT):
        monkeypatch.setattr(_network, "CONTEXT", context)
        errors.append(own.apply(light, light) - whole)
    shares = [np.linalg.norm(each) / np.linalg.norm(whole - light) for each in errors]
    assert shares[0] > 0.15 and shares[1] < shares[0] / 2 and shares[2] < shares[1] / 2
    assert shares[2] < 0.03
    assert np.abs(errors[2]).max() < 0.1 * np.abs(whole - light).max()


class Watch(TorchDispatchMode):
    """Counts the bytes of all tensors that live at once, but for views."""

    def __init__(self) -> None:
        super().__init__()
        self.live, self.most = 0, 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # or torch loads its compiler, whose LLVM crashes beside that of a driver
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for made in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(made, torch.Tensor) and not func.is_view:
                size = made.untyped_storage().nbytes()
                self.live += size
                self.most = max(self.most, self.live)
                weakref.finalize(made, self._gone, size)
        return found

    def _gone(self, size: int) -> None:
        self.live -= size


def peak(count: int, shape: tuple[int, int]) -> int:
    light, own = frames(count, shape), improvement()
    with Watch() as watch:
        own.apply(light, light)
    return watch.most


def test_a_longer_movie_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_network, "SEGMENT", 2)
    monkeypatch.setattr(_network, "CONTEXT", 1)
    two, eight, twelve = (peak(count, (16, 16)) for count in (2, 8, 12))
    assert two < eight == twelve
    monkeypatch.setattr(_network, "SEGMENT", 12)
    assert peak(12, (16, 16)) > 1.5 * twelve


def test_a_larger_frame_takes_little_more_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = peak(2, (96, 96))
    monkeypatch.setattr(_network, "TILE", 32)
    monkeypatch.setattr(_network, "HALO", 8)
    tiled = peak(2, (96, 96))
    assert tiled < 0.4 * whole
    # what comes on top are the frames themselves
    assert peak(2, (96, 192)) < 1.3 * tiled


def test_frames_that_were_not_recorded_are_left_out() -> None:
    light = frames(5)
    light[2] = np.nan
    sharp = np.nan_to_num(light)
    found = improvement().apply(light, sharp)
    assert not found[2].any()
    others = [0, 1, 3, 4]
    alone = improvement().apply(light[others], sharp[others])
    np.testing.assert_allclose(found[others], alone, rtol=1e-5)
    one = np.full_like(light, np.nan)
    one[0] = light[0]
    assert improvement().apply(one, sharp) is sharp


def test_the_copy_decides() -> None:
    net = improvement().net
    assert net is not None
    psf, scene = Gaussian(1.0), torch.from_numpy(frames(3, (32, 48)))
    blur = Blur(psf, (32, 48))
    predicted = blur(blur.placed(scene))
    seen = seen_of(predicted, scene)
    with torch.no_grad():
        flows = _network.flows_of(net, seen[None], follows=False)
        added = added_by(net, seen[None], flows, scene[None])[0]
    better = blur(blur.placed(scene + added))
    noise = 0.01 * torch.randn(better.shape, generator=torch.Generator().manual_seed(0))
    weight = torch.full_like(better, 1e4)
    for truth, used in ((better, True), (predicted, False)):
        test = Pair(seen, scene, predicted, truth + noise, weight)
        found = _network._judged("it", net, False, 1.0, test, blur)
        assert found.used == used
        assert found.distances is not None
        before, after = found.distances
        assert (after < before) == used
        assert ("is not used" in found.reason) != used
        assert found.to_dict()["used"] == used


def test_a_movie_teaches_and_judges_a_network() -> None:
    stack = tiny_movie(frames=16)
    calibration = tiny_calibration()
    denoiser = Denoiser(tiny_center_blind(), (calibration,), second_stage=False)
    denoiser = denoiser.told(stack, (calibration,))
    optics = Optics(Gaussian(0.8))
    steps = Sharpener.fitted(
        denoiser, stack, optics, REQUEST, network="s2svr", effort=Effort(steps=3)
    )
    told, sharpener = finished(steps)
    assert [each.progress for each in told] == pytest.approx([1 / 3, 2 / 3, 1])
    assert [each.of_flow for each in told] == [True, True, False]
    (found,) = sharpener.improvements
    assert found.net is not None and found.distances is not None
    record = sharpener.provenance(stack)["sharpening"]["networks"]
    assert record == [found.to_dict()]
    plain = Sharpener.of(denoiser, optics, sharpener.choices)
    fill(found.net)
    whole = Sharpener.of(
        denoiser, optics, sharpener.choices, (), [replace(found, used=True)]
    )
    results = [
        each.denoise(stack, dtype=np.float32, device="cpu", **ALONE)
        for each in (plain, whole)
    ]
    assert results[0].shape == results[1].shape == (16, 24, 28)
    assert not np.allclose(*results)


class Copied:
    """Has the face of what denoises, and leaves a movie as it is."""

    series, pixels_seen = (Series((0,), 0),), 0

    def __init__(self, movie: np.ndarray) -> None:
        self._movie = movie

    def steps(self, series: Series, start: int, stop: int) -> Iterator[Any]:
        yield self._movie[start:stop, None], None


class Watched:
    """Adds a grey level in place of a network, and keeps what it is shown."""

    context = 2

    def apply(self, light: np.ndarray, sharp: np.ndarray) -> np.ndarray:
        self.light = light
        return sharp + 1


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_network_is_not_shown_what_was_not_measured(zoom: int) -> None:
    pixels = frames(9)
    pixels[4, 5:8, 6:9] = np.nan
    known = np.ones(pixels.shape[1:], bool)
    known[12:14, 20:23] = False
    pixels[:, ~known] = 3e4
    stack = Stack.from_array(pixels, "TYX", mask=known)
    network: Any = Watched()
    how = (stack, Optics(Gaussian(0.6), zoom), [1], [0.5], torch.device("cpu"))
    plain, improved = (
        SharpenedBlocks(Copied(pixels), *how, improvements=each)
        for each in ((), [network])
    )
    series = Copied.series[0]
    (found, _), (around, _) = improved.block(series, 3, 6), plain.block(series, 1, 8)
    # two frames before and after are shown, less their offset
    shown = np.where(known, pixels[1:8] - np.float32(0.5), np.nan)
    np.testing.assert_array_equal(network.light, shown)
    # and the result is what it makes of them, but where nothing was measured
    kept = ~np.isfinite(shown[2:5]).repeat(zoom, axis=1).repeat(zoom, axis=2)
    found, alone = found[:, 0], around[2:5, 0]
    np.testing.assert_allclose(found[~kept], alone[~kept] + 1, rtol=1e-6)
    np.testing.assert_array_equal(found[kept], alone[kept])


def test_a_network_learns_by_the_blur_of_its_channel() -> None:
    movie = tiny_movie(frames=16)
    stack = Stack.from_array(np.stack([movie.read()] * 2, 1), "TCYX")
    calibrations = (tiny_calibration(),) * 2
    denoiser = Denoiser(tiny_center_blind(), calibrations, second_stage=False)
    denoiser = denoiser.told(stack, calibrations)
    how = 2, REQUEST, denoiser.survey(stack, REQUEST), Effort(steps=1)

    def distances(optics: Optics) -> tuple[float, float]:
        steps = learn_to_improve("s2svr", denoiser, stack, 1, optics, *how)
        _, found = finished(steps)
        assert found.distances is not None
        return found.distances

    narrow, wide = Gaussian(0.6), Gaussian(1.2)
    of_second = distances(Optics(narrow, by_channel=(narrow, wide)))
    assert of_second == distances(Optics(wide))
    assert of_second != distances(Optics(narrow))


def test_a_network_goes_on_from_iterations_that_are_asked_for() -> None:
    stack = tiny_movie(frames=16)
    calibration = tiny_calibration()
    denoiser = Denoiser(tiny_center_blind(), (calibration,), second_stage=False)
    denoiser = denoiser.told(stack, (calibration,))
    steps = Sharpener.fitted(
        denoiser,
        stack,
        Optics(Gaussian(0.8)),
        REQUEST,
        3,
        network="s2svr",
        effort=Effort(steps=1),
    )
    _, sharpener = finished(steps)
    assert [each.iterations for each in sharpener.choices] == [3]
    (found,) = sharpener.improvements
    assert found.distances is not None
    # who sharpens anew begins with the model that denoises
    assert type(sharpener.plain) is Denoiser


def test_few_frames_teach_nothing() -> None:
    stack = tiny_movie(frames=6)
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    steps = learn_to_improve(
        "s2svr", denoiser, stack, 0, Optics(Unblurred()), 1, REQUEST, ()
    )
    told, found = finished(steps)
    assert not told and found.net is None and not found.used
    assert "too few frames" in found.reason
    light = frames()
    assert found.apply(light, light) is light


def test_wrong_names_are_refused_before_any_training() -> None:
    with pytest.raises(InputError, match="'stbn' to sharpen with, only s2svr"):
        TrainAndSharpen(sigma=1.0, network="stbn")
    with pytest.raises(InputError, match="zoom 1 or 2, not 3"):
        TrainAndSharpen(sigma=0.7, zoom=3, network="s2svr")
    with pytest.raises(InputError, match="'stbn' to sharpen with, only s2svr"):
        nu.sharpen(tiny_movie(), sigma=1.0, network="stbn")
