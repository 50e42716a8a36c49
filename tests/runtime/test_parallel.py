from __future__ import annotations

import threading

import pytest
import torch

from napari_udvd.runtime.parallel import run_parts, threads_on


@pytest.mark.parametrize("count", [2, 3])
def test_parts_run_at_the_same_time_and_come_back_in_order(count: int) -> None:
    together = threading.Barrier(count, timeout=20)

    def part(k: int) -> tuple[int, int]:
        together.wait()  # ends only if all parts are there
        return k, torch.get_num_threads()

    before = torch.get_num_threads()
    found = run_parts(part, range(count))
    assert found == [(k, 1) for k in range(count)]
    assert torch.get_num_threads() == before


def test_a_single_part_stays_in_its_thread() -> None:
    assert run_parts(lambda _: threading.current_thread(), [0]) == [
        threading.current_thread()
    ]


def test_the_first_error_comes_when_all_have_ended() -> None:
    ended = []

    def part(k: int) -> None:
        if k == 0:
            raise MemoryError("part 0")
        ended.append(k)

    with pytest.raises(MemoryError, match="part 0"):
        run_parts(part, [0, 1])
    assert ended == [1]


def test_only_processors_are_shared_out() -> None:
    assert threads_on(torch.device("cpu")) == torch.get_num_threads()
    assert threads_on(torch.device("cuda")) == 1
