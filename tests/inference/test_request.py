"""How to restore, said once."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.filters import adaptive_filter
from napari_udvd.inference import request as request_module
from napari_udvd.inference.request import EXACT, Place, Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.rounding import Loss
from napari_udvd.stack import Stack
from tiny import ALONE, tiny_calibration, tiny_center_blind, tiny_movie, tiny_net

LOSS = Loss(0.29, 0.1, 0.5)


def test_it_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Request().tile = 3  # type: ignore[misc]


@pytest.mark.parametrize("tile", [0, -1])
def test_a_tile_is_positive(tile: int) -> None:
    with pytest.raises(InputError, match=str(tile)):
        Request(tile=tile)


def test_what_a_network_does_not_have_is_refused() -> None:
    asked = Request(with_std=True, device="cpu")
    asked.check(tiny_net(likelihood=True))
    with pytest.raises(InputError, match="mean only"):
        asked.check(tiny_net(likelihood=False))


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="'tpu'"):
        Request(device="tpu").check(tiny_net())


def test_what_is_left_to_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_module, "choose_precision", lambda _: torch.bfloat16)
    cpu = torch.device("cpu")
    assert Request(device="cpu").place() == Place(cpu, torch.bfloat16)
    assert Request(device=cpu).place() == Place(cpu, torch.bfloat16)
    assert EXACT.place() == Place(cpu, torch.float32)


@pytest.mark.parametrize(
    ("asked", "movie", "loss", "expected"),
    [
        ("auto", "u2", None, "u2"),
        ("auto", "u2", LOSS, "f4"),
        ("auto", "f8", LOSS, "f8"),
        ("input", "u2", LOSS, "u2"),
        ("input", "f8", None, "f8"),
        ("float32", "u2", None, "f4"),
        (np.uint8, "u2", LOSS, "u1"),
        (np.dtype("f8"), "u2", None, "f8"),
    ],
)
def test_the_type_of_the_result(
    asked: Any, movie: str, loss: Loss | None, expected: str
) -> None:
    assert Request(dtype=asked).dtype_of(np.dtype(movie), loss) == expected


def test_the_model_decides_what_is_not_said() -> None:
    """Averaging over views is the model's, unless it is asked for or refused."""
    stack = Stack.from_array(np.asarray(tiny_movie(3).data).astype("f4"), "TYX")
    net = tiny_net(frames=3, likelihood=True)
    plain = Denoiser(net, (tiny_calibration(),))
    views = Denoiser(net, (tiny_calibration(),), self_ensemble=True)

    def of(denoiser: Denoiser, self_ensemble: bool | None = None) -> Any:
        asked = Request(
            device="cpu",
            precision=torch.float32,
            self_ensemble=self_ensemble,
            **ALONE,
        )
        blocks = denoiser.blocks(stack, asked)
        return blocks.block(blocks.series[0], 0, 1)[0]

    assert (of(plain) != of(views)).any()
    np.testing.assert_array_equal(of(plain, True), of(views))
    np.testing.assert_array_equal(of(views, False), of(plain))


def test_a_model_without_time_for_two_views_takes_one() -> None:
    """And filters are those of the result."""
    stack = Stack.from_array(np.asarray(tiny_movie(9).data).astype("f4"), "TYX")
    net = tiny_center_blind()
    two = Denoiser(net, (tiny_calibration(),))
    one = Denoiser(net, (tiny_calibration(),), single_view=True)

    def of(denoiser: Denoiser, **asked: Any) -> Any:
        request = Request(device="cpu", precision=torch.float32, **asked, **ALONE)
        blocks = denoiser.blocks(stack, request)
        return blocks.block(blocks.series[0], 4, 5)[0]

    assert Request().views(net) == 2
    assert (of(one) != of(two)).any()
    np.testing.assert_array_equal(of(two, single_view=True), of(one))
    np.testing.assert_array_equal(of(one, single_view=False), of(two))
    # who asks for all of them gets them
    every = of(two, self_ensemble=True)
    np.testing.assert_array_equal(of(one, self_ensemble=True), every)
    level = adaptive_filter(one, stack, t=4, y=11, x=13).prediction
    alone = of(one, use_posterior=False)
    assert level == pytest.approx(float(alone[0, 0, 11, 13]), rel=1e-4)
