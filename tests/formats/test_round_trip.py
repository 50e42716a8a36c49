"""What is written is read back: pixels, axes, scale, units, names, record."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_udvd.formats import open_stack, read_record
from napari_udvd.formats._units import (
    LENGTHS,
    TIMES,
    calibrated,
    ngff_unit,
    normalise_unit,
)
from napari_udvd.stack import Stack

OME_DTYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8", ">u2", ">f4"]
ZARR_DTYPES = [*OME_DTYPES, "u8", "i8", "f2"]

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")),
    min_size=1,
    max_size=8,
).filter(str.isprintable)


@st.composite
def stacks(draw: st.DrawFn, dtypes: list[str]) -> Stack:
    extra = draw(st.sets(st.sampled_from("TCZ")))
    axes = "".join(draw(st.permutations(["Y", "X", *sorted(extra)])))
    shape = tuple(draw(st.integers(1, 4)) for _ in axes)
    dtype = draw(st.sampled_from(dtypes))
    pixels = draw(hnp.arrays(np.dtype(dtype), shape, fill=st.nothing()))
    steps = st.floats(1e-12, 1e12)
    scale = draw(st.dictionaries(st.sampled_from(axes), steps))
    times = None
    if "T" in axes and "T" not in scale and draw(st.booleans()):
        later = draw(st.lists(st.floats(1e-3, 1e6), min_size=3, max_size=3))
        times = tuple(np.cumsum([0.5, *later]).tolist())[: shape[axes.index("T")]]
    units = st.sampled_from(["µm", "nm", "pm", "Å", "s", "ms", "min", "1/nm", "frames"])
    return Stack.from_array(
        pixels,
        axes,
        scale=scale,
        times=times,
        units=draw(st.dictionaries(st.sampled_from(axes), units)),
        channel_names=tuple(
            draw(
                st.one_of(
                    st.just([]),
                    st.lists(
                        TEXT,
                        min_size=shape[axes.index("C")] if "C" in axes else 1,
                        max_size=shape[axes.index("C")] if "C" in axes else 1,
                    ),
                )
            )
        ),
    )


def check(save: Any, stack: Stack, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        save(path, stack, record={"axes": stack.axes})
        found = open_stack(path)
        order = [stack.axes.index(axis) for axis in stack.canonical_axes]
        assert found.axes == stack.canonical_axes
        assert found.dtype == stack.dtype.newbyteorder("=")
        np.testing.assert_array_equal(
            np.asarray(found.data), np.asarray(stack.data).transpose(order)
        )
        assert found.scale == stack.scale
        assert found.units == stack.units
        assert found.channel_names == stack.channel_names
        assert found.times == stack.times
        assert len(found.notes) == (stack.times is not None)
        assert read_record(path) == {"axes": stack.axes}


@given(stack=stacks(OME_DTYPES))
@settings(max_examples=80, deadline=None)
def test_ome_tiff(save: Any, stack: Stack) -> None:
    check(save, stack, "a.ome.tif")


@given(stack=stacks(ZARR_DTYPES))
@settings(max_examples=40, deadline=None)
def test_ome_zarr(save: Any, stack: Stack) -> None:
    check(save, stack, "a.ome.zarr")


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_an_axis_of_one_that_was_asked_for_stays(
    tmp_path: Path, save: Any, name: str
) -> None:
    stack = Stack.from_array(np.ones((1, 1, 4, 5), "u1"), "TCYX")
    save(tmp_path / name, stack)
    assert open_stack(tmp_path / name).axes == "TCYX"


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_two_generations(tmp_path: Path, save: Any, name: str) -> None:
    """A result is a movie again: with its record replaced, all else kept."""
    pixels = np.arange(4 * 2 * 4 * 5, dtype="u2").reshape(4, 2, 4, 5)
    stack = Stack.from_array(
        pixels,
        "TCYX",
        scale={"T": 3.0, "X": 0.5},
        units={"T": "frames", "X": "µm"},
        channel_names=("a", "b"),
    )
    (tmp_path / "1").mkdir()
    save(tmp_path / "1" / name, stack, record={"generation": 1})
    save(
        tmp_path / name,
        open_stack(tmp_path / "1" / name),
        dtype="f4",
        record={"generation": 2},
    )
    found = open_stack(tmp_path / name)
    assert (found.scale, found.units) == (stack.scale, stack.units)
    assert found.channel_names == ("a", "b") and found.dtype == np.float32
    assert read_record(tmp_path / name) == {"generation": 2}


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("micron", "µm"),
        ("Microns", "µm"),
        ("um", "µm"),
        ("\\u00B5m", "µm"),
        ("\u03bcm", "µm"),
        ("micrometer", "µm"),
        ("micrometre", "µm"),
        ("nanometers", "nm"),
        ("\u212b", "Å"),
        ("angstrom", "Å"),
        (" sec ", "s"),
        ("seconds", "s"),
        ("msec", "ms"),
        ("us", "µs"),
        ("pixel", ""),
        ("<undefined>", ""),
        ("", ""),
        (None, ""),
        ("1/nm", "1/nm"),
    ],
)
def test_units_are_spelled_one_way(spelling: str | None, unit: str) -> None:
    assert normalise_unit(spelling) == unit


@pytest.mark.parametrize("unit", sorted(LENGTHS | TIMES))
def test_unit_names_of_ome_zarr_come_back(unit: str) -> None:
    assert normalise_unit(unit) == unit
    assert ngff_unit(unit) != unit and normalise_unit(ngff_unit(unit)) == unit


@pytest.mark.parametrize(
    ("step", "unit", "expected"),
    [
        (0.2, "um", (0.2, "µm")),
        (-0.2, "nm", (0.2, "nm")),
        (1.0, "s", (1.0, "s")),
        (2.0, "", (2.0, "")),
        ("0.5", "nm", (0.5, "nm")),
        (1.0, "pixel", None),
        (0.0, "nm", None),
        (float("nan"), "nm", None),
        (float("inf"), "nm", None),
        (None, "nm", None),
        ("?", "nm", None),
    ],
)
def test_placeholders_are_no_calibration(
    step: Any, unit: str, expected: tuple[float, str] | None
) -> None:
    assert calibrated(step, unit) == expected
