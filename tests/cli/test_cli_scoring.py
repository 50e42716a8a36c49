"""Two tables of events, compared."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_udvd.spans import spans_of_frames, write_spans

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "truth.csv", tmp_path / "found.csv"
    for path, states in zip(paths, ("rrrrppprrr", "rrrrrpprsr"), strict=True):
        write_spans(path, spans_of_frames("1", list(states)), interval=2.0)
    return paths


def test_numbers_for_people_and_for_programs(
    run: Run, tables: tuple[Path, Path]
) -> None:
    code, out, err = run("score-events", *tables)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "1 region: 3 spans in the truth, 5 found"
    assert "action error rate 0.667: 0 missed, 2 extra, 0 wrong" in lines[1]
    assert "p 1 1 1.000 1.000 1.000" in " ".join(out.split())
    assert "no label" in out and "80.0% agree" in out
    told = json.loads(run("score-events", *tables, "--json", "--within", 0).out)
    assert told["action_error_rate"] == pytest.approx(2 / 3)
    assert (told["within"], told["labels"]["p"]["f1"]) == (0, 0.0)


def test_seconds_need_an_interval(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    path.write_text("region;label;start_s;stop_s\n1;p;0,5;1,5\n")
    code, out, err = run("score-events", path, path)
    assert (code, out) == (2, "")
    assert "line 2" in err and "seconds.csv" in err and "--interval" in err
    assert run("score-events", path, path, "--interval", 0.5).code == 0


def test_tables_of_different_movies(run: Run, tables: tuple[Path, Path]) -> None:
    write_spans(tables[1], spans_of_frames("9", list("rp")), overwrite=True)
    code, _, err = run("score-events", *tables)
    assert code == 2
    assert "no region in common" in err and "Traceback" not in err
    assert run("score-events", tables[0], "nowhere.csv").code == 2


def test_nothing_heavy_is_loaded_for_it() -> None:
    program = "import sys, napari_udvd.spans; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
