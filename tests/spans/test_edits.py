"""Edits between sequences, against published numbers and a plain definition."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.spans import (
    Edits,
    action_error_rate,
    collapse,
    edit_score,
    edits_between,
    insertion_deletion_rate,
)

if TYPE_CHECKING:
    from pathlib import Path

WORDS = st.text("abc", max_size=7)


@pytest.fixture
def published(shared_parity: Path) -> dict[str, Any]:
    with np.load(shared_parity / "seq2seq_metrics.npz") as arrays:
        return dict(arrays)


def unpadded(row: np.ndarray[Any, Any]) -> list[int]:
    return [int(token) for token in row if token >= 0]


def test_numbers_of_the_published_program(published: dict[str, Any]) -> None:
    pairs = [
        (unpadded(truth), unpadded(found))
        for truth, found in zip(
            published["truth"], published["prediction"], strict=True
        )
    ]
    edits = [edits_between(collapse(one), collapse(two)) for one, two in pairs]
    for name, values in {
        "length_truth": [e.truth for e in edits],
        "length_prediction": [e.found for e in edits],
        "levenshtein": [e.distance for e in edits],
        "insertions": [e.missed for e in edits],
        "deletions": [e.extra for e in edits],
        "substitutions": [e.wrong for e in edits],
        "edit_score": [edit_score(*pair) for pair in pairs],
        "action_error_rate": [action_error_rate(*pair) for pair in pairs],
        "imu_published_rate": [e.error_rate for e in edits],
        "video_published_rate": [insertion_deletion_rate(*pair) for pair in pairs],
        "false_discovery_rate": [e.false_discovery_rate for e in edits],
        "true_positive_rate": [e.true_positive_rate for e in edits],
    }.items():
        np.testing.assert_allclose(values, published[name], rtol=1e-12, err_msg=name)


def test_a_wrong_label_costs_one_and_in_the_published_video_program_two() -> None:
    assert action_error_rate("abc", "axc") == pytest.approx(1 / 3)
    assert insertion_deletion_rate("abc", "axc") == pytest.approx(2 / 3)


def test_repeats_do_not_count() -> None:
    assert collapse("aabbba") == list("aba")
    assert edit_score("aabbc", "abcc") == 100.0
    assert action_error_rate("aab", "ab") == insertion_deletion_rate("aab", "ab") == 0.0


def test_nothing_at_all() -> None:
    assert action_error_rate("", "") == 0.0
    assert edit_score("", "") == 100.0
    assert action_error_rate("", "a") == math.inf
    assert action_error_rate("a", "") == 1.0
    assert edit_score("", "ab") == 0.0


def test_long_sequences_count_more_in_a_sum() -> None:
    both = edits_between("ab", "ab") + edits_between("abcd", "xbc")
    assert both == Edits(missed=1, extra=0, wrong=1, truth=6, found=5, longer=6)
    assert both.error_rate == pytest.approx(2 / 6)


@given(WORDS, WORDS)
def test_as_few_edits_as_the_recursive_definition(one: str, two: str) -> None:
    @cache
    def distance(i: int, k: int) -> int:
        if not (i and k):
            return i + k
        return min(
            distance(i - 1, k - 1) + (one[i - 1] != two[k - 1]),
            distance(i - 1, k) + 1,
            distance(i, k - 1) + 1,
        )

    edits = edits_between(one, two)
    assert edits.distance == distance(len(one), len(two))
    # the three kinds explain the difference of lengths
    assert edits.missed - edits.extra == len(one) - len(two)
    assert (edits.truth, edits.found) == (len(one), len(two))


@given(WORDS, WORDS)
def test_without_substitutions_it_costs_more(one: str, two: str) -> None:
    with_them, without = (
        rate(one, two) for rate in (action_error_rate, insertion_deletion_rate)
    )
    assert with_them <= without
    if math.isfinite(without):
        assert without <= 2 * with_them
