"""The task for Fractal: its manifest, and a run as Fractal starts it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import zarr

from napari_udvd.formats import create, open_stack
from tiny import tiny_movie

TASK = Path("fractal/src/napari_udvd_fractal")


def written(path: Path) -> Path:
    """Write the movie as an image of a well: such have no suffix."""
    stack = tiny_movie()
    first = path.with_name("first.ome.zarr")
    with create(first, like=stack, dtype=stack.dtype, record={}) as sink:
        sink.write(stack.read(), 0)
    return first.rename(path)


@pytest.fixture
def well(tmp_path: Path) -> Path:
    """Make a well with one image, the movie, as OME-Zarr has them."""
    folder = tmp_path / "plate.zarr" / "B" / "03"
    group = zarr.create_group(str(folder), zarr_format=3)
    images = [{"path": "0", "acquisition": 1}]
    group.attrs["ome"] = {"version": "0.5", "well": {"images": images}}
    written(folder / "0")
    return folder


def start(engines: Path, run: Any, tmp_path: Path, **arguments: Any) -> Any:
    """Start the task as Fractal does, and return its process and answer."""
    pytest.importorskip(
        "fractal_task_tools", reason="fractal-task-tools is not installed"
    )
    asked, answer = tmp_path / "args.json", tmp_path / "out.json"
    asked.write_text(json.dumps(arguments))
    answer.unlink(missing_ok=True)
    script = engines / TASK / "denoise_movie.py"
    files = ("--args-json", asked, "--out-json", answer)
    done = run(sys.executable, script, *files)
    return done, json.loads(answer.read_text()) if answer.exists() else None


def test_the_manifest_is_that_of_the_task(engines: Path, tool: Any, run: Any) -> None:
    program = tool("fractal-manifest", "fractal-task-tools")
    done = run(program, "check", "--package", "napari_udvd_fractal")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((engines / TASK / "__FRACTAL_MANIFEST__.json").read_text())
    (task,) = manifest["task_list"]
    assert task["type"] == "parallel"
    assert task["args_schema_parallel"]["required"] == ["zarr_url"]


def test_an_image_of_a_well(
    engines: Path, well: Path, run: Any, check_denoised: Any, tmp_path: Path
) -> None:
    asked = {
        "zarr_url": str(well / "0"),
        "minutes": 0.01,
        "network": "udvd",
        "device": "cpu",
    }
    done, answer = start(engines, run, tmp_path, **asked)
    assert done.returncode == 0, done.stderr
    new = well / "0_denoised"
    update = {"zarr_url": str(new), "origin": str(well / "0")}
    assert answer == {"image_list_updates": [update]}
    check_denoised(new)
    assert open_stack(new).scale == open_stack(well / "0").scale
    images = zarr.open_group(str(well), mode="r").attrs["ome"]["well"]["images"]
    assert images == [
        {"path": "0", "acquisition": 1},
        {"path": "0_denoised", "acquisition": 1},
    ]
    assert not [path.name for path in well.iterdir() if "partial" in path.name]

    done, answer = start(engines, run, tmp_path, **asked)
    assert done.returncode != 0
    assert "exists; `overwrite` replaces it" in done.stderr
    assert answer is None


def test_arguments_are_checked(
    engines: Path, well: Path, run: Any, tmp_path: Path
) -> None:
    done, answer = start(engines, run, tmp_path, zarr_url=str(well / "0"), minutes=-1)
    assert done.returncode != 0
    assert "greater than 0" in done.stderr
    assert answer is None


def test_what_is_no_movie(engines: Path, run: Any, tmp_path: Path) -> None:
    done, answer = start(engines, run, tmp_path, zarr_url=str(tmp_path / "none.zarr"))
    assert done.returncode != 0
    assert "does not exist" in done.stderr
    assert answer is None
