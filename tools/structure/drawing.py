"""The house as a picture (SVG): floors, rooms, and which room imports which."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from structure.house import first_line
from structure.imports import describe, find_imports, is_illegal, needed
from structure.layout import lay_out

if TYPE_CHECKING:
    from pathlib import Path

    from structure.house import House
    from structure.imports import Imports
    from structure.layout import Layout

WIDTH = 1000
LEFT, RIGHT = 34, 988
TOP = 52
BOX = 62
STEP = 104  # from one floor to the next
DOTS = ["#e07a1f", "#2f7ed8", "#7b4fb5", "#2a9d5c"]  # one per group of libraries

STYLE = """
text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
.page { fill: #fff } .floor { fill: #f3f5f9 } .number { fill: #9aa5b8; font-size: 13px }
.box { fill: #fff; stroke: #8693ab; stroke-width: 1.2 }
.name { fill: #1c2637; font-size: 13px; font-weight: 600 }
.says { fill: #4a566b; font-size: 10px } .size { fill: #8a95a8; font-size: 9.5px }
.legend { fill: #4a566b; font-size: 11px }
.arrow { fill: none; stroke: #5b6f95; stroke-opacity: .7; marker-end: url(#head) }
.head { fill: #5b6f95 } .illegal { stroke: #d11; stroke-opacity: 1 }
.other { visibility: hidden; stroke-dasharray: 5 3 }
"""


def draw(house: House) -> str:
    """Draw a checkout."""
    imports = find_imports(house)
    rows = [[r for r in floor.rooms if r in house.rooms] for floor in house.floors]
    if homeless := house.homeless():
        rows = [homeless, *rows]
    row_of = {room: i for i, row in enumerate(rows) for room in row}
    down = {(a, b) for a, b in imports.arrows if row_of[a] < row_of[b]}
    shown = needed(down)
    layout = lay_out(rows, shown, LEFT, RIGHT)
    height = TOP + STEP * len(rows) - (STEP - BOX) + 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img">',
            f"<title>Rooms of {house.package}, and who imports whom</title>",
            f"<desc>{escape(describe(house, imports))}</desc>",
            f"<style>{STYLE}{_hover(house)}</style>",
            '<marker id="head" markerUnits="userSpaceOnUse" markerWidth="9"'
            ' markerHeight="8" refX="8" refY="4" orient="auto">'
            '<path class="head" d="M0 0L9 4L0 8z"/></marker>',
            f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
            *_legend(house),
            *_floors(len(house.floors), len(rows)),
            *_arrows(house, imports, layout, shown, row_of),
            *(_room(house, imports, layout, room, row_of[room]) for room in row_of),
            "</svg>\n",
        ]
    )


def described(svg: str) -> str:
    """Take out what a drawing says that it shows."""
    return svg.partition("<desc>")[2].partition("</desc>")[0]


def expected(house: House) -> str:
    """Say what the drawing of a checkout has to show."""
    return escape(describe(house, find_imports(house)))


def _hover(house: House) -> str:
    """Rules that show all arrows of the room under the pointer, and fade the rest."""
    lines = ["svg:has(.room:hover) .arrow { stroke-opacity: .12 }"]
    for room in sorted(house.rooms):
        over = f"svg:has(#{room}:hover)"
        lines += [
            f"{over} .from-{room}, {over} .to-{room} "
            "{ visibility: visible; stroke-opacity: 1 }",
            f"{over} .from-{room} {{ stroke: #1565c0 }} "
            f"{over} .to-{room} {{ stroke: #c77700 }}",
        ]
    return "\n".join(lines) + "\n"


def _legend(house: House) -> list[str]:
    parts = [
        f'<text class="legend" x="{LEFT}" y="18">An arrow points to what is imported;'
        " left out where another way leads there too. Opened by itself, the picture"
        " shows all arrows of the room under the pointer.</text>"
    ]
    x = float(LEFT + 4)
    for colour, group in zip(DOTS, house.libraries, strict=False):
        label = f"imports {', '.join(group)}"
        parts.append(
            f'<circle cx="{x:.0f}" cy="32" r="4" fill="{colour}"/>'
            f'<text class="legend" x="{x + 9:.0f}" y="36">{label}</text>'
        )
        x += 34 + 5.6 * len(label)
    parts.append(f'<text class="legend" x="{x - 4:.0f}" y="36">grey: lines</text>')
    return parts


def _floors(floors: int, rows: int) -> list[str]:
    parts = []
    for row in range(rows):
        y = TOP + STEP * row
        number = rows - 1 - row
        parts.append(
            f'<rect class="floor" x="6" y="{y - 7}" width="{WIDTH - 12}"'
            f' height="{BOX + 14}" rx="6"/>'
        )
        if number < floors:
            parts.append(
                f'<text class="number" x="18" y="{y + BOX / 2 + 5:.0f}"'
                f' text-anchor="middle">{number}</text>'
            )
    return parts


def _arrows(
    house: House,
    imports: Imports,
    layout: Layout,
    shown: set[tuple[str, str]],
    row_of: dict[str, int],
) -> list[str]:
    ports = _ports(layout)
    parts = []
    for (a, b), count in imports.arrows.items():
        classes = f"arrow from-{a} to-{b}"
        if (a, b) in shown:
            line = _route(layout, ports[a, b], layout.routes[a, b], row_of[a])
        else:
            line = _curve(layout, a, b, row_of)
            if is_illegal(house, a, b):
                classes += " illegal"
            elif row_of[a] < row_of[b]:
                classes += " other"
        width = min(1 + count / 4, 4)
        plural = "s" * (count > 1)
        parts.append(
            f'<path class="{classes}" stroke-width="{width:.2g}" d="{line}">'
            f"<title>{a} imports {b}: {count} time{plural}</title></path>"
        )
    return parts


def _ports(layout: Layout) -> dict[tuple[str, str], tuple[float, float]]:
    """Where each arrow leaves and reaches a box: side by side, in order."""
    leave: dict[tuple[str, str], float] = {}
    reach: dict[tuple[str, str], float] = {}
    for row in layout.rows:
        for node in row:
            for end, ports, there in ((0, leave, 1), (-1, reach, -2)):
                mine = [k for k, route in layout.routes.items() if route[end] == node]
                mine.sort(key=lambda k: layout.x[layout.routes[k][there]])
                step = min(16.0, (layout.box - 20) / max(len(mine), 1))
                for i, key in enumerate(mine):
                    ports[key] = layout.x[node] + (i - (len(mine) - 1) / 2) * step
    return {key: (leave[key], reach[key]) for key in layout.routes}


def _route(
    layout: Layout, ports: tuple[float, float], route: list[tuple[str, ...]], row: int
) -> str:
    """Curves between floors, straight down through each floor."""
    xs = [ports[0], *(layout.x[node] for node in route[1:-1]), ports[1]]
    y = TOP + STEP * row + BOX
    line = f"M{xs[0]:.0f} {y}"
    for a, b in pairwise(xs):
        end = y + STEP - BOX
        middle = (y + end) / 2
        line += f"C{a:.0f} {middle:.0f} {b:.0f} {middle:.0f} {b:.0f} {end}"
        y = end + BOX
        line += f"V{y}" * (b is not xs[-1])
    return line


def _curve(layout: Layout, a: str, b: str, row_of: dict[str, int]) -> str:
    """One curve straight from box to box, also upwards or to a neighbour."""
    start, end = layout.x[a,], layout.x[b,]
    y1, y2 = TOP + STEP * row_of[a], TOP + STEP * row_of[b]
    y1 += BOX * (row_of[a] <= row_of[b])
    y2 += BOX * (row_of[a] >= row_of[b])
    bend = 30 if y1 <= y2 else -30
    back = bend if row_of[a] == row_of[b] else -bend
    return (
        f"M{start:.0f} {y1}C{start:.0f} {y1 + bend} {end:.0f} {y2 + back}"
        f" {end:.0f} {y2}"
    )


def _room(house: House, imports: Imports, layout: Layout, room: str, row: int) -> str:
    """One box: name, size, and the first line of the docstring."""
    files = house.rooms[room]
    says = first_line(files[0]).replace("`", "")  # of a folder: __init__.py sorts first
    left, right = layout.x[room,] - layout.box / 2, layout.x[room,] + layout.box / 2
    y = TOP + STEP * row
    parts = [
        f'<g class="room" id="{room}"><title>{escape(says)}</title>',
        f'<rect class="box" x="{left:.0f}" y="{y}" width="{layout.box:.0f}"'
        f' height="{BOX}" rx="5"/>',
    ]
    x = left + 8
    for colour, group in zip(DOTS, house.libraries, strict=False):
        if group in imports.libraries[room]:
            parts.append(
                f'<circle cx="{x + 4:.0f}" cy="{y + 12}" r="4" fill="{colour}"/>'
            )
            x += 13
    parts += [
        f'<text class="name" x="{x:.0f}" y="{y + 16}">{room}</text>',
        f'<text class="size" x="{right - 7:.0f}" y="{y + 16}" text-anchor="end">'
        f"{_size(files)}</text>",
    ]
    columns = int((layout.box - 14) / 5.4)
    for i, line in enumerate(
        textwrap.wrap(says, columns, max_lines=3, placeholder=" …")
    ):
        parts.append(
            f'<text class="says" x="{left + 8:.0f}" y="{y + 30 + 12 * i}">'
            f"{escape(line)}</text>"
        )
    return "".join([*parts, "</g>"])


def _size(files: list[Path]) -> str:
    """Lines of code, coarsely: a few more or less are no reason to draw anew."""
    lines = sum(len(file.read_bytes().splitlines()) for file in files)
    return str(round(lines, 1 - len(str(lines))))
