"""Packages are read without the tools of bioimage.io, and foreign ones are refused."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch

import napari_udvd as nu
from napari_udvd.inference.packaged import HEADER, MOST_HEADER, WEIGHTS
from napari_udvd.inference.restorer import Denoiser
from tiny import tiny_calibration, tiny_net

if TYPE_CHECKING:
    from pathlib import Path


def packed(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser(tiny_net(frames=3, likelihood=True), (tiny_calibration(),))


@pytest.fixture(scope="module")
def members(denoiser: Denoiser) -> dict[str, bytes]:
    state = {f"net.{k}": t for k, t in denoiser.net.state_dict().items()}
    header = json.dumps(denoiser.header()).encode()
    return {HEADER: header, WEIGHTS: saved(state), "rdf.yaml": b"type: model"}


def test_a_package_of_ours(
    tmp_path: Path, denoiser: Denoiser, members: dict[str, bytes]
) -> None:
    back = nu.load(packed(tmp_path / "MODEL.ZIP", **members))
    assert back.header() == denoiser.header()
    for name, tensor in denoiser.net.state_dict().items():
        assert torch.equal(back.net.state_dict()[name], tensor)


def test_others(tmp_path: Path, members: dict[str, bytes]) -> None:
    foreign = packed(tmp_path / "a.zip", **{"rdf.yaml": b"", WEIGHTS: members[WEIGHTS]})
    with pytest.raises(nu.InputError, match=r"resource of bioimage\.io, but holds no"):
        nu.load(foreign)
    with pytest.raises(nu.InputError, match="is a zip file, but holds no denoiser"):
        nu.load(packed(tmp_path / "b.zip", readme=b""))
    with pytest.raises(nu.InputError, match=r"does not exist; name a \.zip"):
        nu.load(tmp_path / "none.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(nu.InputError, match="is a folder"):
        nu.load(tmp_path / "folder.zip")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({HEADER: b"{"}, "is damaged"),
        ({HEADER: b"[]"}, "no mapping"),
        ({HEADER: b" " * (MOST_HEADER + 1)}, "too large"),
        ({HEADER: b"{}"}, "does not hold a network"),
        ({WEIGHTS: b""}, "is damaged"),
        ({WEIGHTS: b"pickle"}, "is damaged"),
        ({WEIGHTS: saved({"net.a": print})}, "is damaged"),
        ({WEIGHTS: saved([1])}, "not those of a denoiser"),
        ({WEIGHTS: saved({"a": torch.zeros(1)})}, "not those of a denoiser"),
        ({WEIGHTS: saved({"net.a": torch.tensor(float("nan"))})}, "not finite"),
        ({WEIGHTS: saved({"net.a": torch.zeros(1)})}, "does not hold a network"),
    ],
    ids=range(11),
)
def test_damage(
    tmp_path: Path, members: dict[str, bytes], broken: dict[str, bytes], said: str
) -> None:
    with pytest.raises(nu.InputError, match=said):
        nu.load(packed(tmp_path / "m.zip", **{**members, **broken}))


def test_a_file_that_ends_early(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = packed(tmp_path / "m.zip", **members)
    path.write_bytes(path.read_bytes()[:-100])
    # where it ends, the table of contents may be that of the weights inside
    with pytest.raises(nu.InputError, match=r"is damaged|holds no denoiser"):
        nu.load(path)
