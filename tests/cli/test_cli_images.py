"""The images in a file are listed, and what was read of it is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_tools import calibrated, write

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.stack import Stack
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run


def series(path: Path, *kinds: tuple[str, int, str]) -> Path:
    """Write an OME-TIFF of several images: name, frames and axes of each."""
    movie = np.asarray(tiny_movie(12).data)
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, frames, axes in kinds:
            pixels = movie[:frames] if "T" in axes else movie[0]
            writer.write(pixels, metadata={"axes": axes, "Name": name})
    return path


def test_a_movie_and_a_picture(run: Run, tmp_path: Path) -> None:
    kinds = ("overview", 1, "YX"), ("cells", 10, "TYX")
    path = series(tmp_path / "movie.ome.tif", *kinds)
    code, out, err = run("images", path)
    assert (code, err) == (0, "")
    head, first, second, rule = out.splitlines()
    assert head.split() == ["number", "axes", "shape", "name"]
    assert first.split() == ["1", "YX", *"24 x 28".split(), "overview"]
    assert second.split() == ["*", "2", "TYX", *"10 x 24 x 28".split(), "cells"]
    assert f"'{path}#1'" in rule and "only one with more than one frame" in rule
    found = json.loads(run("images", path, "--json").out)
    assert found == {
        "file": str(path),
        "images": [
            {
                "number": 1,
                "name": "overview",
                "axes": "YX",
                "shape": [24, 28],
                "open_as": f"{path}#1",
                "default": False,
            },
            {
                "number": 2,
                "name": "cells",
                "axes": "TYX",
                "shape": [10, 24, 28],
                "open_as": f"{path}#2",
                "default": True,
            },
        ],
    }
    # what is marked is what is read
    assert open_stack(path).shape == (10, 24, 28)


def test_two_movies(run: Run, tmp_path: Path) -> None:
    path = series(tmp_path / "a.ome.tif", ("left", 10, "TYX"), ("right", 8, "TYX"))
    code, out, _ = run("images", path)
    assert code == 0 and "*" not in out
    assert "None is read without a choice" in out and f"'{path}#1'" in out
    found = json.loads(run("images", path, "--json").out)["images"]
    assert [image["default"] for image in found] == [False, False]
    with pytest.raises(InputError, match="2 images"):
        open_stack(path)
    for image, frames in zip(found, (10, 8), strict=True):
        diagnosis = json.loads(run("diagnose", image["open_as"], "--json").out)
        assert diagnosis["shape"] == [frames, 24, 28]
        assert diagnosis["notes"] == []
    # a choice leads to the same list
    assert run("images", f"{path}#2").out == out


def test_one_image(run: Run, movie: Path, tmp_path: Path) -> None:
    code, out, err = run("images", movie)
    assert (code, err) == (0, "")
    assert "TYX" in out and "8 x 24 x 28" in out and "only image" in out
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6)))
    out = run("images", tmp_path / "a.npy").out
    assert "???" in out and "not name an axis" in out
    (image,) = json.loads(run("images", tmp_path / "a.npy", "--json").out)["images"]
    assert (image["axes"], image["shape"], image["default"]) == ("???", [4, 5, 6], True)


def test_positions_in_files_of_their_own(run: Run, tmp_path: Path) -> None:
    """Of a set, the file that is named holds the image that is read."""
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{k}" for k in range(2)]
    described = "".join(
        f'<Image ID="Image:{k}" Name="well {k}"><Pixels ID="Pixels:{k}" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="28" SizeY="24" SizeZ="1" '
        'SizeC="1" SizeT="8"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        f'<TiffData IFD="0" PlaneCount="8"><UUID FileName="p{k}.ome.tif">{uuids[k]}'
        "</UUID></TiffData></Pixels></Image>"
        for k in range(2)
    )
    for k in range(2):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicros'
            f'copy.org/Schemas/OME/2016-06" UUID="{uuids[k]}">{described}</OME>'
        )
        with tifffile.TiffWriter(tmp_path / f"p{k}.ome.tif") as writer:
            for t, frame in enumerate(np.asarray(tiny_movie(seed=k).data)):
                writer.write(
                    frame,
                    description=xml if t == 0 else None,
                    metadata=None,
                    contiguous=False,
                )
    for k in range(2):
        path = tmp_path / f"p{k}.ome.tif"
        found = json.loads(run("images", path, "--json").out)["images"]
        assert [image["default"] for image in found] == [k == 0, k == 1]
        (note,) = open_stack(path).notes
        assert f"{k + 1}: 'well {k}'" in note


def test_a_file_that_is_none(run: Run, tmp_path: Path) -> None:
    outcome = run("images", tmp_path / "no.tif")
    assert outcome.code == 2 and "does not exist" in outcome.err


# --- what diagnose tells of the file ------------------------------------------------


def test_diagnose_tells_which_image_was_read(run: Run, tmp_path: Path) -> None:
    path = series(tmp_path / "a.ome.tif", ("one", 1, "YX"), ("cells", 10, "TYX"))
    (note,) = open_stack(path).notes
    assert "2 images" in note
    assert f"  note: {note}\n" in run("diagnose", path).out
    assert json.loads(run("diagnose", path, "--json").out)["notes"] == [note]


def test_diagnose_tells_of_irregular_times(run: Run, tmp_path: Path) -> None:
    irregular = Stack.from_array(
        np.asarray(tiny_movie().data),
        "TYX",
        units={"T": "s"},
        times=(0, 1, 2, 3, 10, 11, 12, 13),
    )
    stack = open_stack(write(tmp_path / "a.ome.tif", irregular))
    assert any("irregular interval, 1 to 7 s" in note for note in stack.notes)
    found = json.loads(run("diagnose", tmp_path / "a.ome.tif", "--json").out)
    assert found["notes"] == list(stack.notes)


def test_diagnose_tells_of_planes_that_it_does_not_measure(
    run: Run, tmp_path: Path
) -> None:
    """Noise is measured in the middle plane; what is empty elsewhere is a note."""
    pixels = np.stack([np.asarray(tiny_movie(seed=k).data) for k in range(3)], 1)
    pixels[:, 0] = 0
    pixels[3, 1] = 0
    path = write(tmp_path / "a.ome.tif", calibrated(pixels, "TZYX"))
    found = json.loads(run("diagnose", path, "--json").out)
    (note,) = found["notes"]
    assert note.startswith("at Z = 0, every pixel is 0")
    # and what is told of the middle plane is not told again
    assert any("Z = 1, 1 frame(s) are empty" in reason for reason in found["reasons"])
    assert f"note: {note}\n" in run("diagnose", path).out


def test_train_tells_how_the_file_was_read(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asarray(tiny_movie().data))
    saved = tmp_path / "m.safetensors"
    command = ("train", tmp_path / "a.npy", "--save", saved, "--minutes", "0.01")
    outcome = run(*command, "--width", "4")
    assert outcome.code == 0
    assert "note: axes of " in outcome.err and "read as TYX" in outcome.err
