"""Write, check or measure how the code is built, as the code itself shows it.

``architecture.py`` writes the tree and the table of floors into `docs/architecture.md`,
and draws `docs/images/architecture.svg`. ``--check`` fails where they are out of date.
``--measure`` prints numbers of the structure, also those of another checkout.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from structure import sections
from structure.house import House
from structure.measures import measure

HERE = Path(__file__).resolve().parents[1]
PAGE = "docs/architecture.md"
DRAWING = "docs/images/architecture.svg"
SECTIONS = {"tree": sections.tree, "floors": sections.floors}
CAN_DRAW = find_spec("grimp") is not None  # import-linter brings it


def write(house: House) -> None:
    """Bring page and drawing up to date."""
    from structure.drawing import draw

    page = (house.root / PAGE).read_text(encoding="utf-8")
    for name, make in SECTIONS.items():
        page = sections.replace(page, name, make(house))
    (house.root / PAGE).write_text(page, encoding="utf-8")
    (house.root / DRAWING).write_text(draw(house), encoding="utf-8")


def sections_out_of_date(house: House) -> list[str]:
    """Name the sections of the page that differ from the code."""
    page = (house.root / PAGE).read_text(encoding="utf-8")
    return [
        f"the section {name!r} of {PAGE}"
        for name, make in SECTIONS.items()
        if sections.section(page, name) != make(house)
    ]


def drawing_out_of_date(house: House) -> list[str]:
    """Name the drawing, if rooms, floors or arrows are others: sizes do not matter."""
    from structure.drawing import described, expected

    file = house.root / DRAWING
    svg = file.read_text(encoding="utf-8") if file.exists() else ""
    return [] if described(svg) == expected(house) else [f"the drawing {DRAWING}"]


def check(house: House) -> int:
    """Say what is out of date."""
    stale = sections_out_of_date(house)
    if CAN_DRAW:
        stale += drawing_out_of_date(house)
    else:
        print("The drawing is not checked: import-linter is not installed.")
    if stale:
        print("Out of date:", "; ".join(stale) + ". `make architecture` mends it.")
    return int(bool(stale))


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail where out of date")
    what.add_argument("--measure", action="store_true", help="print numbers")
    parser.add_argument("checkout", nargs="?", type=Path, default=HERE)
    options = parser.parse_args(arguments)
    house = House(options.checkout.resolve())
    if options.measure:
        print(measure(house))
    elif options.check:
        return check(house)
    else:
        write(house)
    return 0


if __name__ == "__main__":
    sys.exit(main())
