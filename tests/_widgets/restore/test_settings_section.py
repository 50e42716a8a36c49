"""Settings of a training: defaults, what is typed, and the preferences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt

from napari_udvd._widgets.restore.settings_section import SettingsSection, about
from napari_udvd._widgets.shared.preferences import Preferences, read_preferences
from napari_udvd.errors import InputError
from napari_udvd.jobs import make_settings
from napari_udvd.jobs.choices import Choices
from napari_udvd.models.catalogue import specs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytestqt.qtbot import QtBot


@pytest.fixture
def make_section(qtbot: QtBot) -> Callable[..., SettingsSection]:
    """Make the section with some preferences and the choices filled."""

    def make(
        device: str = "auto", minutes: float = 2.0, broken: Sequence[str] = ()
    ) -> SettingsSection:
        section = SettingsSection(Preferences(device, minutes, Path()))
        qtbot.addWidget(section)
        section.offer(Choices(tuple(specs().values()), broken, ["cuda", "cpu"]))
        return section

    return make


@pytest.fixture
def section(make_section: Callable[..., SettingsSection]) -> SettingsSection:
    return make_section()


def choose(section: SettingsSection, model: str) -> None:
    section.model_box.setCurrentIndex(section.model_box.findData(model))


def test_the_defaults_are_a_valid_request(section: SettingsSection) -> None:
    values = section.values()
    # a user waits for the result: no views are averaged unless that is chosen
    assert values == {
        "model": "auto",
        "device": "auto",
        "minutes": 2,
        "self_ensemble": False,
    }
    make_settings(**values)
    assert section.message.isHidden() and not section.advanced.isExpanded()


@pytest.mark.parametrize("task", ["denoise", "reconstruct"])
def test_the_networks_are_those_of_the_catalogue_that_can_do_the_task(
    section: SettingsSection, task: str
) -> None:
    choose(section, "centerblind")
    section.ask_for(task)
    assert section.model == "auto"  # the one chosen may not be able to
    assert section.form is section.forms[next(iter(specs(task)))]
    for check in (section.events_check, section.refine_check):
        assert check.isEnabled() is (task == "denoise")
    box = section.model_box
    shown = {
        box.itemData(k): (box.itemText(k), box.itemData(k, Qt.ItemDataRole.ToolTipRole))
        for k in range(1, box.count())
    }
    assert shown == {n: (spec.title, spec.summary) for n, spec in specs(task).items()}


@pytest.mark.parametrize("model", ["auto", *specs("denoise")])
def test_only_settings_of_the_chosen_network_are_seen(
    section: SettingsSection, model: str
) -> None:
    choose(section, model)
    name = next(iter(specs())) if model == "auto" else model
    seen = [form for form in section.forms.values() if form.isVisibleTo(section)]
    assert seen == [section.forms[name]] == [section.form]
    assert list(seen[0].controls) == list(specs()[name].settings.model_fields)


@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("auto", {"preset": "small"}),
        ("centerblind", {"preset": "large"}),
        ("udvd", {"width": 16}),
        ("stbn", {"width": 16, "flow": False, "noise_input": False}),
    ],
)
def test_settings_of_a_network_are_sent_with_it_alone(
    section: SettingsSection, model: str, own: dict[str, Any]
) -> None:
    before = section.values()
    choose(section, model)
    assert section.form is not None
    section.form.set_values(own)
    values = section.values()
    assert {k: values[k] for k in values if k not in before} == own
    assert make_settings(**values).network.model_dump(exclude_defaults=True) == own
    for other in specs("denoise"):
        if other != model and not (model == "auto" and "preset" in own):
            choose(section, other)
            assert section.values() == {**before, "model": other}


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("hole", "1x3", (1, 3)),
        ("hole", "3X1", (3, 1)),
        ("hole", " 3 × 5 ", (3, 5)),
        ("learning_rate", "0.001", 0.001),
        ("learning_rate", " 1e-4 ", 1e-4),
        ("noise", "2.17 100 3.48", (2.17, 100, 3.48)),
        ("noise", "0, 90, 2", (0, 90, 2)),
    ],
)
def test_what_is_typed(
    section: SettingsSection, name: str, typed: str, value: Any
) -> None:
    control = section.common.controls[name]
    control.value = typed
    values = section.values()
    assert values[name] == value
    assert getattr(make_settings(**values), name) == value
    control.value = "  "
    assert name not in section.values()


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("hole", "3", "odd"),
        ("hole", "1x3x5", "odd"),
        ("hole", "axb", "odd"),
        ("hole", "1.5x3", "odd"),
        ("hole", "x", "odd"),
        ("hole", "2x3", "odd"),
        ("hole", "0x1", "odd"),
        ("hole", "-1x3", "odd"),
        ("learning_rate", "fast", "learning rate"),
        ("learning_rate", "0,001", "learning rate"),
        ("learning_rate", "0", "learning rate"),
        ("learning_rate", "-0.1", "learning rate"),
        ("learning_rate", "nan", "learning rate"),
        ("learning_rate", "inf", "learning rate"),
        ("noise", "2", "three finite numbers"),
        ("noise", "a b c", "three finite numbers"),
        ("noise", "-1 0 2", "three finite numbers"),
        ("noise", "0 100 0", "three finite numbers"),
        ("noise", "nan 0 1", "three finite numbers"),
    ],
)
def test_what_is_no_value_is_quoted(
    section: SettingsSection, name: str, typed: str, said: str
) -> None:
    """The message quotes what was typed, and goes once it is mended."""
    section.common.controls[name].value = typed
    with pytest.raises(InputError, match=said) as refusal:
        section.values()
    assert repr(typed) in str(refusal.value)
    assert section.message.text() == str(refusal.value)
    assert not section.message.isHidden()
    section.common.set_values({name: None})
    make_settings(**section.values())
    assert section.message.isHidden()


def test_every_control_reaches_the_request(section: SettingsSection) -> None:
    before = section.values()
    section.minutes_spin.setValue(7.5)
    section.device_box.setCurrentIndex(section.device_box.findData("cpu"))
    chosen = {
        "patch": 32,
        "batch": 3,
        "seed": 5,
        "likelihood": False,
        "joint_channels": True,
        "from_scratch": True,
        "self_ensemble": True,
        "distil": True,
        "hole": (3, 1),
        "noise": (1.0, 2.0, 3.0),
        "learning_rate": 0.01,
    }
    assert set(chosen) == set(section.common.controls)
    section.common.set_values(chosen)
    after = section.values()
    assert {k: after[k] for k in after if after[k] != before.get(k)} == {
        **chosen,
        "minutes": 7.5,
        "device": "cpu",
    }
    make_settings(**after)


@pytest.mark.parametrize("text", ["small", "light", "medium", "large"])
def test_every_size_can_be_trained(section: SettingsSection, text: str) -> None:
    assert section.form is not None
    section.form.set_values({"preset": text})
    make_settings(**section.values())


def test_the_preferences_are_the_defaults(
    make_section: Callable[..., SettingsSection],
) -> None:
    section = make_section("cpu", 5.0)
    assert (section.device, section.minutes_spin.value()) == ("cpu", 5.0)
    assert section.message.isHidden()


def test_a_network_that_cannot_be_used_is_said(
    make_section: Callable[..., SettingsSection],
) -> None:
    section = make_section(broken=["'slow' of the package 'p' cannot be used: why"])
    assert not section.message.isHidden()
    assert "'slow' of the package 'p'" in section.message.text()
    assert section.model_box.count() == 1 + len(specs("denoise"))


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
    choose(section, "udvd")
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
