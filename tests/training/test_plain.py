"""What a training begins with and ends with: never worse than a plain average."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models.centerblind import CenterBlind, SparseCenterBlind
from napari_udvd.training.best import Best
from napari_udvd.training.plain import begin_plainly, end_plainly
from napari_udvd.training.start import Start
from napari_udvd.training.validation import Share
from tiny import fill

if TYPE_CHECKING:
    from napari_udvd.models import Network

WARM = Start(True, 1e-3, ("as before",))


class Judge:
    """Validation that likes a share of the plain average best."""

    def __init__(self, best: float, share: tuple[float, float] = (0.0, 1.0)) -> None:
        self.best, self.found = best, share

    def loss(self, net: Any) -> float:
        return abs(net.own_share.mean().item() - self.best)

    def error(self, net: Network) -> float:
        return 0.25

    def shares(self, net: Any, other: Any) -> tuple[Share, Share]:
        assert other.own_share.eq(1).all()
        return Share(1.0, 0.0), Share(*self.found)


def sparse() -> SparseCenterBlind:
    net = SparseCenterBlind(preset="small", near=2, far=(2,))
    fill(net)
    with torch.no_grad():
        net.own_share.zero_()
    return net


def learner() -> Any:
    return SimpleNamespace(net=sparse(), average=sparse())


@pytest.mark.parametrize(
    ("best", "share", "said"),
    [
        (0.0, 0.0, None),
        (0.7, 0.75, "a part of what the shipped weights add"),
        (1.0, 1.0, "from a plain average of what was measured: it"),
    ],
)
def test_it_begins_with_what_is_nearest_to_pixels_held_out(
    best: float, share: float, said: str | None
) -> None:
    taught: Any = learner()
    before = taught.net.join_c.weight.clone()
    start = begin_plainly(WARM, taught, Judge(best))  # type: ignore[arg-type]
    for net in (taught.net, taught.average):
        assert net.own_share.item() == pytest.approx(share)
        torch.testing.assert_close(net.join_c.weight, (1 - share) * before)
    assert start.rate == WARM.rate
    assert start.is_warm
    if said is None:
        assert start == WARM
    else:
        assert start.remarks[0] == "as before"
        assert said in start.remarks[1]


def test_a_plain_average_knows_its_error() -> None:
    taught: Any = learner()
    begin_plainly(WARM, taught, Judge(1.0))  # type: ignore[arg-type]
    assert F.softplus(taught.net.join_c.bias[1]).item() == pytest.approx(0.5, rel=1e-5)


def test_a_network_without_shipped_weights_or_average_stays() -> None:
    cold = WARM._replace(is_warm=False)
    taught: Any = learner()
    judge: Any = Judge(1.0)
    assert begin_plainly(cold, taught, judge) is cold
    assert not taught.net.own_share.any()
    other: Any = SimpleNamespace(
        net=CenterBlind(preset="small"), average=CenterBlind(preset="small")
    )
    assert begin_plainly(WARM, other, judge) is WARM
    best = Best(other.net)
    assert end_plainly(best, judge) == (best, ())
    with pytest.raises(NotImplementedError, match="no plain average"):
        best.net.shrink(0.5)


@pytest.mark.parametrize(
    ("liked", "found", "kept", "said"),
    [
        (0.0, (1.1, 0.1), 1.0, None),
        (0.0, (0.96, 0.05), 1.0, None),
        (0.4, (0.7, 0.1), 0.6, "60% are kept"),
        (1.0, (0.7, 0.1), 0.0, "the result is a plain average"),
        (0.9, (0.1, 0.2), 0.0, "the result is a plain average"),
        (0.9, (-3.0, 0.2), 0.0, "the result is a plain average"),
    ],
)
def test_as_much_is_kept_as_is_surely_better(
    liked: float, found: tuple[float, float], kept: float, said: str | None
) -> None:
    best, judge = Best(sparse()), Judge(liked, found)
    before = best.net.join_c.weight.clone()
    after, remarks = end_plainly(best, judge)  # type: ignore[arg-type]
    if said is None:
        assert (after, remarks) == (best, ())
    else:
        assert said in remarks[0]
    assert after.net.own_share.item() == pytest.approx(1 - kept)
    torch.testing.assert_close(after.net.join_c.weight[0], kept * before[0])
    if kept:  # what it says of its error stays
        torch.testing.assert_close(after.net.join_c.weight[1], before[1])
    # a training that goes on goes on with what it has learned
    assert best.net.own_share.eq(0).all()
    assert torch.equal(best.net.join_c.weight, before)
