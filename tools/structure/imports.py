"""Which room imports which, by import-linter's own reading of the code (grimp)."""

from __future__ import annotations

import sys
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import grimp

if TYPE_CHECKING:
    from structure.house import House


class Imports(NamedTuple):
    """Imports between rooms, and which rooms import which group of libraries.

    `arrows` counts pairs of modules; imports for type checkers alone are left out, as
    the contracts do.
    """

    arrows: dict[tuple[str, str], int]
    libraries: dict[str, list[tuple[str, ...]]]


def find_imports(house: House) -> Imports:
    """Read all imports of a checkout."""
    sys.path.insert(0, str(house.source.parent))
    try:
        graph = grimp.build_graph(
            house.package,
            include_external_packages=True,
            exclude_type_checking_imports=True,
            cache_dir=None,
        )
    finally:
        sys.path.pop(0)
    prefix = f"{house.package}."
    arrows: Counter[tuple[str, str]] = Counter()
    known: dict[str, set[str]] = {room: set() for room in house.rooms}
    for module in sorted(m for m in graph.modules if m.startswith(prefix)):
        room = module.split(".")[1]
        for other in graph.find_modules_directly_imported_by(module):
            known[room].add(other)
            if other.startswith(prefix) and (to := other.split(".")[1]) != room:
                arrows[room, to] += 1
    libraries = {
        room: [group for group in house.libraries if modules & set(group)]
        for room, modules in known.items()
    }
    return Imports(dict(sorted(arrows.items())), libraries)


def is_illegal(house: House, a: str, b: str) -> bool:
    """Whether an import points up, or to a neighbour that is to be a stranger."""
    here, there = house.height(a), house.height(b)
    if here is None or there is None:
        return False
    strangers = house.floors[-1 - here].are_strangers
    return here < there or (here == there and strangers)


def needed(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Arrows of which no longer way tells already; there must be no circles."""
    after: dict[str, set[str]] = {}
    for a, b in arrows:
        after.setdefault(a, set()).add(b)

    @cache
    def reached(room: str) -> set[str]:
        direct = after.get(room, set())
        return direct.union(*map(reached, direct))

    return {
        (a, b)
        for a, b in arrows
        if not any(b in reached(other) for other in after[a] - {b})
    }


def describe(house: House, imports: Imports) -> str:
    """Rooms, floors and arrows in words, one a line: what a drawing must show."""
    lines = [f"{house.package}: floors from the top, then who imports whom."]
    for number, floor in zip(range(len(house.floors))[::-1], house.floors, strict=True):
        here = [room for room in floor.rooms if room in house.rooms]
        lines.append(f"Floor {number}: {', '.join(here)}")
    if homeless := house.homeless():
        lines.append(f"No floor: {', '.join(homeless)}")
    for room in sorted(house.rooms):
        to = [b for a, b in imports.arrows if a == room]
        to += [name for group in imports.libraries[room] for name in group[:1]]
        lines.append(f"{room} imports {', '.join(to) or 'nothing'}")
    return "\n".join(lines)
