"""Weights to start from: shipped, missing, damaged, or of no use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.jobs import make_settings
from napari_udvd.models import STBN, UDVD, CenterBlind, Clip
from napari_udvd.models.centerblind import PRESETS
from napari_udvd.noise import NoiseModel
from napari_udvd.pretraining.denoiser import write_weights
from napari_udvd.stack import Stack
from napari_udvd.training import Finished, Preview, Started, Step, train_events
from napari_udvd.training import warm_start as module
from napari_udvd.training.record import _time
from napari_udvd.training.warm_start import outside_of_training, warm_start
from tiny import ANY_NOISE, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = "centerblind-{}.safetensors"
HOLES = [(1, 1), (1, 3), (3, 3), (5, 5), (7, 1)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a small network, in place of those that are shipped."""
    torch.manual_seed(3)
    net = CenterBlind(preset="small")
    write_weights(net, tmp_path / "centerblind-small.safetensors", {"steps": 1})
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def numbers(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def train(**options: Any) -> list[Any]:
    quick = {"model": "centerblind", "preset": "small", "steps": 2, "batch": 1}
    settings = make_settings(**{**quick, "patch": 16, **options})
    return list(train_events([tiny_movie()], settings))


# --- what is shipped ----------------------------------------------------------------


@pytest.mark.parametrize("preset", ["light", "medium"])
def test_the_shipped_weights_are_small_and_say_what_they_are(preset: str) -> None:
    path = module.FOLDER.joinpath(SHIPPED.format(preset))
    assert path.is_file()
    assert len(path.read_bytes()) <= 2.5e6
    header, tensors = read_model_file(str(path))
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    weights = header["weights"]
    assert weights["network"] == "centerblind"
    assert weights["preset"] == preset
    # a card for who wants to know what they were made from
    assert weights["card"]["steps"] > 0
    assert weights["card"]["movies"]
    assert weights["card"]["recorded"] == []


@pytest.mark.parametrize("hidden", [0, 1])
@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_the_shipped_weights_suit_every_hole(
    hole: tuple[int, int], hidden: int
) -> None:
    net = CenterBlind(hole=hole, hidden=hidden)
    assert warm_start(net) == (True, "")
    plain = CenterBlind()
    warm_start(plain)
    # only the masked convolution may be wider
    for name, weight in plain.state_dict().items():
        if name != "look.weight":
            assert torch.equal(net.state_dict()[name], weight)
    wide, narrow = (n.state_dict()["look.weight"].abs().sum() for n in (net, plain))
    torch.testing.assert_close(wide, narrow, rtol=1e-4, atol=0)


def test_weights_widened_for_a_hole_predict_the_same_without_it(folder: Path) -> None:
    # zeros around a kernel change nothing, if they are put on the right sides
    plain, wide = CenterBlind(preset="small"), CenterBlind(preset="small", hole=(7, 5))
    assert warm_start(plain).done
    assert warm_start(wide).done
    plain.mask = torch.ones_like(plain.mask)
    wide.mask = torch.ones_like(wide.mask)
    wide._stride = plain._stride
    length = 2 * plain.geometry.context + 1
    values = np.random.default_rng(0).standard_normal((1, length, 1, 20, 21))
    clip = torch.from_numpy(values.astype(np.float32))
    with torch.no_grad():
        one, two = plain(Clip(clip, ANY_NOISE)).mean, wide(Clip(clip, ANY_NOISE)).mean
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


# --- without them -------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_missing_weights(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    net = CenterBlind(preset=preset)
    before = numbers(net)
    done, remark = warm_start(net)
    assert not done
    assert preset in remark
    assert "scratch" in remark
    assert torch.equal(numbers(net), before)


def damage(kind: str, path: Path) -> None:
    whole = path.read_bytes()
    header, tensors = read_model_file(path)
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("weights")
    elif kind == "flipped in the header":
        path.write_bytes(whole[:20] + b"\xff\x00" + whole[22:])
    elif kind == "flipped in the weights":
        # the sign and the exponent of a few numbers: they stay finite
        content = bytearray(whole)
        for at in range(len(whole) - 20_001, len(whole), 2000):
            content[at] ^= 0b1000_0100
        path.write_bytes(bytes(content))
    elif kind == "not finite":
        tensors["join_c.bias"] = torch.full_like(tensors["join_c.bias"], torch.nan)
        write_model_file(path, tensors, header)
    elif kind == "a model":
        write_model_file(path, tensors, {"network": "centerblind"})
    elif kind == "a tensor is missing":
        del tensors["look.weight"]
        write_model_file(path, tensors, header)
    elif kind == "another shape":
        tensors["join_b.weight"] = tensors["join_b.weight"][:-1]
        write_model_file(path, tensors, header)
    elif kind == "another number of axes":
        tensors["look.weight"] = tensors["look.weight"].flatten(1)
        write_model_file(path, tensors, header)
    else:
        raise AssertionError(kind)


DAMAGES = [
    "truncated",
    "empty",
    "text",
    "flipped in the header",
    "flipped in the weights",
    "not finite",
    "a model",
    "a tensor is missing",
    "another shape",
    "another number of axes",
]


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_weights_leave_the_network_as_it_was(folder: Path, kind: str) -> None:
    damage(kind, folder / "centerblind-small.safetensors")
    torch.manual_seed(8)
    net = CenterBlind(preset="small")
    before = numbers(net)
    done, remark = warm_start(net)
    assert not done
    assert "cannot be used" in remark
    assert "scratch" in remark
    assert "installing" in remark
    # neither half of the weights
    assert torch.equal(numbers(net), before)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [({"channels": 2}, "joint channels"), ({"likelihood": False}, "mean only")],
)
def test_networks_that_no_weights_are_shipped_for(
    configuration: dict[str, Any], said: str
) -> None:
    done, remark = warm_start(CenterBlind(**configuration))
    assert not done
    assert said in remark
    assert "scratch" in remark


def test_udvd_has_none_and_needs_no_remark() -> None:
    assert warm_start(UDVD(width=4)) == (False, "")


# --- in a training ------------------------------------------------------------------


def test_training_begins_with_them_and_judges_them_first(folder: Path) -> None:
    told = train()
    first, started, second, *_ = told
    assert isinstance(started, Started)
    assert "shipped weights" in started.summary
    for preview in (first, second):
        assert isinstance(preview, Preview)
        assert preview.step == 0
    assert told[-1].history[0][0] == 0


def test_weights_that_are_best_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # more training never makes it worse than what is shipped
    from napari_udvd.training.validation import Validation

    rising = iter(range(100))
    monkeypatch.setattr(Validation, "loss", lambda *_: float(next(rising)))
    end = train(steps=4)[-1]
    assert (end.best_step, end.steps) == (0, 4)
    shipped = CenterBlind(preset="small")
    assert warm_start(shipped).done
    assert torch.equal(numbers(end.denoiser.net), numbers(shipped))


def test_from_scratch(folder: Path) -> None:
    told = train(from_scratch=True)
    assert "shipped" not in told[0].summary
    assert not any("shipped" in remark for remark in told[0].remarks)
    assert told[-1].history[0][0] > 0
    other = train(from_scratch=True, seed=1)
    one, two = (numbers(run[-1].denoiser.net) for run in (told, other))
    assert not torch.equal(one, two)


@pytest.mark.parametrize("kind", ["gone", "truncated"])
def test_a_training_without_usable_weights_says_so_and_goes_on(
    folder: Path, kind: str
) -> None:
    path = folder / "centerblind-small.safetensors"
    if kind == "gone":
        path.unlink()
    else:
        damage(kind, path)
    told = train()
    assert any("scratch" in remark for remark in told[0].remarks)
    assert "from the shipped weights" not in told[0].summary
    assert isinstance(told[-1], Finished)
    # the same as one that never looked for them
    plain = train(from_scratch=True)
    one, two = (numbers(run[-1].denoiser.net) for run in (told, plain))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.6, "0.6 s"),
        (120, "120 s"),
        (599, "599 s"),
        (3000, "50 min"),
        (9e4, "1500 min"),
    ],
)
def test_a_time_is_said_in_full(seconds: float, said: str) -> None:
    assert _time(seconds) == said


def test_a_budget_too_short_to_train_gives_them_as_they_are(folder: Path) -> None:
    told = train(steps=None, minutes=1e-5)
    _, started, *_, end = told
    assert any(
        remark.startswith("0.0006 s are too short to train; the shipped weights")
        for remark in started.remarks
    )
    assert started.training_seconds is not None
    assert started.training_seconds >= 0
    assert not any(isinstance(event, Step) for event in told)
    assert end.reason == "budget"
    assert end.best_step == 0
    shipped = CenterBlind(preset="small")
    assert warm_start(shipped).done
    assert torch.equal(numbers(end.denoiser.net), numbers(shipped))


def test_a_budget_too_short_from_scratch_takes_one_step_at_least() -> None:
    told = train(steps=None, minutes=1e-5, from_scratch=True)
    assert sum(isinstance(event, Step) for event in told) == 1
    assert told[-1].best_step == told[-1].steps == 1


# --- what they know -----------------------------------------------------------------


def camera(gain: float, scale: float) -> Calibration:
    return Calibration(offset=scale, scale=scale, noise=NoiseModel(gain, 0.0, gain))


@pytest.mark.parametrize("gain", [1.0, 30.0])
def test_a_movie_with_hardly_any_noise_is_unlike_their_training(gain: float) -> None:
    for photons in (1, 30, 400):
        assert outside_of_training([camera(gain, gain * photons)]) == ""
    bright = camera(gain, gain * 20_000)
    said = outside_of_training([camera(gain, gain), bright])
    assert "little noise" in said


def test_the_span_is_that_of_the_levels_that_occur() -> None:
    """From 100 to 40,000 photons: twice the difference of the roots."""
    photons = np.linspace(100, 40_000, 96 * 96).reshape(96, 96)
    movie = np.random.default_rng(0).poisson(photons, (20, 96, 96)) * 2.0 + 50
    noise = NoiseModel(2.0, 50.0, 2.0)
    stack = Stack.from_array(movie.astype("f4"), "TYX")
    said = outside_of_training([calibrate([stack], 0, noise)])
    number = float(said.split("span ")[1].split()[0])
    low, high = np.percentile(photons[::2, ::2], (1, 99.9))
    assert number == pytest.approx(2 * (high**0.5 - low**0.5), rel=0.01)


def test_training_says_so() -> None:
    clean = tiny_movie(photons=1e6, gain=0.05)
    settings = make_settings(model="centerblind", steps=1, batch=1, patch=16)
    _, started, *_ = train_events([clean], settings)
    assert isinstance(started, Started)
    assert any("little noise" in remark for remark in started.remarks)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_flow_of_stbn_starts_with_shipped_weights(channels: int) -> None:
    net = STBN(channels=channels, features=4, modules=2, blocks=2)
    assert warm_start(net) == (False, "")  # the denoiser itself has none
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.standard_normal((64, 64)), 2, mode="wrap")
    frames = np.stack([np.roll(image, k, axis=1) for k in (0, 2)]) / image.std() / 4
    noisy = frames + rng.normal(0, 0.1, frames.shape)
    pair = torch.from_numpy(noisy).float()[:, None, None].expand(2, 1, channels, 64, 64)
    assert net.flow_net is not None
    with torch.inference_mode():
        flow = net.flow_net(*pair)[0, :, 8:-8, 8:-8]
    truth = torch.tensor([0.0, 2.0])[:, None, None]
    assert (flow - truth).square().sum(dim=0).sqrt().median() < 0.5


def test_missing_weights_of_the_flow_are_told(folder: Path) -> None:
    net = STBN(features=4, modules=2, blocks=2)
    before = net.state_dict()["flow_net.flow.weight"].clone()
    remark = warm_start(net).remark
    assert "weights of the flow cannot be used" in remark
    assert torch.equal(net.state_dict()["flow_net.flow.weight"], before)
