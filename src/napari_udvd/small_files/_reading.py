"""Tables as spreadsheets, other programs and people write them."""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Row", "Table", "read_table"]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    cells
        What stands in it, without spaces around it, by the name of the column.
    where
        File and line, for messages.
    decimal_comma
        Whether numbers may be written ``1,5``.
    """

    cells: Mapping[str, str]
    where: str
    decimal_comma: bool = False

    def text(self, column: str) -> str:
        """Return what stands in a column.

        Raises
        ------
        InputError
            If nothing does.
        """
        found = self.cells.get(column, "")
        if not found:
            raise InputError(f"{self.where} has nothing in the column {column!r}")
        return found

    def number(self, column: str) -> float | None:
        """Return the number in a column; None where the cell is empty or missing.

        Raises
        ------
        InputError
            If it is no finite number.
        """
        found = self.cells.get(column, "")
        if not found:
            return None
        plain = found.replace(",", ".") if self.decimal_comma else found
        try:
            value = float(plain)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{self.where} has {found!r} in the column {column!r}; expected "
                "a number"
            )
        return value

    def whole(self, column: str) -> int | None:
        """Return the whole number in a column; None where there is none.

        Raises
        ------
        InputError
            If it is no whole number; ``12.0`` is one.
        """
        value = self.number(column)
        if value is not None and value != int(value):
            raise InputError(
                f"{self.where} has {self.cells[column]!r} in the column {column!r}; "
                "expected a whole number"
            )
        return None if value is None else int(value)


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    columns
        Names in small letters, anything but letters and digits as one underscore:
        ``Start (s)`` is ``start_s``. Columns without a name are ``""``.
    rows
        Without those that are empty.
    name
        Of the file, for messages.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    name: str

    def need(self, *columns: str) -> None:
        """Check that there are columns.

        Raises
        ------
        InputError
            If one is not.
        """
        missing = [column for column in columns if column not in self.columns]
        if missing:
            there = ", ".join(self.columns)
            shown = there if len(there) <= 200 else f"{there[:200]} ..."
            raise InputError(
                f"{self.name!r} has no column {', '.join(map(repr, missing))}; its "
                f"first line names {shown}"
            )


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a table whose first line names the columns.

    Cells are parted by commas, semicolons (of a spreadsheet where the comma is the
    decimal mark) or tabs. UTF-8 and UTF-16, with a byte order mark or without, and the
    Western alphabet of Windows are understood, as are quoted cells, lines that are
    empty, empty cells at the end of a line, and a first line ``sep=;``.

    Raises
    ------
    InputError
        If the file is missing or no table, or a row has more cells than the first.
    """
    name = os.fspath(path)
    delimiter, lines = _split(_decoded(_content(name), name), name)
    if not lines:
        raise InputError(
            f"{name!r} is empty; expected a table that names its columns first"
        )
    head = _columns(lines[0][1], name)
    rows = []
    for line, cells in lines[1:]:
        if any(cells[len(head) :]):
            raise InputError(
                f"line {line} of {name!r} has {len(cells)} cells, but only {len(head)} "
                f"columns have names: {DELIMITERS[delimiter]} part them, so a cell "
                "that holds one must be quoted"
            )
        rows.append(
            Row(
                dict(zip(head, cells, strict=False)),
                f"line {line} of {name!r}",
                decimal_comma=delimiter != ",",
            )
        )
    return Table(head, tuple(rows), name)


def _content(name: str) -> bytes:
    if os.path.isdir(name):
        raise InputError(f"{name!r} is a folder; expected a table, .csv")
    try:
        with open(name, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise InputError(
            f"{name!r} does not exist: check the name and the folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"{name!r} cannot be opened: {error.strerror}. Check its permissions and "
            "that no other program holds it"
        ) from error


def _decoded(content: bytes, name: str) -> str:
    encodings = [code for bom, code in BOMS if content.startswith(bom)]
    if not encodings and b"\0" not in content:
        # spreadsheets on Windows write the latter without saying so
        encodings = ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{name!r} is no text; expected a table, .csv")


def _split(text: str, name: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """Find the delimiter, and the cells of lines that are not empty, by line number."""
    first, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)\s*", first)
    body, offset = (rest, 1) if told else (text, 0)
    head = next((line for line in body.splitlines() if line.strip()), "")
    delimiter = told[1] if told else max(DELIMITERS, key=head.count)
    if delimiter not in DELIMITERS:
        raise InputError(
            f"{name!r} says that {delimiter!r} parts its cells; use a comma, a "
            "semicolon or a tab"
        )
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    found = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                found.append((reader.line_num + offset, stripped))
    except csv.Error as error:
        raise InputError(
            f"line {reader.line_num + offset} of {name!r} cannot be read as a row of a "
            "table; check its quotes"
        ) from error
    return delimiter, found


def _columns(head: Sequence[str], name: str) -> tuple[str, ...]:
    columns = [re.sub(r"[\W_]+", "_", cell.casefold()).strip("_") for cell in head]
    while columns and not columns[-1]:
        columns.pop()
    named = [column for column in columns if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise InputError(
            f"{name!r} has two columns {', '.join(map(repr, twice))}; each needs a "
            "name of its own"
        )
    return tuple(columns)
