"""The manifest: valid, and everything it names is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

from napari_udvd.errors import OutputError
from napari_udvd.formats import READABLE
from napari_udvd.formats._output import output_kind

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

PATH = Path(__file__).parents[1] / "src" / "napari_udvd" / "napari.yaml"
MANIFEST = PluginManifest.from_file(PATH)
CONTRIBUTIONS = MANIFEST.contributions
COMMANDS = {c.id: c.python_name for c in CONTRIBUTIONS.commands or []}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    name = COMMANDS[command]
    assert name is not None and callable(import_python_name(name))


def test_every_contribution_has_its_command() -> None:
    used = [
        item.command
        for items in (
            CONTRIBUTIONS.readers,
            CONTRIBUTIONS.writers,
            CONTRIBUTIONS.sample_data,
            CONTRIBUTIONS.widgets,
        )
        for item in items or []
    ]
    assert set(used) == set(COMMANDS)


def test_the_reader_is_asked_for_all_that_can_be_read() -> None:
    (reader,) = CONTRIBUTIONS.readers or []
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in READABLE}
    assert reader.accepts_directories


def test_the_writers_offer_what_can_be_written() -> None:
    kinds = {
        writer.display_name: {
            output_kind(Path(f"a{suffix}")) for suffix in writer.filename_extensions
        }
        for writer in CONTRIBUTIONS.writers or []
    }
    assert kinds == {"OME-TIFF": {"tiff"}, "OME-Zarr": {"zarr"}}
    with pytest.raises(OutputError):
        output_kind(Path("a.png"))


def test_the_docks_are_in_the_menu_of_filters() -> None:
    widgets = CONTRIBUTIONS.widgets or []
    assert [widget.display_name for widget in widgets] == [
        "Denoise movie",
        "Pixel inspector",
        "Motion",
        "Quality",
        "Plan a scan",
        "Events",
        "Batch",
    ]
    items = CONTRIBUTIONS.menus["napari/layers/filter"]
    assert [item.command for item in items] == [widget.command for widget in widgets]
    assert widgets[0].command == "napari-udvd.denoise_movie"


@pytest.mark.usefixtures("plugin_settings")
def test_the_preferences(npe2pm: TestPluginManager) -> None:
    from napari.settings import get_plugin_settings

    npe2pm.register(MANIFEST)
    page = get_plugin_settings("napari-udvd")
    assert (page.training.device, page.training.minutes) == ("auto", 2.0)
    assert page.storage.cache_folder == ""
    with pytest.raises(ValueError, match="abacus"):
        page.training.device = "abacus"
    with pytest.raises(ValueError, match="minutes"):
        page.training.minutes = 0.0
    page.training.minutes = 7.5
    assert "minutes: 7.5" in page.config_path.read_text()
