"""What is held while a run of frames is denoised."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference import block_denoiser, second_stage
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.flashes import Spread
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.second_stage import SecondStage
from napari_udvd.inference.survey import Given, Survey
from tiny import tiny_calibration, tiny_center_blind, tiny_movie, tiny_net, tiny_stbn

if TYPE_CHECKING:
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack

torch.set_num_threads(1)

HEIGHT, WIDTH = 24, 28

FRAME = 4 * HEIGHT * WIDTH


def blocks_for(net: Network, stack: Stack) -> BlockDenoiser:
    request = replace(EXACT, with_std=net.likelihood)
    return BlockDenoiser(net, [tiny_calibration()], stack, request)


def hold(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """Let no more than so many frames be denoised at a time."""
    monkeypatch.setattr(block_denoiser, "HELD_BYTES", frames * FRAME)
    monkeypatch.setattr(block_denoiser, "LEAST_HELD", 1)


@pytest.fixture
def clips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every clip that a network was given, in float32."""
    seen: list[int] = []
    views = block_denoiser.Views

    def noted(net: Any, clip: Any, count: int) -> Any:
        seen.append(clip.frames.nbytes)
        return views(net, clip, count)

    monkeypatch.setattr(block_denoiser, "Views", noted)
    return seen


@pytest.mark.parametrize("frames", [14, 40])
def test_what_is_held_grows_neither_with_the_run_nor_with_the_movie(
    frames: int, clips: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tiny_center_blind()
    stack = tiny_movie(frames, (HEIGHT, WIDTH))
    hold(monkeypatch, 3)
    blocks = blocks_for(net, stack)
    blocks.block(blocks.series[0], 0, frames)
    assert max(clips) <= (3 + 2 * net.geometry.context) * FRAME < frames * FRAME
    # each frame that a piece sees is held by itself, and no other
    held = [frame for frame, _ in blocks._buffer._frames.values()]
    assert sum(frame.untyped_storage().nbytes() for frame in held) <= max(clips)


@pytest.mark.parametrize("budget", [1, 4])
def test_pieces_are_the_run_bit_for_bit(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, stack = tiny_center_blind(), tiny_movie(9, (HEIGHT, WIDTH))
    whole = blocks_for(net, stack)
    expected = whole.block(whole.series[0], 1, 9)
    hold(monkeypatch, budget)
    blocks = blocks_for(net, stack)
    assert len(blocks.pieces(8)) == 8 // budget
    found = blocks.block(blocks.series[0], 1, 9)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [tiny_net, tiny_stbn])
def test_frames_that_share_work_stay_together(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, 1)
    blocks = blocks_for(make(), tiny_movie(4, (HEIGHT, WIDTH)))
    assert blocks.pieces(16) == [slice(0, 16)]


def test_every_core_has_a_frame_until_the_end_of_a_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(monkeypatch, 5)
    monkeypatch.setattr(block_denoiser, "threads_on", lambda device: 3)
    blocks = blocks_for(tiny_center_blind(), tiny_movie(4, (HEIGHT, WIDTH)))
    assert blocks.pieces(8) == [slice(0, 3), slice(3, 6), slice(6, 8)]
    hold(monkeypatch, 1)
    assert blocks.pieces(3) == [slice(0, 3)]


def test_the_second_stage_holds_no_more_predictions_than_a_piece_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, stack = tiny_center_blind(), tiny_movie(12, (HEIGHT, WIDTH))
    survey = Survey(Spread(((0.0,),) * 3, ((1.0,),) * 3), (12.0,) * 3)
    request = replace(EXACT, events=True, refine=False, with_std=True)

    def restored() -> Any:
        stage = SecondStage(net, [tiny_calibration()], stack, request, Given([survey]))
        mean, std = stage.block(stage.series[0], 0, 12)
        assert std is not None
        return mean, std, stage.flashes_in(stage.series[0], 0, 12)

    mean, std, flashes = restored()
    asked: list[int] = []
    predict = second_stage.predict

    def counted(inner: Any, *args: Any) -> Any:
        asked.append(len(args[-1]))
        return predict(inner, *args)

    monkeypatch.setattr(second_stage, "predict", counted)
    hold(monkeypatch, 5)  # three, and one on either side
    pieces = restored()
    assert asked == [4, 3, 3, 2]  # none is predicted twice
    np.testing.assert_array_equal(pieces[0], mean)
    np.testing.assert_array_equal(pieces[1], std)
    assert pieces[2] == flashes
