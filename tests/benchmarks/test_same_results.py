"""What differs between two folders of results is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_differences_are_found(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    old, new = tmp_path / "old" / "fast", tmp_path / "new" / "fast"
    values = np.array([1, 2, np.nan], np.float32)
    for folder, last in ((old, 2.0), (new, 2.5)):
        folder.mkdir(parents=True)
        np.save(folder / "alike.npy", values)
        np.save(folder / "changed.npy", np.array([1, last, np.nan], np.float32))
        np.save(folder / "missing.npy", np.array([last if last > 2 else np.nan]))
        np.save(folder / "shape.npy", np.zeros(int(2 * last)))
        (folder / "told.txt").write_text(str(last))
    (old / "gone.txt").touch()
    (new / "added.txt").touch()
    found = benchmark_script("same_results").compare(old.parent, new.parent)
    assert [line[1:] for line in found] == [
        ("added", "only in NEW", ""),
        ("alike", "same", ""),
        ("changed", "different", "0.5"),
        ("gone", "only in OLD", ""),
        ("missing", "different", "inf"),
        ("shape", "different", "float64 (4,), float64 (5,)"),
        ("told", "different", ""),
    ]
