"""Tables, as comma-separated values."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["cell", "table"]


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """Return a table as the content of a file (CSV, UTF-8).

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells of each row; numbers as :func:`cell` writes them.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(list(head))
    writer.writerows(rows)
    return text.getvalue().encode()


def cell(value: float, digits: int = 6) -> str:
    """Write a number with so many digits; empty where there is none (not finite)."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.{digits}g}" if math.isfinite(value) else ""
