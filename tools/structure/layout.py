"""Where everything in the drawing stands: boxes on floors, arrows between them.

An arrow over several floors goes through a lane on each floor between, like a box
without width, so that it never passes behind a box (Sugiyama et al., IEEE Trans. Syst.
Man Cybern. 1981).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

LANE = 6.0
GAP = 14.0
SWEEPS = 100
STRAIGHT = 8  # how much more a lane counts than a box

Node = tuple[str, ...]  # (room,), or (from, to, row) for a lane


@dataclass
class Layout:
    """Rows from the top down, the middle of everything on them, and every route."""

    rows: list[list[Node]]
    box: float
    x: dict[Node, float] = field(default_factory=dict)
    routes: dict[tuple[str, str], list[Node]] = field(default_factory=dict)

    def width(self, node: Node) -> float:
        """Width of a box or a lane."""
        return self.box if len(node) == 1 else LANE

    def neighbours(self) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
        """Find what each node is joined to in the row above, and in that below."""
        above: dict[Node, list[Node]] = {n: [] for row in self.rows for n in row}
        below: dict[Node, list[Node]] = {n: [] for row in self.rows for n in row}
        for route in self.routes.values():
            for a, b in pairwise(route):
                below[a].append(b)
                above[b].append(a)
        return above, below


def lay_out(
    rows: list[list[str]], arrows: set[tuple[str, str]], left: float, right: float
) -> Layout:
    """Place rooms in their rows; arrows must point to a row further down."""
    row_of = {room: i for i, row in enumerate(rows) for room in row}
    layout = Layout([[(room,) for room in row] for row in rows], box=0)
    for a, b in sorted(arrows):
        lanes = [(a, b, str(i)) for i in range(row_of[a] + 1, row_of[b])]
        for lane in lanes:
            layout.rows[int(lane[2])].append(lane)
        layout.routes[a, b] = [(a,), *lanes, (b,)]
    layout.box = min(_box(row, right - left) for row in layout.rows)
    _order(layout)
    _place(layout, left, right)
    return layout


def _box(row: list[Node], width: float) -> float:
    """Width of the boxes with which a row is full."""
    boxes = sum(len(node) == 1 for node in row)
    free = width - GAP * (len(row) - 1) - LANE * (len(row) - boxes)
    return min(free / max(boxes, 1), 172.0)


def _order(layout: Layout) -> None:
    """Sort rows by the mean place of what they are joined to; keep the best of all."""
    above, below = layout.neighbours()
    best = [list(row) for row in layout.rows]
    fewest = _crossings(layout)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        joined = above if down else below
        for row in layout.rows if down else reversed(layout.rows):
            at = {n: i / len(r) for r in layout.rows for i, n in enumerate(r)}

            row.sort(key=lambda n: _mean([at[o] for o in joined[n]] or [at[n]]))
        if (crossings := _crossings(layout)) < fewest:
            best, fewest = [list(row) for row in layout.rows], crossings
    layout.rows = best


def _crossings(layout: Layout) -> int:
    """Pairs of arrows that cross between two rows."""
    at = {node: i for row in layout.rows for i, node in enumerate(row)}
    _, below = layout.neighbours()
    count = 0
    for row in layout.rows:
        joins = [(at[a], at[b]) for a in row for b in below[a]]
        count += sum(a < c and b > d for a, b in joins for c, d in joins)
    return count


def _place(layout: Layout, left: float, right: float) -> None:
    """Move everything below and above what it is joined to, without overlaps."""
    above, below = layout.neighbours()
    for row in layout.rows:
        middle = [(left + right) / 2] * len(row)
        layout.x.update(zip(row, _apart(layout, row, middle, left, right), strict=True))
    for sweep in range(SWEEPS):
        for row in layout.rows if sweep % 2 else reversed(layout.rows):
            wanted = [_wanted(layout, n, above[n] + below[n] or [n]) for n in row]
            places = _apart(layout, row, wanted, left, right)
            layout.x.update(zip(row, places, strict=True))


def _wanted(layout: Layout, node: Node, others: list[Node]) -> float:
    """Mean place of what a node is joined to; lanes are to be straight above all."""
    weights = [STRAIGHT if len(node) == len(other) == 3 else 1 for other in others]
    total = sum(w * layout.x[n] for w, n in zip(weights, others, strict=True))
    return total / sum(weights)


def _apart(
    layout: Layout, row: list[Node], wanted: list[float], left: float, right: float
) -> list[float]:
    """Places nearest to those wanted (least squares) at which nothing overlaps.

    Less the room that all before needs, places need only not fall: isotonic regression,
    by pooling neighbours that are in the wrong order.
    """
    widths = [layout.width(node) for node in row]
    starts = [sum(widths[:i]) + GAP * i + widths[i] / 2 for i in range(len(row))]
    pools: list[list[float]] = []
    for want, start, node in zip(wanted, starts, row, strict=True):
        pools.append([want - start] * (1 if len(node) == 1 else STRAIGHT))
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    most = max(right - sum(widths) - GAP * (len(row) - 1), left)
    each = [min(max(_mean(pool), left), most) for pool in pools for _ in pool]
    places, at = [], 0
    for node, start in zip(row, starts, strict=True):
        places.append(start + each[at])
        at += 1 if len(node) == 1 else STRAIGHT
    return places


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
