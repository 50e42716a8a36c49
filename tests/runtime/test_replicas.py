"""Replicas compute what one device computes, whoever gets which part."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.formats import ArraySink
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.runtime.device import choose_devices
from napari_udvd.runtime.executor import InTurn, Threads
from napari_udvd.runtime.replicas import Replicas
from tiny import learned_from, tiny_calibration, tiny_movie, tiny_net

torch.set_num_threads(1)

CPU = torch.device("cpu")


@pytest.mark.parametrize("executor", [InTurn(), Threads(), Replicas([CPU, CPU])])
def test_results_come_in_the_order_of_the_parts(executor) -> None:
    assert list(executor.map(lambda part: part**2, [3, 1, 2])) == [9, 1, 4]


@pytest.mark.parametrize("executor", [Threads(), Replicas([CPU, CPU])])
def test_the_first_error_comes_last(executor) -> None:
    ended, both = threading.Event(), threading.Barrier(2)

    def work(part: int) -> int:
        both.wait(10)
        if part == 0:
            raise ValueError("the first")
        time.sleep(0.05)
        ended.set()
        return part

    with pytest.raises(ValueError, match="the first"):
        list(executor.map(work, [0, 1]))
    assert ended.is_set()


def test_nothing_is_begun_after_the_iterator_was_closed() -> None:
    begun: list[int] = []

    def parts():
        for part in range(100):
            begun.append(part)
            yield part

    with closing(Replicas([CPU, CPU]).map(lambda part: part, parts())) as results:
        next(results)
    assert len(begun) <= 6


def test_every_replica_is_used_by_one_thread() -> None:
    replicas, together = Replicas([CPU, CPU]), threading.Barrier(2)

    def work(_: int) -> int:
        together.wait(10)
        return replicas.number

    assert sorted(replicas.map(work, [0, 1])) == [0, 1]


def test_devices_by_name() -> None:
    assert choose_devices("cpu, cpu") == (CPU, CPU)
    with pytest.raises(InputError, match="'tpu'"):
        choose_devices("cpu,tpu")


@pytest.mark.parametrize("second_stage", [False, True])
def test_frames_are_shared_out(second_stage: bool) -> None:
    stack = tiny_movie(frames=40)
    denoiser = Denoiser(
        tiny_net(frames=3, likelihood=True),
        (tiny_calibration(),),
        record=learned_from(stack),
    )
    results = []
    for device in ("cpu", "cpu,cpu,cpu"):
        asked = replace(EXACT, device=device, events=second_stage, refine=False)
        with ArraySink(stack) as sink:
            told = list(denoiser.restore(stack, sink, asked))
        assert told[-1].done == told[-1].total == 40
        results.append(sink.array)
    np.testing.assert_array_equal(*results)
