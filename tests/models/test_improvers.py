"""Networks that go on from a sharpened movie, by name."""

from __future__ import annotations

import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.models import SEEN, build_improver, check_improver, improver_names


@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("name", improver_names())
def test_a_new_one_returns_its_base(name: str, zoom: int) -> None:
    net = build_improver(name, zoom)
    clip = torch.rand(1, 2, SEEN, 16, 24)
    base = torch.rand(1, 2, SEEN, 16 * zoom, 24 * zoom)
    with torch.inference_mode():
        assert torch.equal(net(clip, base=base), base)


def test_one_for_a_card_is_wider() -> None:
    narrow, wide = (build_improver("s2svr", on_cpu=cpu) for cpu in (True, False))
    assert narrow.settings.features < wide.settings.features


def test_others_are_refused() -> None:
    for refused in (check_improver, build_improver):
        with pytest.raises(InputError, match="no network 'unet' to sharpen with"):
            refused("unet")
        with pytest.raises(InputError, match="zoom 1 or 2, not 4"):
            refused("s2svr", 4)
