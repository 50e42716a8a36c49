"""On the way to the device and back."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.restorer import Denoiser
from napari_udvd.planes import Series, read_clip
from napari_udvd.runtime import transfer
from napari_udvd.runtime.transfer import (
    Arrivals,
    back_to,
    pinned,
    read_frames,
    read_there,
    send,
)
from napari_udvd.stack import Stack
from tiny import learned_from, tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    import numpy.typing as npt

CPU = torch.device("cpu")


class OnCard:
    """Stands in for an array of CuPy: what is fetched from the card is counted."""

    fetched = 0

    def __init__(self, data: npt.NDArray[Any]) -> None:
        self.hidden = data
        self.shape, self.dtype = data.shape, data.dtype

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "version": 3}

    def __array__(self, *args: Any, **options: Any) -> npt.NDArray[Any]:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __getitem__(self, key: Any) -> OnCard:
        return OnCard(self.hidden[key])

    def transpose(self, axes: Any) -> OnCard:
        return OnCard(self.hidden.transpose(axes))

    def astype(self, dtype: Any) -> OnCard:
        return OnCard(self.hidden.astype(dtype))

    def get(self) -> npt.NDArray[Any]:
        OnCard.fetched += 1
        return self.hidden

    def __dlpack__(self, **options: Any) -> Any:
        return self.hidden.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.hidden.__dlpack_device__()


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(OnCard, "fetched", 0)
    data = np.random.default_rng(0).integers(0, 4000, (2, 9, 3, 12, 14))
    return OnCard(data.astype("u2"))


@pytest.mark.parametrize("axes", ["CTZYX", "TZCXY"])
@pytest.mark.parametrize("frames", [[0, 1, 2], [5, 3, 3, 7]])
def test_a_movie_on_a_card_is_read_there(
    on_card: Any, axes: str, frames: list[int]
) -> None:
    shape = dict(zip("CTZYX", on_card.shape, strict=True))
    data = on_card.transpose(["CTZYX".index(axis) for axis in axes])
    stack = Stack.from_array(data, axes)
    series = Series((1, 0), 2)
    rows, columns = slice(2, 9), slice(1, shape["X"] - 3)
    assert stack.on_card
    found = read_there(stack, series, frames, rows, columns)
    assert OnCard.fetched == 0
    expected = read_clip(stack, series, frames, rows, columns)
    assert OnCard.fetched > 0  # that is what was spared
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected)


def test_so_is_a_part_of_it(on_card: Any) -> None:
    stack = Stack.from_array(on_card, "CTZYX").crop(slice(2, 8), slice(3, 9))
    assert stack.on_card
    found = read_there(stack, Series((0,), 1), [4, 5])
    assert OnCard.fetched == 0
    np.testing.assert_array_equal(found.numpy()[:, 0], on_card.hidden[0, 6:8, 1, 3:9])


def test_arrays_in_memory_are_not_on_a_card(on_card: Any) -> None:
    stack = Stack.from_array(on_card.hidden, "CTZYX")
    assert not stack.on_card
    assert not stack.crop(slice(2, 8)).on_card


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_is_read_for_the_processor_comes_from_there(
    on_card: Any, device: str
) -> None:
    stack = Stack.from_array(on_card, "CTZYX")
    clip, measured = read_frames(
        stack, Series((0,), 0), [1, 2], slice(0, 12), slice(0, 14), torch.device(device)
    )
    assert measured is None
    assert OnCard.fetched == 1
    np.testing.assert_array_equal(clip.numpy()[:, 0], on_card.hidden[0, 1:3, 0])


class Cards:
    """Stands in for a card that is chosen with ``with``."""

    chosen = False

    def __enter__(self) -> None:
        Cards.chosen = True

    def __exit__(self, *_: object) -> None:
        Cards.chosen = False


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library that the array on the card is of be one with ``asarray``."""

    def asarray(data: npt.NDArray[Any]) -> OnCard:
        assert Cards.chosen
        return OnCard(data)

    module = ModuleType("library_of_cards")
    module.asarray = asarray  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "library_of_cards", module)
    monkeypatch.setattr(OnCard, "__module__", "library_of_cards._core")
    monkeypatch.setattr(OnCard, "device", Cards(), raising=False)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("part", [False, True])
def test_a_result_is_where_the_movie_is(on_card: Any, part: bool) -> None:
    stack = Stack.from_array(on_card, "CTZYX")
    stack = stack.crop(slice(2, 8)) if part else stack
    result = np.arange(6.0)
    found = back_to(stack, result)
    assert isinstance(found, OnCard) and not Cards.chosen
    np.testing.assert_array_equal(found.hidden, result)
    in_memory = Stack.from_array(on_card.hidden, "CTZYX")
    assert back_to(in_memory, result) is result


@pytest.mark.usefixtures("library")
def test_denoising_takes_and_returns_arrays_on_a_card() -> None:
    movie = tiny_movie(6, (16, 20))
    net, calibration = tiny_center_blind(), tiny_calibration()
    denoiser = Denoiser(net, (calibration,), record=learned_from(movie))
    expected = denoiser.denoise(movie, device="cpu")
    found = denoiser.denoise(OnCard(movie.read()), "TYX", device="cpu")
    assert isinstance(found, OnCard)
    np.testing.assert_array_equal(found.hidden, expected)


@pytest.mark.usefixtures("library")
def test_frames_on_a_card_come_one_by_one_for_a_viewer(on_card: Any) -> None:
    frames = Stack.from_array(on_card, "CTZYX").to_dask()
    assert OnCard.fetched == 0
    frame = frames[1, 4, 2].compute(scheduler="synchronous")
    assert OnCard.fetched == 1 and type(frame) is np.ndarray
    np.testing.assert_array_equal(frame, on_card.hidden[1, 4, 2])


def test_on_the_processor_nothing_is_copied() -> None:
    array = np.zeros((3, 4), "f4")
    tensor = send(pinned(array, CPU), CPU)
    array[1, 2] = 7
    assert tensor[1, 2] == 7


@pytest.mark.parametrize("most", [None, 0, 1, 3])
def test_everything_arrives_where_it_is_expected(most: int | None) -> None:
    arrivals = Arrivals(most)
    whole = np.full((6, 2, 5), np.nan, "f4")
    sent = torch.arange(60.0).view(6, 2, 5)
    for k in range(6):
        arrivals.expect(sent[k][:, 1:4], whole[k, :, 1:4])
        arrived = np.isfinite(whole[:, 0, 1]).sum()
        assert arrived == max(k + 1 - (most or 0), 0)
    arrivals.finish()
    np.testing.assert_array_equal(whole[:, :, 1:4], sent.numpy()[:, :, 1:4])
    assert np.isnan(whole[:, :, [0, 4]]).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_there_and_back_again() -> None:
    card = torch.device("cuda")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((300, 400)).astype("f4") for _ in range(9)]
    arrivals, found = Arrivals(), np.zeros((9, 300, 400), "f4")
    for k, array in enumerate(arrays):
        tensor = pinned(array, card)
        assert tensor.is_pinned()
        arrivals.expect(2 * send(tensor, card), found[k])
        assert len(arrivals._waiting) <= transfer.ON_THE_WAY
    arrivals.finish()
    np.testing.assert_array_equal(found, 2 * np.stack(arrays))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_a_movie_of_cupy(dtype: str) -> None:
    cupy = pytest.importorskip("cupy")
    data = np.random.default_rng(0).integers(0, 200, (6, 20, 22)).astype(dtype)
    stack = Stack.from_array(cupy.asarray(data), "TYX")
    clip, _ = read_frames(
        stack, Series((0,), 0), [4, 1], slice(2, 20), slice(22), torch.device("cuda")
    )
    assert clip.is_cuda
    np.testing.assert_array_equal(clip.cpu().numpy()[:, 0], data[[4, 1], 2:])
