"""Networks by name: those of this package, of others, and those that are broken."""

from __future__ import annotations

import subprocess
import sys
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
import torch

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.jobs import make_settings
from napari_udvd.models import (
    NETWORKS,
    Facts,
    Network,
    NetworkSpec,
    build_network,
    catalogue,
)
from napari_udvd.models.centerblind import PRESETS
from napari_udvd.training import Failed, Finished, TrainingSettings, train_events
from napari_udvd.training.plan import make_plan
from napari_udvd.training.settings import options
from napari_udvd.training.warm_start import checksum, warm_start
from tiny import tiny_movie, tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FOREIGN = """
from pydantic import Field

from napari_udvd.models import NetworkSettings, NetworkSpec, Recipe


class SlowSettings(NetworkSettings):
    depth: int = Field(2, ge=1, description="layers, at least one")


SPEC = NetworkSpec(
    name="slow",
    title="Slow",
    network="slow_network:Slow",
    summary="takes its time",
    settings=SlowSettings,
    recipe=Recipe(batch=1, targets=1, fewest=1, rate=1e-3, warm_rate=1e-3),
)
"""

NETWORK = """
from napari_udvd.models import UDVD


class Slow(UDVD):
    name, title = "slow", "Slow"

    def __init__(self, channels=1, hole=(1, 1), likelihood=True, depth=2):
        super().__init__(1, channels, 2 * depth, hole, likelihood)
        self.depth = depth

    def configuration(self):
        return {
            "channels": self.channels,
            "hole": list(self.hole),
            "likelihood": self.likelihood,
            "depth": self.depth,
        }
"""


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Install a package with a network, for one test."""

    def put(
        code: str, entry: str = "slow = slow_spec:SPEC", name: str = "slow"
    ) -> None:
        about = tmp_path / f"{name}_package-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n"
        )
        (about / "entry_points.txt").write_text(f"[{catalogue.GROUP}]\n{entry}\n")
        (tmp_path / f"{name}_spec.py").write_text(code)
        (tmp_path / "slow_network.py").write_text(NETWORK)
        catalogue._foreign.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield put
    for module in [*sys.modules]:
        if module.startswith(("slow_", "other_spec")):
            del sys.modules[module]
    catalogue._foreign.cache_clear()


def leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uninstall it."""
    monkeypatch.setattr(sys, "path", sys.path[1:])
    catalogue._foreign.cache_clear()


# --- those of this package ------------------------------------------------------------


def test_nothing_heavy_is_needed_to_know_the_networks() -> None:
    code = (
        "import sys, napari_udvd.models.catalogue as c, napari_udvd.training.settings;"
        "c.specs(); c.names(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("spec", catalogue.specs().values(), ids=lambda spec: spec.name)
def test_a_spec_says_what_its_network_is(spec: NetworkSpec) -> None:
    loaded = spec.load()
    assert issubclass(loaded, Network)
    assert (spec.name, spec.title) == (loaded.name, loaded.title)
    assert spec.summary
    assert {"channels", "hole", "likelihood"} <= set(signature(loaded).parameters)
    assert NETWORKS[spec.name] is loaded
    for name in spec.names:
        assert catalogue.find(name) is spec
        for on_cpu in (True, False):
            facts = Facts(9, "m.tif", on_cpu=on_cpu, hole=(1, 3))
            arguments = spec.arguments(name, spec.settings(), facts)
            assert spec.variant_of(arguments) == name
            # everything that is decided is an argument of the network
            assert set(arguments) <= set(signature(loaded).parameters)
    for name, field in spec.settings.model_fields.items():
        assert field.description, name
        assert name not in TrainingSettings.model_fields
        assert name in options()


def test_the_presets_are_those_of_the_network() -> None:
    for preset in PRESETS:
        assert make_settings(preset=preset).network.preset == preset  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=f"{', '.join(list(PRESETS)[:-1])} or"):
        make_settings(preset="huge")


def test_only_some_networks_are_chosen_automatically() -> None:
    for task, expected in [
        ("denoise", ["centerblind", "udvd"]),
        ("reconstruct", ["centerblind-sparse"]),
    ]:
        specs = catalogue.specs(task).values()
        assert [spec.name for spec in specs if spec.automatic] == expected
        assert set(catalogue.names(task)) >= set(expected)
    assert not set(catalogue.names("denoise")) & set(catalogue.names("reconstruct"))


# --- settings of another network ------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "option", "value", "parts"),
    [
        (
            "centerblind",
            "width",
            16,
            ["UDVD and STBN", "Fast (centre-blind) has preset"],
        ),
        ("udvd-3", "preset", "small", ["Fast (centre-blind)", "UDVD has width"]),
        ("udvd", "flow", False, ["STBN", "model stbn", "UDVD has width"]),
        (
            "stbn",
            "preset",
            "large",
            ["STBN has width, flow, flow_weights, noise_input"],
        ),
    ],
)
def test_a_setting_of_another_network(
    model: str, option: str, value: Any, parts: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        make_settings(**{"model": model, option: value})
    for part in (f"{option} is {value!r}, which is a setting of", *parts):
        assert part in str(caught.value)


def test_settings_of_two_networks_at_once() -> None:
    with pytest.raises(InputError, match=r"width is 8, which is a setting of UDVD"):
        make_settings(width=8, preset="small")


def test_a_setting_that_no_network_has_that_is_chosen_automatically() -> None:
    for more in ({}, {"width": 8}):
        settings = make_settings(flow=False, **more)
        with pytest.raises(InputError, match=r"flow is False.*STBN.*model stbn"):
            make_plan([tiny_movie()], settings, on_cpu=True)


def test_what_speaks_against_the_first_network_is_told() -> None:
    several = make_plan([tiny_movie()], make_settings(targets=2), on_cpu=True)
    assert several.name == "udvd"
    assert several.reason == "several targets per clip were asked for"
    with pytest.raises(InputError, match="the centre-blind network takes one"):
        settings = make_settings(targets=2, preset="small")
        make_plan([tiny_movie()], settings, on_cpu=True)


@pytest.mark.parametrize("model", ["auto", *catalogue.names()])
def test_a_dump_is_flat_and_can_be_read_again(model: str) -> None:
    usual = TrainingSettings().model_dump()
    for mode in ("python", "json"):
        settings = TrainingSettings(model=model, minutes=3, noise=(2.0, 100.0, 3.0))
        dump = settings.model_dump(mode=mode)
        assert list(dump) == list(usual)  # of every network, whichever is chosen
        assert TrainingSettings(**dump) == settings
        assert {name: dump[name] for name in options()} == {
            name: getattr(settings.network, name, usual[name]) for name in options()
        }
        assert settings.network == type(settings.network)()


def test_options_are_read_and_given_like_all_settings() -> None:
    settings = TrainingSettings(model="stbn", width=8, minutes=1)
    assert (settings.width, settings.flow, settings.preset) == (8, True, "light")
    assert settings.given == {"model", "width", "minutes"}
    assert TrainingSettings(model="stbn", network=settings.network).width == 8
    with pytest.raises(InputError, match="no settings of UDVD"):
        make_settings(model="udvd", network=settings.network)
    with pytest.raises(AttributeError):
        _ = settings.depth


@pytest.mark.parametrize("network", [5, "udvd", {"depth": 3}])
def test_options_that_are_none(network: Any) -> None:
    with pytest.raises(InputError, match=r"depth|network"):
        make_settings(model="udvd", network=network)


# --- networks of other packages -------------------------------------------------------


def test_a_network_of_another_package(install: Callable[..., None]) -> None:
    install(FOREIGN)
    assert catalogue.names()[-1] == "slow"
    assert catalogue.package_of("slow") == "slow-package"
    assert catalogue.package_of("udvd") is None
    assert make_settings(model="slow", depth=3).depth == 3
    assert list(make_settings(model="slow").model_dump())[-1] == "depth"
    assert "depth" not in TrainingSettings().model_dump()
    with pytest.raises(InputError, match="depth is 0; expected layers, at least one"):
        make_settings(model="slow", depth=0)
    with pytest.raises(InputError, match="depth is 3, which is a setting of Slow"):
        make_settings(model="stbn", depth=3)
    with pytest.raises(InputError, match=r"expected auto, .*udvd-1, stbn or slow"):
        make_settings(model="resnet")


def test_a_setting_of_every_training_is_no_network_s(
    install: Callable[..., None],
) -> None:
    install(FOREIGN.replace("depth: int", "seed: int"))
    settings = make_settings(model="slow", seed=7)
    assert settings.seed == 7
    assert settings.network.model_fields_set == set()
    assert "seed" not in options()


def test_what_it_learned_needs_its_package(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(FOREIGN)
    checkpoint, model = tmp_path / "state", tmp_path / "model.safetensors"

    def train(**how: Any) -> Any:
        settings = make_settings(patch=16, batch=1, steps=2, **how)
        *_, end = train_events(
            [tiny_movie()],
            settings,
            checkpoint=checkpoint,
            resume=checkpoint.exists(),
        )
        return end

    end = train(model="slow", depth=3)
    assert isinstance(end, Finished)
    assert end.denoiser.net.configuration()["depth"] == 3
    end.denoiser.save(model)
    loaded = nu.load(model)
    assert torch.equal(loaded.net.join_a.weight, end.denoiser.net.join_a.weight)
    with pytest.raises(InputError, match="depth 3, not 4"):
        train(model="slow", depth=4)
    with pytest.raises(InputError, match="model slow, not udvd"):
        train(model="udvd")
    leave(monkeypatch)
    missing = "no network 'slow' here: it comes with the package 'slow-package'"
    with pytest.raises(InputError, match=missing):
        nu.load(model)
    with pytest.raises(InputError, match=missing):
        train()


def test_its_weights_are_in_its_package(
    install: Callable[..., None], tmp_path: Path
) -> None:
    package = tmp_path / "slow_things"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "network.py").write_text(NETWORK)
    where = 'network="slow_things.network:Slow",'
    install(
        FOREIGN.replace(
            'network="slow_network:Slow",', f'{where} weights="slow-{{depth}}.st",'
        )
    )
    net = build_network("slow", {"depth": 3})
    missing = warm_start(net)
    assert not missing.done
    assert "no weights for the depth 3 are shipped" in missing.remark
    tensors = {name: tensor + 1.0 for name, tensor in net.state_dict().items()}
    header = {"weights": {"checksum": checksum(tensors)}}
    write_model_file(package / "weights" / "slow-3.st", tensors, header)
    assert warm_start(net) == (True, "")
    assert torch.equal(net.state_dict()["join_a.weight"], tensors["join_a.weight"])


def test_a_model_of_this_package_names_no_package(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    nu.Denoiser(tiny_net(), ()).save(path)
    header, tensors = read_model_file(path)
    assert "package" not in header
    write_model_file(path, tensors, {**header, "network": "unheard-of"})
    with pytest.raises(InputError, match="does not hold a network"):
        nu.load(path)


BROKEN = [
    ("import missing_module", "slow = slow_spec:SPEC", "No module named 'missing_mod"),
    ("1 / 0", "slow = slow_spec:SPEC", "ZeroDivisionError"),
    ("", "slow = slow_spec:SPEC", "SPEC"),
    ("", "slow = slow_nowhere", "slow_nowhere"),
    ("SPEC = {}", "slow = slow_spec:SPEC", "slow_spec:SPEC is dict, not a NetworkSpec"),
    (
        FOREIGN.replace("Field(2, ge=1,", "Field(ge=1,"),
        "slow = slow_spec:SPEC",
        "no default that can be used: depth",
    ),
    (
        FOREIGN.replace('name="slow"', 'name="udvd-3"'),
        "slow = slow_spec:SPEC",
        "the name 'udvd-3' is taken",
    ),
    (
        FOREIGN.replace('name="slow"', 'name="auto"'),
        "slow = slow_spec:SPEC",
        "the name 'auto' is taken",
    ),
]


@pytest.mark.parametrize(("code", "entry", "reason"), BROKEN)
def test_a_package_that_is_broken_is_named_and_the_rest_works(
    install: Callable[..., None], code: str, entry: str, reason: str
) -> None:
    install(code, entry)
    install(
        FOREIGN.replace('"slow"', '"other"'), "other = other_spec:SPEC", name="other"
    )
    assert list(catalogue.broken()) == ["slow"]
    said = catalogue.broken()["slow"]
    assert "'slow' of the package 'slow-package' cannot be used: " in said
    assert reason in said
    assert catalogue.names()[-2:] == ["stbn", "other"]
    assert make_settings(model="other").depth == 2
    for name in ("slow", "unheard-of"):
        with pytest.raises(InputError) as caught:
            catalogue.find(name)
        assert name in str(caught.value)
        assert said in str(caught.value)
        with pytest.raises(InputError) as caught:
            make_settings(model=name)
        assert "expected auto, centerblind" in str(caught.value)
        assert said in str(caught.value)


def test_two_packages_with_one_name(install: Callable[..., None]) -> None:
    install(FOREIGN)
    install(FOREIGN, "other = other_spec:SPEC", name="other")
    assert len(catalogue.broken()) == 1
    assert "the name 'slow' is taken" in " ".join(catalogue.broken().values())
    assert "slow" in catalogue.specs()


def test_a_network_that_cannot_be_imported(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install(FOREIGN)
    (tmp_path / "slow_network.py").write_text("import missing_module")
    with pytest.raises(InputError, match=r"'slow' cannot be imported.*missing_module"):
        build_network("slow", {})
    with pytest.raises(InputError, match="cannot be imported"):
        *_, end = train_events([tiny_movie()], make_settings(model="slow", steps=1))
        assert isinstance(end, Failed)


def test_an_unknown_network_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        build_network("resnet", {})
    for name in ("resnet", *catalogue.names()):
        assert name in str(caught.value)
