"""Models are exchanged with others from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from napari_udvd.inference.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Run

WHO = ("--author", "Ada (Engines)", "--license", "MIT")


def test_there_and_back(run: Run, model: Path, movie: Path, tmp_path: Path) -> None:
    pytest.importorskip(
        "bioimageio.core", reason="the extra zoo (bioimageio.core) is not installed"
    )
    package, back = tmp_path / "model.zip", tmp_path / "back.safetensors"
    export = ("export-model", model, "--bioimageio", package, *WHO, "--movie", movie)
    code, out, err = run(*export)
    assert (code, out) == (0, f"{package}\n"), err
    assert "GitHub" in err
    code, out, err = run("import-model", package, "-o", back)
    assert (code, out, err) == (0, f"{back}\n", "")
    assert back.read_bytes() == model.read_bytes()
    # and wherever a model is expected
    result = tmp_path / "result.tif"
    code, _, err = run("apply", package, movie, "-o", result)
    assert code == 0, err
    assert result.is_file()

    code, _, err = run(*export)
    assert code == 2
    assert "--overwrite" in err or "overwrite" in err
    assert run(*export, "--overwrite").code == 0


def test_the_extra_is_named_where_it_is_missing(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    package = tmp_path / "model.zip"
    code, _, err = run("export-model", model, "--bioimageio", package, *WHO)
    assert code == 2
    assert 'pip install "napari-udvd[zoo]"' in err
    assert not package.exists()


def test_wrong_words(run: Run, model: Path, tmp_path: Path) -> None:
    package = tmp_path / "model.zip"
    begin = ("export-model", model, "--license", "MIT")
    code, _, err = run(*begin, "--bioimageio", package, "--author", "<ada>")
    assert code == 2
    assert "author is '<ada>'" in err
    code, _, err = run(*begin, "--bioimageio", tmp_path / "m.tar", "--author", "Ada")
    assert code == 2
    assert "use one of .zip" in err
    assert run("export-model", model, "--bioimageio", package).code == 2


def test_what_is_no_package_of_ours(run: Run, model: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.safetensors"
    code, _, err = run("import-model", tmp_path / "none.zip", "-o", back)
    assert code == 2
    assert "does not exist" in err
    assert not back.exists()
    code, _, err = run("import-model", model, "-o", model)
    assert code == 2
    assert load(model).record
