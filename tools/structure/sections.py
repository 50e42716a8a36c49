"""What `docs/architecture.md` says of the code: the tree, and the table of floors."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from structure.house import House, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WIDTH = 100
INDENT = 4


def tree(house: House) -> str:
    """Folders and modules, each with the first line of its docstring."""
    lines = [(0, f"src/{house.package}/", first_line(house.source / "__init__.py"))]
    lines += _inside(house.source, 1)
    columns: dict[int, int] = {}
    for depth, name, _ in lines:
        needed = depth * INDENT + len(name) + 2
        columns[depth] = max(columns.get(depth, 0), needed)
    text = [_line(depth, name, says, columns[depth]) for depth, name, says in lines]
    return "\n".join(["```", *text, "```"])


def _inside(folder: Path, depth: int) -> list[tuple[int, str, str]]:
    """Depth, name and description of all in a folder: subfolders first."""
    lines = []
    for sub in sorted(filter(_has_code, folder.iterdir()), key=_without_underscore):
        init = sub / "__init__.py"
        lines.append((depth, f"{sub.name}/", first_line(init) if init.exists() else ""))
        lines += _inside(sub, depth + 1)
    for file in sorted(folder.glob("*.py"), key=_without_underscore):
        if file.name != "__init__.py":  # it speaks for its folder
            lines.append((depth, file.name, first_line(file)))
    return lines


def _has_code(path: Path) -> bool:
    return path.is_dir() and any(path.rglob("*.py"))


def _without_underscore(path: Path) -> str:
    return path.name.strip("_")


def _line(depth: int, name: str, says: str, column: int) -> str:
    """One entry; what is too long goes on below its beginning."""
    start = f"{' ' * depth * INDENT}{name}".ljust(column)
    text = textwrap.fill(
        says, WIDTH, initial_indent=start, subsequent_indent=" " * column
    )
    return text or start.rstrip()


def floors(house: House) -> str:
    """Table of the floors: their rooms, and what these do without."""
    head = ["floor", "modules"]
    head += [f"does without {_code(libraries)}" for libraries in house.libraries]
    own = [ban for ban in house.bans if ban.forbidden not in house.libraries]
    if own:
        head.append("knows nothing of")
    rows = [head, ["---"] * len(head)]
    numbered = zip(range(len(house.floors))[::-1], house.floors, strict=True)
    for number, rooms in [*((str(n), f.rooms) for n, f in numbered), ("", ())]:
        here = [r for r in rooms if r in house.rooms] if number else house.homeless()
        if not here:
            continue
        cells = [number or "none", _code(here)]
        for libraries in house.libraries:
            bans = [b for b in house.bans if b.forbidden == libraries]
            without = [p for r in here for b in bans for p in b.applies_to(r)]
            without = list(dict.fromkeys(without))
            cells.append("all" if without == here else _code(without))
        if own:
            strange = [
                f"{_code(parts)}: {_code(f.split('.', 1)[-1] for f in ban.forbidden)}"
                for ban in own
                if (parts := [p for r in here for p in ban.applies_to(r)])
            ]
            cells.append("; ".join(strange))
        rows.append(cells)
    lines = (f"| {' | '.join(cells)} |" for cells in rows)
    return "\n".join(re.sub(" +", " ", line) for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def section(page: str, name: str) -> str | None:
    """Text of a page between ``<!-- name -->`` and ``<!-- /name -->``."""
    found = _pattern(name).search(page)
    return found and found[2].strip("\n")


def replace(page: str, name: str, text: str) -> str:
    """Put a text between the two markers."""
    page, count = _pattern(name).subn(lambda m: f"{m[1]}\n\n{text}\n\n{m[3]}", page)
    if count != 1:
        raise ValueError(f"needed once: <!-- {name} --> ... <!-- /{name} -->")
    return page


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->)(.*?)(<!-- /{name} -->)", re.DOTALL)
