"""A checkout as its own files describe it: rooms, floors, what each does without.

A room is a module or a subpackage directly inside the package. Its floor is its row in
the layers contract of import-linter.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ROOM = re.compile(r"(\()?([\w.]+)")  # import-linter puts optional ones in parentheses


@dataclass(frozen=True)
class Floor:
    """A row of the layers contract: rooms, which of them may be missing."""

    rooms: tuple[str, ...]
    optional: frozenset[str]
    are_strangers: bool  # may not import one another

    @classmethod
    def from_row(cls, row: str, package: str) -> Floor:
        """Read ``a | b`` or ``(a) : (b)``."""
        found = [(p, n.removeprefix(f"{package}.")) for p, n in ROOM.findall(row)]
        return cls(
            rooms=tuple(name for _, name in found),
            optional=frozenset(name for parenthesis, name in found if parenthesis),
            are_strangers=":" not in row,
        )


@dataclass(frozen=True)
class Ban:
    """A contract that forbids imports: who does without what, and who is let off."""

    sources: tuple[str, ...]
    forbidden: tuple[str, ...]
    exempt: frozenset[str]

    def applies_to(self, room: str) -> list[str]:
        """List the parts of a room that do without; the room itself where all does."""
        if room in self.exempt:
            return []
        if room in self.sources or "" in self.sources:
            return [room]
        return [s for s in self.sources if s.startswith(f"{room}.")]


@dataclass(frozen=True)
class House:
    """A checkout."""

    root: Path

    @cached_property
    def linter(self) -> dict[str, Any]:
        """What `pyproject.toml` tells import-linter."""
        text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
        linter: dict[str, Any] = tomllib.loads(text)["tool"]["importlinter"]
        return linter

    @property
    def package(self) -> str:
        """Name of the package."""
        return str(self.linter["root_package"])

    @property
    def source(self) -> Path:
        """Folder of the package."""
        return self.root / "src" / self.package

    def files(self) -> list[Path]:
        """List all Python files of the package, in a fixed order."""
        return sorted(self.source.rglob("*.py"))

    @cached_property
    def rooms(self) -> dict[str, list[Path]]:
        """Python files of every room."""
        rooms: dict[str, list[Path]] = {}
        for file in self.files():
            name = file.relative_to(self.source).parts[0].removesuffix(".py")
            rooms.setdefault(name, []).append(file)
        rooms.pop("__init__", None)  # speaks for the whole package
        return rooms

    @cached_property
    def floors(self) -> list[Floor]:
        """Rows of the layers contract, from the top down."""
        (contract,) = (c for c in self.linter["contracts"] if c["type"] == "layers")
        return [Floor.from_row(row, self.package) for row in contract["layers"]]

    @cached_property
    def bans(self) -> list[Ban]:
        """Contracts that forbid."""
        return [
            Ban(
                sources=tuple(map(self._inside, contract["source_modules"])),
                forbidden=tuple(contract["forbidden_modules"]),
                exempt=self._exempt(contract.get("ignore_imports", [])),
            )
            for contract in self.linter["contracts"]
            if contract["type"] == "forbidden"
        ]

    @property
    def libraries(self) -> list[tuple[str, ...]]:
        """Groups of libraries that contracts forbid, each once."""
        groups = [b.forbidden for b in self.bans if not self._is_own(b.forbidden[0])]
        return list(dict.fromkeys(groups))

    def height(self, room: str) -> int | None:
        """Floor of a room, 0 at the bottom; None where the contract leaves it out."""
        for number, floor in enumerate(reversed(self.floors)):
            if room in floor.rooms:
                return number
        return None

    def homeless(self) -> list[str]:
        """List the rooms that have no floor."""
        return [room for room in self.rooms if self.height(room) is None]

    def _inside(self, name: str) -> str:
        """Name inside the package: ``""`` for the package as a whole."""
        return name.removeprefix(self.package).removeprefix(".")

    def _is_own(self, name: str) -> bool:
        return name.partition(".")[0] == self.package

    def _exempt(self, ignored: list[str]) -> frozenset[str]:
        """Rooms that may import everything in spite of a contract."""
        pattern = re.compile(rf"{self.package}\.(\w+)(\.\*\*?)? -> \*")
        return frozenset(m[1] for line in ignored if (m := pattern.fullmatch(line)))


def first_line(file: Path) -> str:
    """First line of a module's docstring, without its full stop."""
    lines = (ast.get_docstring(ast.parse(file.read_bytes())) or "").splitlines()
    return lines[0].removesuffix(".").replace("``", "`") if lines else ""
