"""A network of another package is in the dock, with a form of its own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from extending import installed
from napari_udvd.models import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot


def test_its_name_and_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    from napari_udvd._widgets.restore.settings_section import SettingsSection
    from napari_udvd._widgets.shared.preferences import Preferences
    from napari_udvd.jobs.choices import Choices

    with installed(tmp_path / "site", monkeypatch):
        section: Any = SettingsSection(Preferences("auto", 2.0, tmp_path))
        qtbot.addWidget(section)
        section.offer(Choices(tuple(catalogue.specs().values()), (), ["cpu"]))
        box = section.model_box
        at = box.findData("my-median")
        assert box.itemText(at) == "Median of neighbours"
        box.setCurrentIndex(at)
        form = section.forms["my-median"]
        assert list(form.controls) == ["reach", "features"]
        assert form.isVisibleTo(section)
        seen = [f for f in section.forms.values() if f.isVisibleTo(section)]
        assert seen == [form]
        assert section.values()["model"] == "my-median"
        form.set_values({"reach": 3})
        assert section.values()["reach"] == 3
