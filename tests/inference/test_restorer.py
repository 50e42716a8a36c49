"""A trained network with everything needed to use it again, in memory and on disk."""

from __future__ import annotations

import errno
import json
import os
import pickle
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import napari_udvd
from napari_udvd.errors import InputError, OutputError
from napari_udvd.inference import model_file, request
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.loading import load, load_published
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from parity import published_weights
from tiny import ALONE, learned_from, tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

RECORD = {
    "settings": {"minutes": 2.0, "hole": None},
    "movies": [{"source": "a.tif", "axes": "TYX", "shape": [8, 24, 28]}],
    "diagnoses": [{"verdict": "ok", "reasons": []}],
    "seconds": 3.2,
}


def trained(n_channels: int = 1, **configuration: Any) -> Denoiser:
    joint = configuration.pop("joint", False)
    record = configuration.pop("record", RECORD)
    net = tiny_net(**{"frames": 3, "likelihood": True, **configuration})
    calibrations = [tiny_calibration(130 + c, 80 + c) for c in range(n_channels)]
    return Denoiser(net, tuple(calibrations), joint, record=record)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no clock decide about the precision."""
    monkeypatch.setattr(request, "choose_precision", lambda _: torch.float32)


# --- files --------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    configuration=st.fixed_dictionaries(
        {
            "frames": st.sampled_from([1, 3, 5]),
            "channels": st.integers(1, 3),
            "width": st.integers(4, 9),
            "hole": st.tuples(*[st.sampled_from([1, 3, 5])] * 2),
            "likelihood": st.booleans(),
            "blind_noise": st.booleans(),
        }
    ),
    n_channels=st.integers(0, 3),
)
def test_a_model_file_holds_everything_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory,
    configuration: dict[str, Any],
    n_channels: int,
) -> None:
    before = trained(n_channels, joint=True, **configuration)
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    before.save(path)
    after = load(path)
    assert after.net.configuration() == before.net.configuration()
    weights, again = before.net.state_dict(), after.net.state_dict()
    assert list(weights) == list(again)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert after.calibrations == before.calibrations
    assert after.joint is True
    assert after.record == RECORD
    assert not after.net.training


def test_a_loaded_model_denoises_as_before(tmp_path: Path) -> None:
    before, stack = trained(), tiny_movie()
    before.save(tmp_path / "model.safetensors")
    after = load(str(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(after.denoise(stack), before.denoise(stack))


def test_the_header_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    trained(2).save(path)
    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["napari_udvd"])
    assert header["version"] == napari_udvd.__version__
    assert header["network"] == "udvd"
    assert header["configuration"]["width"] == 4
    assert header["configuration"]["hole"] == [1, 1]
    assert [c["offset"] for c in header["calibrations"]] == [130, 131]
    assert header["calibrations"][0]["noise"] == {
        "gain": 2.0,
        "offset": 100.0,
        "read_noise": 3.0,
    }
    assert header["joint"] is False
    assert header["record"] == RECORD


def test_the_header_is_json_and_nothing_else(tmp_path: Path) -> None:
    # NaN and Infinity are Python's own: other readers refuse the whole header
    path = tmp_path / "model.safetensors"
    model = trained()
    record = {"best_validation": float("inf"), "whiteness_t": float("nan")}
    Denoiser(model.net, model.calibrations, record=record).save(path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    with safe_open(path, framework="np") as file:
        json.loads(file.metadata()["napari_udvd"], parse_constant=refuse)


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        trained().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_earlier_model_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    trained().save(path)
    load(path)
    assert os.listdir(tmp_path) == ["model.safetensors"]


def broken(kind: str, path: Path) -> None:
    """Put something at `path` that is no model of ours."""
    trained().save(path)
    whole = path.read_bytes()
    header = {"network": "udvd", "configuration": trained().net.configuration()}
    header |= {"calibrations": [], "joint": False, "record": {}, "version": "0.1.0"}
    weights = {k: v.contiguous() for k, v in trained().net.state_dict().items()}

    def write(tensors: Any, text: str | None) -> None:
        save_file(tensors, path, None if text is None else {"napari_udvd": text})

    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "flipped header":
        path.write_bytes(whole[:20] + b"\xff\x00" + whole[22:])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("weights")
    elif kind == "published checkpoint":
        torch.save({"model": [{}]}, path)
    elif kind == "foreign safetensors":
        write({"weight": torch.zeros(2)}, None)
    elif kind == "header is no JSON":
        write(weights, "{")
    elif kind == "header is a list":
        write(weights, "[]")
    elif kind == "header is empty":
        write(weights, "{}")
    elif kind == "unknown network":
        write(weights, json.dumps({**header, "network": "resnet"}))
    elif kind == "other width":
        configuration = {**header["configuration"], "width": 8}
        write(weights, json.dumps({**header, "configuration": configuration}))
    elif kind == "even hole":
        configuration = {**header["configuration"], "hole": [2, 2]}
        write(weights, json.dumps({**header, "configuration": configuration}))
    elif kind == "configuration of the future":
        configuration = {**header["configuration"], "attention": True}
        write(weights, json.dumps({**header, "configuration": configuration}))
    elif kind == "calibration without numbers":
        write(weights, json.dumps({**header, "calibrations": [{"offset": 1}]}))
    elif kind == "calibration with text":
        calibration = {**tiny_calibration().to_dict(), "scale": "wide"}
        write(weights, json.dumps({**header, "calibrations": [calibration]}))
    elif kind == "missing weight":
        del weights["join_c.weight"]
        write(weights, json.dumps(header))
    elif kind == "weights not finite":
        weights["join_c.weight"] = torch.full_like(weights["join_c.weight"], torch.nan)
        write(weights, json.dumps(header))
    else:
        raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "flipped header",
        "empty",
        "text",
        "published checkpoint",
        "foreign safetensors",
        "header is no JSON",
        "header is a list",
        "header is empty",
        "unknown network",
        "other width",
        "even hole",
        "configuration of the future",
        "calibration without numbers",
        "calibration with text",
        "missing weight",
        "weights not finite",
    ],
)
def test_files_that_are_no_model(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    broken(kind, path)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_model_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.safetensors.* does not exist"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="folder"):
        load(tmp_path)


def test_the_checkpoint_of_a_training_is_no_model(tmp_path: Path) -> None:
    from napari_udvd.training.checkpoint import write_checkpoint

    path = tmp_path / "movie.ome.tif.checkpoint"
    write_checkpoint(path, {"net": trained().net.state_dict()}, {"step": 3})
    with pytest.raises(InputError, match=r"checkpoint.*resume"):
        load(path)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "executed"), "w")

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="not a model file"):
        load(path)
    torch.save({"model": [Trap()]}, path)
    with pytest.raises(InputError, match="not a model file"):
        load(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kind", ["no folder", "is a folder", "folder is a file"])
def test_models_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    path = {
        "no folder": tmp_path / "none" / "model.safetensors",
        "is a folder": tmp_path / "folder",
        "folder is a file": tmp_path / "file" / "model.safetensors",
    }[kind]
    with pytest.raises(OutputError) as caught:
        trained().save(path)
    assert str(path) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert not os.listdir(tmp_path / "folder")


@pytest.mark.parametrize("when", ["save", "fsync"])
def test_a_failing_disk_leaves_the_earlier_model(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    trained(seed=1).save(path)
    before = path.read_bytes()

    def fail(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(model_file, "save", fail)
    with pytest.raises(OutputError, match="No space left") as caught:
        trained(seed=2).save(path)
    assert "nothing was left behind" in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    import resource

    model = trained(width=8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutputError, match="nothing was left behind"):
            model.save(tmp_path / "model.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


# --- what fits ----------------------------------------------------------------------


def test_channels_must_be_those_of_the_training() -> None:
    movie = np.asarray(tiny_movie().data)
    two = Stack.from_array(np.stack([movie, movie], axis=1), "TCYX", source="two.tif")
    check_fits(trained(2), two)
    check_fits(trained(2, channels=2, joint=True), two)
    check_fits(trained(0), two)  # an imported grey network takes channels one by one
    for model in (trained(1), trained(3), trained(3, channels=3, joint=True)):
        with pytest.raises(InputError) as caught:
            model.denoise(two)
        message = str(caught.value)
        assert "two.tif" in message
        assert "has 2 channel(s)" in message
        assert f"trained on {len(model.calibrations)}" in message


def test_the_movie_must_be_as_long_as_the_network_looks() -> None:
    for frames, needed in ((1, 1), (3, 2), (5, 3)):
        model = trained(frames=frames)
        check_fits(model, tiny_movie(needed))
        if needed > 1:
            with pytest.raises(InputError, match=f"at least {needed}"):
                check_fits(model, tiny_movie(needed - 1))


@pytest.mark.parametrize("shape", [(3, 20), (20, 5), (2, 2)])
def test_frames_must_be_larger_than_the_hole(shape: tuple[int, int]) -> None:
    model = trained(hole=(3, 5))
    stack = Stack.from_array(np.ones((4, *shape), "u2"), "TYX", source="m.tif")
    with pytest.raises(InputError) as caught:
        model.denoise(stack)
    message = str(caught.value)
    assert f"{shape[0]} x {shape[1]}" in message
    assert "3 x 5" in message
    assert "m.tif" in message


def test_pixels_that_are_nan_stay_nan() -> None:
    movie = np.asarray(tiny_movie().data).astype("f4")
    movie[5, 3, 7] = np.nan
    clean = trained().denoise(movie, "TYX")
    assert np.argwhere(np.isnan(clean)).tolist() == [[5, 3, 7]]


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_pixels_must_not_be_infinite(bad: float) -> None:
    movie = np.asarray(tiny_movie().data).astype("f4")
    movie[5, 3, 7] = bad
    with pytest.raises(InputError, match=r"T = 5, Y = 3, X = 7"):
        trained().denoise(movie, "TYX")


# --- denoising into memory ----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f2", "f4", "f8", ">u2"])
def test_the_result_has_shape_axes_and_dtype_of_the_movie(dtype: str) -> None:
    movie = (np.asarray(tiny_movie().data) // 2).clip(0, 255)
    clean = trained().denoise(Stack.from_array(movie.astype(dtype), "TYX"), **ALONE)
    assert clean.shape == movie.shape
    assert clean.dtype == np.dtype(dtype).newbyteorder("=")
    turned = trained().denoise(movie.astype(dtype).transpose(1, 0, 2), "YTX", **ALONE)
    np.testing.assert_array_equal(turned.transpose(1, 0, 2), clean)


def test_integers_are_rounded_not_cut() -> None:
    stack, model = tiny_movie(), trained()
    whole = model.denoise(stack)
    exact = model.denoise(stack, dtype="f4")
    assert whole.dtype == np.uint16
    np.testing.assert_array_equal(whole, np.rint(exact))


def test_arrays_need_names_for_their_axes() -> None:
    with pytest.raises(InputError, match="ambiguous"):
        trained().denoise(np.zeros((4, 2, 20, 20)))


def test_without_the_posterior() -> None:
    stack = tiny_movie()
    prior = trained().denoise(stack, dtype="f4", use_posterior=False)
    both = trained().denoise(stack, dtype="f4", events=False, refine=False)
    noisy = stack.read()
    # the posterior lies between the prediction and the noisy pixel
    low, high = np.minimum(prior, noisy), np.maximum(prior, noisy)
    assert ((both >= low - 0.1) & (both <= high + 0.1)).all()
    assert np.abs(both - prior).mean() > 0.5


def test_tiles() -> None:
    stack, model = tiny_movie(shape=(32, 36)), trained()
    whole = model.denoise(stack, dtype="f4")
    tiled = model.denoise(stack, dtype="f4", tile=16)
    np.testing.assert_allclose(tiled, whole, rtol=1e-4)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="'tpu'"):
        trained().denoise(tiny_movie(), device="tpu")


def test_an_imported_network_is_calibrated_on_the_movie() -> None:
    imported = trained(0)
    dim = tiny_movie(12, (40, 40))
    found = imported.calibrations_for(dim)
    assert len(found) == 1
    bright = Stack.from_array(10 * np.asarray(dim.data).astype("f4") + 500, "TYX")
    again = imported.calibrations_for(bright)
    assert again[0].scale == pytest.approx(10 * found[0].scale, rel=1e-3)
    assert again[0].offset == pytest.approx(10 * found[0].offset + 500, rel=1e-3)
    # so the units of the movie do not matter to the result
    clean = imported.denoise(dim, dtype="f4", **ALONE)
    np.testing.assert_allclose(
        imported.denoise(bright, **ALONE), 10 * clean + 500, rtol=0.02, atol=5
    )


def test_a_trained_network_keeps_its_calibration() -> None:
    model = trained(record=learned_from(tiny_movie()))
    assert model.calibrations_for(tiny_movie()) is model.calibrations


def test_what_a_model_is_told_of_a_movie_it_does_not_measure() -> None:
    model = trained(record=learned_from(tiny_movie()))
    copy = Stack.from_array(np.asarray(tiny_movie().data).astype("f4") * 3, "TYX")
    known = replace(
        model.calibrations[0], noise=model.calibrations[0].noise.louder(1.25)
    )
    told = model.told(copy, [known])
    assert told.calibrations_for(copy) == (known,)
    assert told.match(copy).warnings == ()
    # the model itself still knows nothing of it
    assert model.calibrations_for(copy) != (known,)
    assert model.calibrations_for(tiny_movie()) is model.calibrations


# --- published checkpoints and records ------------------------------------------------


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from plain_udvd import PlainUDVD

    path = tmp_path / "best.pt"
    weights = PlainUDVD(frames=3, width=4, stage_one_features=8).state_dict()
    torch.save({"model": [weights], "epoch": 4}, path)
    return path


def test_a_published_checkpoint_becomes_a_denoiser(published: Path) -> None:
    model = load_published(published)
    assert model.net.configuration()["frames"] == 3
    assert model.net.hole == (1, 1)
    assert not model.net.training
    assert model.calibrations == ()
    assert not model.joint
    assert model.record == {"imported": "best.pt"}
    assert load_published(str(published), (3, 5)).net.hole == (3, 5)


def test_published_checkpoints_that_cannot_be_read(published: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pt.* does not exist"):
        load_published(published.with_name("none.pt"))
    with pytest.raises(InputError, match=r"hole .*\(2, 2\)"):
        load_published(published, (2, 2))
    published.write_bytes(published.read_bytes()[:100])
    with pytest.raises(InputError, match=r"best\.pt.*damaged"):
        load_published(published)


def test_a_result_says_how_it_was_made() -> None:
    stack = Stack.from_array(np.ones((4, 2, 9, 9)), "TCYX", source="two.tif")
    model = trained(2, record=RECORD | learned_from(stack))
    record = json.loads(json.dumps(model.provenance(stack, posterior=True)))
    assert record["program"] == "napari-udvd"
    assert record["version"] == napari_udvd.__version__
    assert record["source"] == "two.tif"
    assert record["network"]["name"] == "udvd"
    assert record["network"]["frames"] == 3
    assert [c["offset"] for c in record["calibrations"]] == [130, 131]
    assert record["training"] == model.record
    assert record["posterior"] is True


def test_a_published_network_for_rgb_on_a_grey_movie(
    shared_parity: Path, tmp_path: Path
) -> None:
    with np.load(shared_parity / "stbn_rgb.npz") as case:
        torch.save(published_weights(case), tmp_path / "published.pt")
    denoiser = load_published(tmp_path / "published.pt")
    assert denoiser.net.name == "stbn"
    assert denoiser.joint
    with pytest.raises(InputError, match="three times, as red, green and blue"):
        denoiser.denoise(tiny_movie())
