"""Tables of text, cell by cell; those of spans and tracks have tests of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_udvd.errors import InputError
from napari_udvd.small_files import read_table

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, content: str) -> Path:
    path = folder / "table.csv"
    path.write_text(content, encoding="utf-8")
    return path


def test_names_of_columns_are_brought_to_one_spelling(tmp_path: Path) -> None:
    found = read_table(written(tmp_path, " Start (s),axis-0,,TRACK_ID,,\n1,2,3,4\n"))
    assert found.columns == ("start_s", "axis_0", "", "track_id")
    assert found.rows[0].whole("track_id") == 4
    found.need("axis_0")
    with pytest.raises(InputError, match="no column 'axis_1'"):
        found.need("axis_0", "axis_1")


def test_a_comma_is_a_decimal_mark_where_it_parts_no_cells(tmp_path: Path) -> None:
    row = read_table(written(tmp_path, "a;b\n1,5;2.5\n")).rows[0]
    assert (row.number("a"), row.number("b")) == (1.5, 2.5)
    row = read_table(written(tmp_path, 'a,b\n"1,5",2.5\n')).rows[0]
    with pytest.raises(InputError, match=r"line 2 of .*'1,5' in the column 'a'"):
        row.number("a")


def test_empty_cells_are_no_numbers(tmp_path: Path) -> None:
    row = read_table(written(tmp_path, "a,b,c\n,7\n")).rows[0]
    assert row.number("a") is row.whole("c") is row.number("d") is None
    assert row.text("b") == "7"
    with pytest.raises(InputError, match="nothing in the column 'a'"):
        row.text("a")


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    found = read_table(written(tmp_path, 'sep=;\n\na;b\n\n"x\ny";1\n2;3\n'))
    assert [row.where.split()[1] for row in found.rows] == ["6", "7"]
    assert found.rows[0].text("a") == "x\ny"


def test_long_heads_are_cut_short(tmp_path: Path) -> None:
    head = ",".join(f"column{k}" for k in range(200))
    with pytest.raises(InputError) as error:
        read_table(written(tmp_path, head)).need("x")
    assert len(str(error.value)) < 500
