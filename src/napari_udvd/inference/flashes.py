"""Flashes: events of a single frame, which no prediction can know of.

A pixel that is predicted from everything but itself says nothing of what happened in
it alone, and what is left of the prediction in a Gaussian posterior fades with it. So
every frame is searched for templates of an event that the noise cannot explain (a
matched filter, its detection threshold a prior odds ratio), and those that are found
are put back as they were recorded.

Tensors of one frame are ``(H, W)``, in network units.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_udvd.formats import cell, table
from napari_udvd.inference.flash_scores import REACH, TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.inference.flash_scores import Frame, Scores
    from napari_udvd.models import CameraNoise

__all__ = [
    "KINDS",
    "Candidate",
    "Flash",
    "Spread",
    "find",
    "flash_table",
    "put_back",
]

KINDS = "pixel", "3x3", "spot"
"""Templates of an event: one pixel, a square, a Gaussian of standard deviation 1."""

FOOTPRINT = 0.3
"""Height of a template above which an event takes the place of what was there."""

LEAST_WEIGHT = 0.02
"""Of an event that is worth the trouble."""

STEPS, ROUNDING = 8, 1e-4
"""In which the score of given odds is found, and how far below it to stay."""


@dataclass(frozen=True)
class Flash:
    """An event of a single frame that was put back.

    Attributes
    ----------
    frame, channel, plane, row, column
        Where its centre is.
    kind
        Which template it is like, one of :data:`KINDS`.
    amplitude
        Height above the neighbouring frames, grey levels.
    z
        Height above the prediction, in standard deviations of what noise and
        prediction explain.
    probability
        That it is an event and not noise.
    """

    frame: int
    channel: int
    plane: int
    row: int
    column: int
    kind: str
    amplitude: float
    z: float
    probability: float


def flash_table(flashes: Sequence[Flash]) -> bytes:
    """Return events as a table (CSV), a row for each, counted from zero."""
    head = [each.name for each in fields(Flash)]
    rows = (
        [cell(each) if isinstance(each, float) else each for each in astuple(flash)]
        for flash in flashes
    )
    return table(head, rows)


class Candidate(NamedTuple):
    """A place in a frame, its template, and how sure it is that something happened."""

    row: int
    column: int
    kind: int
    z: float
    log_odds: float

    @property
    def weight(self) -> float:
        """Probability that it is an event."""
        return 1 / (1 + math.exp(-max(self.log_odds, -50.0)))


@dataclass(frozen=True)
class Spread:
    """Standard deviation of the scores where nothing happens.

    It would be one everywhere if the network knew its errors, the noise model were
    exact, and noise independent in neighbouring pixels.

    Attributes
    ----------
    ratios
        ``(K, B)`` log ratios, rising: of the prediction's variance to the noise's.
    values
        ``(K, B)`` the spread there, at least one.
    """

    ratios: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, ratio: Tensor) -> Tensor:
        """Interpolate for ``(K, H, W)``; constant beyond both ends."""
        found = torch.empty_like(ratio)
        for k, (ratios, values) in enumerate(
            zip(self.ratios, self.values, strict=True)
        ):
            if min(values) == max(values):
                found[k] = values[0]
                continue
            x, y = (torch.tensor(v, device=ratio.device) for v in (ratios, values))
            right = torch.bucketize(ratio[k], x[1:-1]) + 1
            slope = (y[1:] - y[:-1]) / (x[1:] - x[:-1])
            inside = ratio[k].clamp(ratios[0], ratios[-1])
            found[k] = y[right - 1] + slope[right - 1] * (inside - x[right - 1])
        return found


def find(scores: Scores, spread: Spread, odds: Sequence[float]) -> list[Candidate]:
    """Find what is likely to be an event, the surest first.

    Parameters
    ----------
    scores
        Of a frame.
    spread
        Of scores where nothing happens.
    odds
        Log odds against an event, for each template.

    Returns
    -------
    list of Candidate
        None is in the middle of another.
    """
    least = math.log(LEAST_WEIGHT / (1 - LEAST_WEIGHT))
    # most pixels are far below, whatever the ratio of variances: the others are few
    floors = [
        _score_of(least + against) * min(values)
        for against, values in zip(odds, spread.values, strict=True)
    ]
    floor = torch.tensor(floors, device=scores.z.device)[:, None, None]
    places = (scores.z > floor).any(dim=0).nonzero()
    rows, columns = places.unbind(1)
    z = scores.z[:, rows, columns] / spread.at(scores.ratio_at(rows, columns))
    against = torch.tensor(odds, device=z.device)[:, None]
    log_odds = z.square() / 2 - against - torch.log1p(z)
    best, kind = log_odds.max(dim=0)
    heights = np.full(scores.z.shape[1:], -np.inf, np.float32)
    heights[tuple(places.T.cpu().numpy())] = best.cpu().numpy()
    likely = (best > least).nonzero()[:, 0]
    highest = [
        heights[
            max(y - REACH, 0) : y + REACH + 1, max(x - REACH, 0) : x + REACH + 1
        ].max()
        == heights[y, x]
        for y, x in places[likely].tolist()
    ]
    kept = likely[torch.tensor(highest, dtype=torch.bool, device=likely.device)]
    rows, columns = places[kept].unbind(1)
    alike = scores.fit[:, rows, columns].argmax(dim=0)
    found = [
        Candidate(*each)
        for each in zip(
            rows.tolist(),
            columns.tolist(),
            alike.tolist(),
            z[kind[kept], kept].tolist(),
            best[kept].tolist(),
            strict=True,
        )
    ]
    return sorted(found, key=lambda each: -each.log_odds)


def _score_of(log_odds: float) -> float:
    """Score below which no log odds, the prior ones left out, are as large as these."""
    if log_odds <= 0:
        return -1.0  # any
    # rises to where z ** 2 / 2 - log(1 + z) is as large, and never beyond
    z = math.sqrt(2 * log_odds)
    for _ in range(STEPS):
        z = math.sqrt(2 * (log_odds + math.log1p(z)))
    return z * (1 - ROUNDING)


def put_back(
    mean: Tensor,
    std: Tensor,
    frame: Frame,
    base: Tensor,
    base_std: Tensor,
    noise: CameraNoise,
    found: Sequence[Candidate],
) -> list[float]:
    """Put events into a result, in place, as likely as they are some.

    Parameters
    ----------
    mean, std
        The result.
    frame
        What was recorded.
    base, base_std
        What would be there without the events, from the frames before and after, and
        its standard deviation.
    noise
        Of the camera.
    found
        The events, in the order in which they are put back.

    Returns
    -------
    list of float
        Their amplitudes above the base, at least 0.
    """
    if not found:
        return []
    height, width = mean.shape
    device = mean.device
    steps = torch.arange(-REACH, REACH + 1, device=device)
    centres = torch.tensor([each[:2] for each in found], device=device)
    y = centres[:, 0, None, None] + steps[:, None]
    x = centres[:, 1, None, None] + steps
    is_inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    here = y.clamp(0, height - 1), x.clamp(0, width - 1)
    kinds = torch.tensor([each.kind for each in found], device=device)
    templates = TEMPLATES.to(mean)[kinds] * is_inside
    if frame.measured is not None:
        templates = templates * frame.measured[here]
    is_touched = templates > 0
    power = templates.square().sum(dim=(1, 2), keepdim=True)
    below = base[here]
    above = torch.where(is_touched, frame.noisy[here] - below, 0.0)
    amplitudes = (templates * above).sum(dim=(1, 2), keepdim=True) / power
    amplitudes = amplitudes.clamp_min(0)
    events = below + amplitudes * templates
    variance = torch.where(is_touched, noise.variance(events), 0.0)
    fitted = (templates.square() * variance).sum(dim=(1, 2), keepdim=True)
    unsure = templates.square() * fitted / power.square()
    unsure += (1 - templates).square() * base_std[here].square()
    weights = torch.tensor([each.weight for each in found], device=device)
    weights = weights[:, None, None] * (templates / FOOTPRINT).clamp_max(1)
    for chosen in _apart(found):
        part = torch.tensor(chosen, device=device)
        touched = is_touched[part]
        at = y[part].expand_as(touched)[touched], x[part].expand_as(touched)[touched]
        weight, event = weights[part][touched], events[part][touched]
        before, spread = mean[at], std[at].square()
        # of a mixture: what each says of its own, and how far they are apart
        mixed = (
            (1 - weight) * spread
            + weight * unsure[part][touched]
            + weight * (1 - weight) * (event - before).square()
        )
        mean[at] = before + weight * (event - before)
        std[at] = mixed.sqrt()
    return [float(each) for each in amplitudes[:, 0, 0].tolist()]


def _apart(found: Sequence[Candidate]) -> list[list[int]]:
    """Group events that do not overlap; of those that do, the first comes first."""
    rows = max(each.row for each in found) + 1
    columns = max(each.column for each in found) + 1
    turn_at = np.zeros((rows, columns), np.int64)
    groups: list[list[int]] = []
    near = 2 * REACH
    for k, (y, x, *_) in enumerate(found):
        around = turn_at[
            max(y - near, 0) : y + near + 1, max(x - near, 0) : x + near + 1
        ]
        turn = int(around.max())
        turn_at[y, x] = turn + 1
        if turn == len(groups):
            groups.append([])
        groups[turn].append(k)
    return groups
