"""Charts that cannot be drawn are refused before anything is measured."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def common(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("common")


def test_a_chart_without_the_library_says_how_to_get_it(
    common: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(common, "find_spec", lambda name: None)
    with pytest.raises(argparse.ArgumentTypeError, match="pip install --group"):
        common.chart(str(tmp_path / "curve.png"))


def test_a_chart_goes_into_a_folder_that_is_there(
    common: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(common, "find_spec", lambda name: object())
    good = tmp_path / "curve.png"
    assert common.chart(str(good)) == good
    bad = tmp_path / "none" / "curve.png"
    with pytest.raises(argparse.ArgumentTypeError, match="is no folder") as caught:
        common.chart(str(bad))
    assert str(bad) in str(caught.value)


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("memory", "--curve"),
        ("quality", "--curve"),
        ("flashes", "--picture"),
        ("uncertainty", "--picture"),
    ],
)
def test_scripts_ask_before_they_measure(
    benchmark_script: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: str,
    option: str,
) -> None:
    pytest.importorskip("psutil")
    words = [script, option, str(tmp_path / "none" / "chart.png")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as caught:
        benchmark_script(script).main()
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "matplotlib" in said or "is no folder" in said
