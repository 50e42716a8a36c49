"""The plain average: what a training may begin with, and must be better than.

A network that can fall back to an average of what was measured, with widths that suit
the movie, is never worse than that: it begins with it where the shipped weights are
worse, and ends with it where frames held out do not show what was gained.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from napari_udvd.models import Network
    from napari_udvd.training.best import Best
    from napari_udvd.training.learner import Learner
    from napari_udvd.training.start import Start
    from napari_udvd.training.validation import Validation

__all__ = ["MEASUREMENTS", "begin_plainly", "end_plainly"]

MEASUREMENTS = 5
"""Measurements of frames held out that :func:`end_plainly` takes as long as, at most:
the average's error, the shares of two networks, and the losses of two."""

LEAST_STD = 0.03
"""Error of a plain average, in standard deviations of the noise, at least."""

PART = 0.25
"""Share of the shipped weights' say in what lies between both."""

NEARLY_ALL = 0.9
"""Share of what was learned from which on all of it is kept."""


def begin_plainly(start: Start, learner: Learner, validation: Validation) -> Start:
    """Begin with a plain average, or near it, where that is better.

    In movies of hardly any contrast, which the shipped weights have not seen, they add
    noise.

    Parameters
    ----------
    start
        How it begins otherwise.
    learner
        Of the network; nothing is done if it cannot say a plain average.
    validation
        Knows the frames held out.
    """
    plain = _plain(learner.average, validation) if start.is_warm else None
    if plain is None:
        return start
    between = copy.deepcopy(plain)
    learned = learner.average.state_dict()
    between.load_state_dict(
        {
            name: torch.lerp(value, learned[name], PART)
            for name, value in plain.state_dict().items()
        }
    )
    found = min((learner.average, between, plain), key=validation.loss)
    if found is learner.average:
        return start
    for net in (learner.net, learner.average):
        net.load_state_dict(found.state_dict())
    which = "a plain average of what was measured"
    if found is between:
        which += " and a part of what the shipped weights add to it"
    remark = (
        f"training starts from {which}: it is nearer to pixels held out than what the "
        "shipped weights say alone"
    )
    return start._replace(remarks=(*start.remarks, remark))


def end_plainly(best: Best, validation: Validation) -> tuple[Best, tuple[str, ...]]:
    """Keep of what was learned as much as pixels held out are surely nearer to.

    What was learned and the plain average have errors of their own, and the mean of
    both has less than either, with the right weights. (Stein's shrinkage: the share is
    the one of least squares, less its standard error. It is found twice, for errors in
    units of the noise and in grey levels, and the smaller one is taken.)

    Parameters
    ----------
    best
        What was learned; it stays as it is, for a training that goes on.
    validation
        Knows the frames held out.

    Returns
    -------
    best
        The same, or one of which the network was changed.
    remarks
        What a user should know of it; empty where nothing was changed.
    """
    plain = _plain(best.net, validation)
    if plain is None:
        return best, ()
    share = min(a - b for a, b in validation.shares(best.net, plain))
    if share >= NEARLY_ALL:
        return best, ()
    changed = copy.copy(best)
    changed.net = copy.deepcopy(best.net)
    if share > 0:
        changed.net.shrink(share)
        if validation.loss(changed.net) < validation.loss(plain):
            return changed, (
                f"of what was learned {share:.0%} are kept, and the rest is a plain "
                "average of what was measured: the mean of both is nearest to pixels "
                "held out; a longer training may do without",
            )
    changed.net = plain
    return changed, (
        "the result is a plain average of what was measured, over as many pixels and "
        "frames as suit this movie: pixels held out do not tell what was learned from "
        "it; train longer to be better than that",
    )


def _plain(net: Network, validation: Validation) -> Network | None:
    """Return the plain average, its error the same everywhere in units of the noise."""
    plain = copy.deepcopy(net)
    if not plain.fall_back(LEAST_STD):
        return None
    plain.fall_back(math.sqrt(max(validation.error(plain), LEAST_STD**2)))
    return plain
