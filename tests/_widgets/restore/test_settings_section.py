"""Settings of a training: defaults, what is typed, and the preferences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_udvd._widgets.restore.settings_section import SettingsSection, about
from napari_udvd._widgets.shared.preferences import Preferences, read_preferences
from napari_udvd.errors import InputError
from napari_udvd.jobs import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

TITLES = {"centerblind": "Center-blind", "udvd": "UDVD", "stbn": "STBN"}


@pytest.fixture
def make_section(qtbot: QtBot) -> Callable[..., SettingsSection]:
    """Make the section with some preferences and the choices filled."""

    def make(device: str = "auto", minutes: float = 2.0) -> SettingsSection:
        section = SettingsSection(Preferences(device, minutes, Path()))
        qtbot.addWidget(section)
        section.offer(TITLES, ["cuda", "cpu"])
        return section

    return make


@pytest.fixture
def section(make_section: Callable[..., SettingsSection]) -> SettingsSection:
    return make_section()


def test_the_defaults_are_a_valid_request(section: SettingsSection) -> None:
    values = section.values()
    assert (values["model"], values["device"], values["minutes"]) == ("auto", "auto", 2)
    open_ones = ("preset", "hole", "width", "batch", "learning_rate")
    assert all(values[name] is None for name in open_ones)
    make_settings(**values)
    assert section.message.isHidden() and not section.advanced.isExpanded()


@pytest.mark.parametrize(
    ("typed", "hole"),
    [
        ("", None),
        ("  ", None),
        ("1x3", (1, 3)),
        ("3X1", (3, 1)),
        (" 3 × 5 ", (3, 5)),
    ],
)
def test_a_hole(
    section: SettingsSection, typed: str, hole: tuple[int, int] | None
) -> None:
    section.hole_edit.setText(typed)
    assert section.values()["hole"] == hole


@pytest.mark.parametrize(
    "typed", ["3", "1x3x5", "axb", "1.5x3", "x", "1,3", "2x3", "0x1", "-1x3"]
)
def test_a_hole_that_is_none_is_quoted(section: SettingsSection, typed: str) -> None:
    section.hole_edit.setText(typed)
    refuses(section, typed, "odd")


@pytest.mark.parametrize(
    ("typed", "rate"), [("", None), ("0.001", 0.001), (" 1e-4 ", 1e-4)]
)
def test_a_learning_rate(
    section: SettingsSection, typed: str, rate: float | None
) -> None:
    section.rate_edit.setText(typed)
    assert section.values()["learning_rate"] == rate


@pytest.mark.parametrize("typed", ["fast", "0,001", "0", "-0.1", "nan", "inf"])
def test_a_learning_rate_that_is_none_is_quoted(
    section: SettingsSection, typed: str
) -> None:
    section.rate_edit.setText(typed)
    refuses(section, typed, "learning rate")


def refuses(section: SettingsSection, typed: str, said: str) -> None:
    """Check that the message quotes what was typed, and goes once it is mended."""
    with pytest.raises(InputError, match=said) as refusal:
        section.values()
    assert typed in str(refusal.value)
    assert section.message.text() == str(refusal.value)
    assert not section.message.isHidden()
    section.hole_edit.clear()
    section.noise_edit.clear()
    section.rate_edit.clear()
    make_settings(**section.values())
    assert section.message.isHidden()


@pytest.mark.parametrize(
    ("typed", "noise"),
    [("", None), ("2.17 100 3.48", (2.17, 100, 3.48)), ("0, 90, 2", (0, 90, 2))],
)
def test_the_noise_of_a_known_camera(
    section: SettingsSection, typed: str, noise: tuple[float, ...] | None
) -> None:
    section.noise_edit.setText(typed)
    values = section.values()
    assert values["noise"] == noise
    assert make_settings(**values).noise == noise


@pytest.mark.parametrize("typed", ["2", "a b c", "-1 0 2", "0 100 0", "nan 0 1"])
def test_noise_that_is_none_is_quoted(section: SettingsSection, typed: str) -> None:
    section.noise_edit.setText(typed)
    refuses(section, typed, "three numbers")


def test_flow_is_stbn_s(section: SettingsSection) -> None:
    assert not section.flow_check.isEnabled()
    assert section.values()["flow"] is None
    section.model_box.setCurrentIndex(section.model_box.findData("stbn"))
    assert section.flow_check.isEnabled()
    assert section.values()["flow"] is None
    section.flow_check.setChecked(False)
    assert make_settings(**section.values()).flow is False
    section.model_box.setCurrentIndex(section.model_box.findData("udvd"))
    assert section.values()["flow"] is None


@pytest.mark.parametrize(
    ("model", "has_preset", "has_width"),
    [("auto", True, False), ("centerblind", True, False), ("udvd", False, True)],
)
def test_a_network_has_the_settings_that_it_knows(
    section: SettingsSection, model: str, has_preset: bool, has_width: bool
) -> None:
    section.preset_box.setCurrentText("small")
    section.width_spin.setValue(16)
    section.model_box.setCurrentIndex(section.model_box.findData(model))
    assert section.preset_box.isEnabled() == has_preset
    assert section.width_spin.isEnabled() == has_width
    values = section.values()
    assert values["model"] == model
    assert values["preset"] == ("small" if has_preset else None)
    assert values["width"] == (16 if has_width else None)
    make_settings(**values)


def test_every_control_reaches_the_request(section: SettingsSection) -> None:
    before = section.values()
    section.minutes_spin.setValue(7.5)
    section.patch_spin.setValue(32)
    section.batch_spin.setValue(3)
    section.seed_spin.setValue(5)
    section.device_box.setCurrentIndex(section.device_box.findData("cpu"))
    for check in (
        section.likelihood_check,
        section.joint_check,
        section.scratch_check,
        section.ensemble_check,
    ):
        check.toggle()
    after = section.values()
    assert {k: after[k] for k in after if after[k] != before[k]} == {
        "minutes": 7.5,
        "patch": 32,
        "batch": 3,
        "seed": 5,
        "device": "cpu",
        "likelihood": False,
        "joint_channels": True,
        "from_scratch": True,
        "self_ensemble": True,
    }


@pytest.mark.parametrize("text", ["small", "medium", "large"])
def test_every_size_can_be_trained(section: SettingsSection, text: str) -> None:
    section.preset_box.setCurrentText(text)
    make_settings(**section.values())


def test_the_preferences_are_the_defaults(
    make_section: Callable[..., SettingsSection],
) -> None:
    section = make_section("cpu", 5.0)
    assert (section.device, section.minutes_spin.value()) == ("cpu", 5.0)
    assert section.message.isHidden()


def test_a_device_that_is_not_here_is_said_and_replaced(
    make_section: Callable[..., SettingsSection],
) -> None:
    section = make_section("mps")
    assert section.device == "auto"
    assert "'mps'" in section.message.text() and not section.message.isHidden()


def test_preferences_are_read_from_the_page(plugin: Any, tmp_path: Path) -> None:
    plugin.training.device = "cuda"
    plugin.training.minutes = 7.0
    plugin.storage.cache_folder = str(tmp_path / "frames")
    assert read_preferences() == ("cuda", 7.0, tmp_path / "frames")
    plugin.storage.cache_folder = ""
    assert read_preferences().cache.is_absolute()


def test_the_time_is_estimated_for_the_network_that_is_chosen(
    section: SettingsSection,
) -> None:
    section.show_times({"centerblind": 5.0, "udvd": 600.0})
    text = "Training takes about 2 min, denoising then about 5 s."
    assert section.estimate.text() == text  # Automatic takes the first
    section.model_box.setCurrentIndex(section.model_box.findData("udvd"))
    assert "denoising then about 10 min" in section.estimate.text()
    section.minutes_spin.setValue(180)
    assert "Training takes about 3.0 h" in section.estimate.text()
    section.show_times({})
    assert section.estimate.isHidden()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a second"),
        (1, "about 1 s"),
        (89, "about 89 s"),
        (91, "about 2 min"),
        (5300, "about 88 min"),
        (7200, "about 2.0 h"),
    ],
)
def test_a_time_is_as_exact_as_an_estimate(seconds: float, words: str) -> None:
    assert about(seconds) == words
