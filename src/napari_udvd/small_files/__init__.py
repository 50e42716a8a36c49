"""Small files, written whole or not at all, and tables, read as people make them.

Everything that writes a file does so through here, movies as well; it knows of nothing
but errors.
"""

from __future__ import annotations

from napari_udvd.small_files._atomic import (
    UNFINISHED,
    Partial,
    partials_of,
    put_in_place,
    remove,
    remove_stale_partials,
    temporary_name,
    write_small,
)
from napari_udvd.small_files._reading import Row, Table, read_table
from napari_udvd.small_files._tables import cell, table

__all__ = [
    "UNFINISHED",
    "Partial",
    "Row",
    "Table",
    "cell",
    "partials_of",
    "put_in_place",
    "read_table",
    "remove",
    "remove_stale_partials",
    "table",
    "temporary_name",
    "write_small",
]
