"""A card computes what a CPU does; the same checks on the CPU show that they work."""

from __future__ import annotations

import pytest
import torch
from benchmarks.gpu_checks import CHECKS
from benchmarks.gpu_report import NotHere

NO_CARD = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)


# what is odd about the movie of a check is not what is checked
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, NO_CARD])]
)
def test_the_device(name: str, device: str) -> None:
    try:
        CHECKS[name](torch.device(device))
    except NotHere as missing:
        pytest.skip(str(missing))
