"""The package as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import napari_udvd as nu

HEAVY = [
    "torch",
    "napari",
    "numpy",
    "scipy",
    "skimage",
    "dask",
    "zarr",
    "tifffile",
    "pydantic",
]


def python(code: str) -> str:
    """Run code in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.alone
def test_the_import_is_quick() -> None:
    code = (
        "import time; start = time.perf_counter(); import napari_udvd; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(python(code)) for _ in range(3)) < 0.3


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, napari_udvd; print(*(m.partition('.')[0] for m in sys.modules))"
    assert not set(HEAVY) & set(python(code).split())


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io; sys.argv = ['napari-udvd', 'denoise', '--help']\n"
        "from napari_udvd.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), "
        "contextlib.suppress(SystemExit): main()\n"
        "print(*(m.partition('.')[0] for m in sys.modules))"
    )
    assert not {"torch", "napari", "zarr", "scipy"} & set(python(code).split())


@pytest.mark.parametrize("name", nu.__all__)
def test_public_names(name: str) -> None:
    assert name in dir(nu)
    thing = getattr(nu, name)
    # and again: importing its home must not put something else in its place
    assert getattr(nu, name) is thing
    if name != "__version__":
        assert callable(thing)
        assert thing.__doc__


def test_public_names_survive_the_import_of_all_modules() -> None:
    code = (
        "import importlib, pkgutil, napari_udvd as nu\n"
        "first = {name: getattr(nu, name) for name in nu.__all__}\n"
        "for module in pkgutil.iter_modules(nu.__path__):\n"
        "    if not module.name.startswith('_'):\n"
        "        importlib.import_module(f'napari_udvd.{module.name}')\n"
        "print(*(n for n in nu.__all__ if getattr(nu, n) is not first[n]))"
    )
    assert python(code).split() == []


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'denoize'"):
        nu.denoize  # noqa: B018


def test_the_version() -> None:
    major, minor, patch = nu.__version__.split(".")[:3]
    assert major.isdigit() and minor.isdigit() and patch[0].isdigit()
    try:
        installed = metadata.version("napari-udvd")
    except metadata.PackageNotFoundError:
        pytest.skip("the package runs from its source and is not installed")
    assert installed == nu.__version__


def test_errors_are_ordinary_exceptions_too() -> None:
    assert issubclass(nu.InputError, ValueError)
    assert issubclass(nu.OutputError, OSError)


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_udvd", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, f"{nu.__version__}\n"), done.stderr
