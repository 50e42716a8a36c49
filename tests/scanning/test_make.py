"""What cannot be made is refused in words; what is made is an array."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.scanning import PATTERNS, describe_mask, make_mask


@pytest.mark.parametrize(
    ("pattern", "how", "words"),
    [
        ("halton", {}, "no pattern 'halton'; choose one of blue-noise, rows"),
        ("random", {"share": 0}, "`share` is 0; choose a number above 0"),
        ("random", {"share": 1.2}, "`share` is 1.2"),
        ("random", {"share": float("nan")}, "`share` is nan"),
        ("random", {"share": 0.0001}, "less than one pixel of a frame of 40 x 50"),
        ("random", {"every": 5}, "`every` is no parameter of the pattern random"),
        ("rows", {"centre": (1, 1)}, "which has `every`, `shift`"),
        ("rows", {"share": 0.3}, r"choose 0.3333 or 0.25 \(one row in 4\)"),
        ("rows", {"share": 0.7}, r"choose 1 \(all rows\) or 0.5 \(one row in 2\)"),
        ("rows", {"share": 0.2, "every": 5}, "give one of the two"),
        ("rows", {"every": 41}, "whole number from 1 to 40"),
        ("rows", {"every": 5, "shift": 5}, "from 0 .* to 4"),
        ("foveated", {"centre": (40, 10)}, "40,10 .* outside .* rows go from 0 to 39"),
        ("foveated", {"centre": [(1, 1), (2, -1)]}, "2,-1 .* outside"),
        ("foveated", {"centre": (1, 2, 3)}, "give row and column"),
        ("foveated", {"centre": "here"}, "give row and column"),
        ("foveated", {"inner": 1.5}, "`inner` is 1.5; a probability"),
        ("foveated", {"outer": -0.5}, "`outer` is -0.5; a probability"),
        ("foveated", {"inner": 0.1}, "`outer` is 0.15, more than `inner`, 0.1"),
        ("foveated", {"inner_radius": 9, "outer_radius": 9}, "outer one is larger"),
        ("foveated", {"inner_radius": -1}, "`inner_radius` is -1"),
        ("foveated", {"share": 0.01}, "it is from 0.0.* to 0.98"),
        ("foveated", {"share": 1}, "to 0.98"),
        ("foveated", {"share": 0.2, "outer": 0.1}, "give one of the two"),
        ("spiral", {"share": 0.6}, "same pixels above 0.5"),
        ("spiral", {"share": 0.01}, "not one would fit into a frame of 40 x 50"),
        ("spiral", {"centre": (0, 50)}, "outside"),
        ("spiral", {"centre": [(1, 1), (9, 9)], "fixed": True}, "the centre moves"),
        ("random", {"frames": 0}, "0 frames of shape"),
        ("random", {"shape": (40,)}, "of rows and columns"),
        ("random", {"shape": (40, 0)}, "of rows and columns"),
        ("random", {"shape": (40.5, 50)}, "give whole numbers"),
        ("random", {"shape": 40}, "give whole numbers"),
        ("random", {"seed": -1}, "`seed` is -1"),
    ],
)
def test_bad_input(pattern: str, how: dict[str, Any], words: str) -> None:
    how = {"frames": 6, "shape": (40, 50), **how}
    with pytest.raises(InputError, match=words):
        make_mask(pattern, **how)


def test_blue_noise_below_one_pixel_of_its_matrix() -> None:
    with pytest.raises(InputError, match="take the pattern random"):
        make_mask("blue-noise", 6, (400, 500), share=2e-4)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_mask_is_an_array(fixed: bool) -> None:
    mask = make_mask("random", 6, (10, 12), fixed=fixed)
    whole = np.asarray(mask)
    assert (mask.shape, mask.ndim, mask.dtype, len(mask)) == ((6, 10, 12), 3, bool, 6)
    assert (whole.shape, whole.dtype) == ((6, 10, 12), bool)
    for key in (
        *(2, -1, slice(1, 5, 2), slice(None, None, -1), ...),
        *((slice(2, 4), 3), (1, slice(None), 5), (..., slice(3, 7)), (0, 0, 0)),
    ):
        np.testing.assert_array_equal(mask[key], whole[key])
    assert np.asarray(mask, dtype=np.uint8).dtype == np.uint8
    for t in (6, -7):
        with pytest.raises(IndexError):
            mask.frame(t)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_record_makes_the_mask_again(pattern: str) -> None:
    mask = make_mask(pattern, 5, (30, 40), share=0.25, seed=2)
    record = json.loads(json.dumps(mask.record))
    assert record["frames"] == 5 and record["shape"] == [30, 40]
    assert (record["seed"], record["fixed"]) == (2, False)
    kind = PATTERNS[record["pattern"]]
    own = {name: record[name] for name in kind.parameters}
    if "share" in record:
        own["share"] = record["share"]
    if pattern == "spiral":  # whose pitch follows from the share
        own["share"] = 0.25
        assert record["pitch"] == pytest.approx(1 / 0.25, rel=0.5)
    again = make_mask(pattern, 5, (30, 40), seed=2, **own)
    np.testing.assert_array_equal(mask, again)


def test_a_mask_in_words() -> None:
    first, *more = describe_mask(make_mask("rows", 10, (50, 40)))
    assert first == (
        "rows (every 5, shift 2): 20 % of the pixels of 10 frames of 50 x 40, 400 a "
        "frame"
    )
    assert [line.split(":")[0] for line in more] == [
        "nearest visited pixel of the frame",
        "nearest visited pixel of the frame and 1 before and after",
        "nearest visited pixel of the frame and 2 before and after",
    ]
    fixed = " ".join(describe_mask(make_mask("random", 10, (50, 40), fixed=True)))
    assert "the same in every frame" in fixed
    assert "80 % of the pixels are visited in no frame" in fixed
