"""Published checkpoints: the same numbers, and no code from a file is ever run."""

from __future__ import annotations

import argparse
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_udvd.models import (
    UDVD,
    Prediction,
    from_published,
    negative_log_likelihood,
    posterior,
    read_published,
)
from napari_udvd.models.likelihood import split
from parity import published_weights
from plain_udvd import PlainUDVD
from tiny import fill

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CASES = {
    "udvd_gray": {"frames": 5, "channels": 1, "likelihood": False},
    "udvd_gray_jacobian": {"frames": 5, "channels": 1, "likelihood": False},
    "udvd_rgb_likelihood": {"frames": 5, "channels": 3, "likelihood": True},
    "udvd_gray_blind_noise": {"frames": 5, "channels": 1, "likelihood": True},
    "udvd_single_frame": {"frames": 1, "channels": 1, "likelihood": False},
    "udvd_wide_blind_spot": {"frames": 5, "channels": 1, "likelihood": False},
}
HOLES = {"udvd_wide_blind_spot": (3, 3)}


@pytest.fixture(scope="module")
def case(shared_parity: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    with np.load(shared_parity / f"{request.param}.npz") as arrays:
        return {"name": request.param, **arrays}


def network(case: dict[str, Any]) -> UDVD:
    return from_published(published_weights(case), HOLES.get(case["name"], (1, 1)))


def clip_of(case: dict[str, Any], channels: int) -> Tensor:
    n, _, height, width = case["input"].shape
    return torch.from_numpy(case["input"]).view(n, -1, channels, height, width)


def assert_parity(ours: Tensor, published: np.ndarray, tolerance: float = 1e-4) -> None:
    assert ours.shape == published.shape
    largest = np.abs(published).max()
    assert np.abs(ours.detach().numpy() - published).max() <= tolerance * largest


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_parity(case: dict[str, Any]) -> None:
    net = network(case)
    expected = CASES[case["name"]]
    assert {name: getattr(net, name) for name in expected} == expected
    assert net.width == 48
    clip = clip_of(case, net.channels)
    with torch.no_grad():
        assert_parity(net.raw(clip), case["output"])
    # with gradients, other kernels run
    assert_parity(net.requires_grad_(False).raw(clip.requires_grad_()), case["output"])


@pytest.mark.parametrize("case", ["udvd_rgb_likelihood"], indirect=True)
def test_parity_of_posterior_and_loss(case: dict[str, Any]) -> None:
    # of the published output, so that nothing but the formulas is compared
    output = torch.from_numpy(case["output"])
    sigma = torch.as_tensor(case["sigma"])
    noisy = clip_of(case, 3)[:, 2]
    # there, a constant is added to both variances
    variance = sigma**2 + 1e-5
    prediction = split(output, 3)
    assert prediction.factor is not None
    a = prediction.factor.double().movedim((-4, -3), (-2, -1))
    covariance = a.mT @ a + 1e-5 * torch.eye(3)
    factor = torch.linalg.cholesky(covariance).mT.movedim((-2, -1), (-4, -3))
    mean, _ = posterior(Prediction(prediction.mean, factor), noisy, variance)
    assert_parity(mean, case["posterior"])
    loss = negative_log_likelihood(prediction, noisy, variance).mean()
    # the published loss also rewards a large sigma, which matters where it is learned
    assert float(loss - 0.1 * sigma) == pytest.approx(float(case["loss"]), rel=1e-4)


@pytest.mark.parametrize("case", ["udvd_gray_blind_noise"], indirect=True)
def test_parity_of_the_noise_level(case: dict[str, Any]) -> None:
    with torch.no_grad():
        sigma = network(case).estimate_noise(clip_of(case, 1))
    assert_parity(sigma, case["sigma"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["udvd_gray_jacobian"], indirect=True)
def test_parity_of_the_gradient(case: dict[str, Any]) -> None:
    """Ours is the exact gradient; the published one is within float32 of it.

    For this input one activation lies within rounding of zero, where a leaky
    rectifier has a kink, so the gradient depends on the order of summation. In
    float32 the published network itself, run layer by layer, is 3.8e-4 of the
    largest entry away from the same network in float64. In float64, where the
    activation has a sign, ours and the layer-by-layer network agree to rounding.
    """
    y, x = case["pixel"]
    weights = published_weights(case)
    plain = PlainUDVD()
    plain.load_state_dict(weights)
    gradients = []
    for net in (network(case), plain):
        net = net.double().requires_grad_(False)
        clip = clip_of(case, 1).double().requires_grad_()
        out = net.raw(clip) if isinstance(net, UDVD) else net(clip.flatten(1, 2))
        (gradient,) = torch.autograd.grad(out[0, 0, y, x], clip)
        gradients.append(gradient[:, :, 0])
    ours, exact = gradients
    largest = exact.abs().max()
    assert (ours - exact).abs().max() <= 1e-12 * largest

    published = torch.from_numpy(case["gradient"]).double()
    error = (ours - published).abs() / largest
    assert error.max() < 1e-3
    assert (error < 1e-4).double().mean() > 0.97


# --- what a file may look like ------------------------------------------------------


def published(frames: int = 5, channels: int = 1, **more: Any) -> dict[str, Tensor]:
    """State dict of a small network under the published names."""
    features = UDVD(5, channels, 4).stage_two.enc1.conv1.weight.shape[1] // 3
    plain = PlainUDVD(frames, channels, width=4, stage_one_features=features, **more)
    fill(plain)
    return plain.state_dict()


def outputs_of(net: UDVD) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(1, net.frames, net.channels, 12, 12, generator=generator)
    with torch.no_grad():
        return net.raw(clip)


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (1, 2), (2, 5), (3, 9)])
@pytest.mark.parametrize("blind_noise", [False, True])
def test_the_variant_is_recognised(
    frames: int, channels: int, outputs: int, blind_noise: bool
) -> None:
    state = published(frames, channels, outputs=outputs, blind_noise=blind_noise)
    net = from_published(state, hole=(3, 1))
    assert net.configuration() == {
        "frames": frames,
        "channels": channels,
        "width": 4,
        "hole": [3, 1],
        "likelihood": outputs > channels,
        "blind_noise": blind_noise,
    }
    assert not net.training


def layouts(state: dict[str, Tensor]) -> dict[str, Any]:
    parallel = {f"module.{name}": weight for name, weight in state.items()}
    rest = {
        "epoch": 34,
        "args": argparse.Namespace(lr=1e-4, model="blind-video-net-4", loss="mse"),
        "best_val_loss": 0.1,
        "optimizer": [{"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]}],
    }
    return {
        "bare": state,
        "data-parallel": parallel,
        "checkpoint": {"model": [state], **rest},
        "checkpoint, data-parallel": {"model": [parallel], **rest},
        "checkpoint, no list": {"model": state, **rest},
    }


@pytest.mark.parametrize("layout", layouts({}))
def test_published_layouts(tmp_path: Path, layout: str) -> None:
    state = published()
    expected = outputs_of(from_published(state))
    content = layouts(state)[layout]
    assert torch.equal(outputs_of(from_published(content)), expected)
    for zipped in (True, False):
        path = tmp_path / f"zip-{zipped}.pt"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        net = from_published(read_published(path))
        assert torch.equal(outputs_of(net), expected)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["torch", "torch, old", "pickle", "in the arguments"])
def test_pickled_code_is_never_run(tmp_path: Path, kind: str) -> None:
    bait, path = tmp_path / "executed", tmp_path / "trap.pt"
    trap = Trap(bait)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(trap, protocol=2))
    elif kind == "in the arguments":
        args = argparse.Namespace(hook=trap)
        torch.save({"model": [published()], "args": args}, path)
    else:
        zipped = kind == "torch"
        content = {"model": [published()], "x": trap}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert not bait.exists()
    with pytest.raises(ValueError, match="pickled code") as caught:
        read_published(path)
    assert not bait.exists()
    assert "trap.pt" in str(caught.value)
    assert "nothing in it was executed" in str(caught.value)
    # the trap works: an ordinary load would have run it
    if kind == "pickle":
        pickle.loads(path.read_bytes()).close()
        assert bait.exists()


FOREIGN = {
    "weights of another network": {"conv1.weight": torch.zeros(3, 3)},
    "a list": [1, 2, 3],
    "a tensor": torch.zeros(3),
    "nothing": {},
    "a number": 3,
    "a checkpoint of another library": {
        "epoch": 3,
        "state_dict": {"conv1.weight": torch.zeros(3, 3)},
        "optimizer": {"lr": 1e-3},
        "version": "1.9",
    },
    "two models": {"model": [{}, {}]},
    "text under a weight's name": {"denoiser_1.enc1.conv1.conv.weight": "text"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_checkpoints_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "foreign.pt"
    torch.save(FOREIGN[kind], path)
    with pytest.raises(ValueError):
        from_published(read_published(path))
    with pytest.raises(ValueError):
        from_published(FOREIGN[kind])


@pytest.mark.parametrize("damage", ["empty", "text", "half", "head", "zeros"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.pt"
    torch.save(published(), path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"these are not weights\n",
            "half": whole[: len(whole) // 2],
            "head": whole[:100],
            "zeros": bytes(1000),
        }[damage]
    )
    with pytest.raises(ValueError, match=r"damaged\.pt"):
        read_published(path)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=64) | st.binary(max_size=40).map(b"\x80\x02".__add__))
def test_any_bytes_give_one_kind_of_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"any\.pt"):
        read_published(path)


def edited(name: str, change: Any) -> dict[str, Tensor]:
    state = published()
    state[name] = change(state[name])
    return state


@pytest.mark.parametrize(
    "state",
    [
        {k: v for k, v in published().items() if "dec2.conv3" not in k},
        {k: v for k, v in published().items() if not k.startswith("nin_C")},
        {k: v for k, v in published().items() if "enc1.conv1" not in k},
        {**published(), "denoiser_1.extra.conv.weight": torch.zeros(1)},
        {**published(), "nin_A.bias": torch.zeros(32)},
        edited("nin_C.weight", lambda w: w.repeat(3, 1, 1, 1)),
        edited("nin_C.weight", lambda w: w.sum()),
        edited("denoiser_1.enc2.conv1.conv.weight", lambda w: w[:, :2]),
        edited("denoiser_1.enc1.conv1.conv.weight", lambda w: w[:, :2]),
        edited("denoiser_1.enc1.conv1.conv.weight", lambda w: w.sum((1, 2, 3))),
        {**published(1), "denoiser_1.enc1.conv1.conv.weight": torch.zeros(4, 1, 3, 3)},
    ],
    ids=[
        "layer missing",
        "join missing",
        "first layer missing",
        "unknown parameter",
        "bias",
        "outputs that fit no head",
        "head without shape",
        "channels that do not fit",
        "frames that do not fit",
        "first layer without inputs",
        "two variants in one",
    ],
)
def test_state_dicts_that_do_not_fit_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"publish|bias|output|missing") as caught:
        from_published(state)
    assert len(str(caught.value)) > 40


def test_an_even_hole_is_refused() -> None:
    with pytest.raises(ValueError, match="hole"):
        from_published(published(), hole=(2, 2))
