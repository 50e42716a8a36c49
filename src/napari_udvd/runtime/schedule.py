"""Which unit of work goes to which worker, and what becomes of it when that is lost.

Rules alone, without a clock and without a network: what runs a batch follows them, and
so does what simulates one.

- The largest units come first: what is left in the end is small, and no worker computes
  for long while the others have nothing to do.
- A worker has as many units as it has threads, and none that wait: when it is lost, no
  more than those are lost with it.
- What was lost is repeated, once and elsewhere if there is an elsewhere. A unit that
  loses two workers is taken to be what ended them, and is given up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lost", "Schedule"]

Unit = TypeVar("Unit")

REPEATS = 1
"""Times that a unit is begun again after its worker was lost."""


@dataclass(frozen=True)
class Lost(Generic[Unit]):
    """A unit whose worker was lost.

    Attributes
    ----------
    unit
        Which one.
    worker
        Where it was.
    is_repeated
        Whether it will be begun again.
    """

    unit: Unit
    worker: str
    is_repeated: bool


@dataclass
class Schedule(Generic[Unit]):
    """Units that are left to do, and those that are being done.

    Attributes
    ----------
    costs
        What each unit is expected to cost, in any measure.
    running
        Worker of each unit that was given out.
    """

    costs: Mapping[Unit, float]
    running: dict[Unit, str] = field(default_factory=dict, init=False)
    _left: list[Unit] = field(init=False)
    _losses: dict[Unit, list[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        # sorting is stable: units that cost the same stay in their order
        self._left = sorted(self.costs, key=lambda unit: -self.costs[unit])

    @property
    def is_over(self) -> bool:
        """Whether nothing is left, and nothing is being done."""
        return not self._left and not self.running

    def place(self, workers: Mapping[str, int]) -> list[tuple[Unit, str]]:
        """Give out what there is room for.

        Parameters
        ----------
        workers
            Threads of each worker that is there.

        Returns
        -------
        list of tuple
            Units and their workers, which count as running now.
        """
        busy = Counter(self.running.values())
        room = {w: n - busy[w] for w, n in workers.items() if n > busy[w]}
        placed = []
        while self._left and room:
            unit = self._left.pop(0)
            # the emptiest one, and not the one that it ended
            worker = min(
                room,
                key=lambda w: (w in self._losses.get(unit, ()), -room[w]),
            )
            room[worker] -= 1
            if room[worker] == 0:
                del room[worker]
            self.running[unit] = worker
            placed.append((unit, worker))
        return placed

    def end(self, unit: Unit) -> None:
        """Take note that a unit is over, whether it came to a result or failed."""
        del self.running[unit]

    def lose(self, worker: str) -> list[Lost[Unit]]:
        """Take note that a worker was lost; return what was being done there."""
        found = []
        for unit in [u for u, where in self.running.items() if where == worker]:
            del self.running[unit]
            losses = self._losses.setdefault(unit, [])
            losses.append(worker)
            is_repeated = len(losses) <= REPEATS
            if is_repeated:
                self._left.insert(0, unit)
            found.append(Lost(unit, worker, is_repeated))
        return found

    def stop(self) -> list[Unit]:
        """Give nothing out any longer; return what was never begun."""
        left, self._left = self._left, []
        return left
