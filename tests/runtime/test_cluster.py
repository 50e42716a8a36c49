"""Workers of dask as an executor, and what is said where they cannot be used."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from dask_workers import in_this_process
from napari_udvd.errors import InputError, OutputError
from napari_udvd.runtime import cluster, workers
from napari_udvd.runtime.cluster import (
    Bound,
    Cluster,
    computing_on,
    connect,
    dashboard_of,
)
from napari_udvd.runtime.workers import check_paths, check_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with in_this_process() as client:
        yield client


def test_results_come_in_order_and_few_are_on_their_way(client: Any) -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(30):
            taken.append(part)
            yield part

    def slow_at_first(part: int) -> int:
        time.sleep(0.05 if part == 0 else 0)
        return part**2

    results = Cluster(client).map(slow_at_first, parts())
    with closing(results):
        assert next(results) == 0
        assert len(taken) <= 5  # two for each thread, and the next
        assert list(results) == [k**2 for k in range(1, 30)]


def test_the_dashboard_is_told_of_where_there_is_one(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_bokeh = find_spec("bokeh") is not None
    assert dashboard_of(client) == (client.dashboard_link if has_bokeh else None)
    monkeypatch.setattr(cluster, "_has_dashboard", lambda: True)
    found = dashboard_of(client)
    assert found is not None and found.endswith("/status")


def test_arrays_of_others_are_computed_as_ever(client: Any) -> None:
    import dask

    assert client.status == "running"
    assert dask.config.get("scheduler", None) is None


def test_variables_for_workers_are_not_left_behind(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with cluster._same_environment():
        os.environ |= {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_what_is_common_goes_once(client: Any) -> None:
    cluster = Cluster(client)
    weights = cluster.send_once([10, 20])
    seen = list(
        cluster.map(Bound(lambda w, part: (id(w), w[part]), (weights,)), [0, 1])
    )
    assert [value for _, value in seen] == [10, 20]


def test_an_error_of_a_part_is_raised(client: Any) -> None:
    def work(part: int) -> int:
        if part == 2:
            raise InputError("part 2")
        return part

    results = Cluster(client).map(work, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="part 2"):
        next(results)


def test_workers_of_another_version(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_workers(client)
    monkeypatch.setattr(workers, "__version__", "99.1")
    with pytest.raises(InputError) as caught:
        check_workers(client)
    for part in ("napari-udvd 99.1", "inproc://", "pip install", "has 0."):
        assert part in str(caught.value)


def test_workers_without_the_package(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "napari_udvd._version", None)
    monkeypatch.delattr("napari_udvd._version", raising=False)
    with pytest.raises(InputError, match="does not have it"):
        check_workers(client)


def test_a_build_of_torch_for_cards_is_no_other_version(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = workers.metadata.version("torch").partition("+")[0]
    monkeypatch.setattr(workers.metadata, "version", lambda _: f"{own}+cu999")
    check_workers(client)


def test_files_that_workers_do_not_see(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = tmp_path / "movie.tif"
    movie.write_bytes(b"12")
    check_paths(client, [movie, tmp_path / "none.tif"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["movie.tif"]
    monkeypatch.setattr(workers, "_seen", lambda *_: ("node7", str(movie), None))
    with pytest.raises(InputError, match=r"node7 does not see .*movie\.tif.* share"):
        check_paths(client, [movie], tmp_path)
    problem = "it is not the folder that the program sees"
    monkeypatch.setattr(workers, "_seen", lambda *_: ("node7", None, problem))
    with pytest.raises(OutputError, match="node7 cannot write"):
        check_paths(client, [movie], tmp_path)


def test_another_folder_of_the_same_name_is_found_out(tmp_path: Path) -> None:
    movie = tmp_path / "movie.tif"
    movie.write_bytes(b"12")
    here = str(movie)
    assert workers._seen({here: 2}, None)[1:] == (None, None)
    assert workers._seen({here: 3}, None)[1] == here
    assert workers._seen({}, str(tmp_path / ".marker"))[2]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scheduler_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(InputError, match="no dask scheduler answered") as caught:
        connect(address, seconds=0.5)
    assert address in str(caught.value)
    assert time.monotonic() - began < 10
    with pytest.raises(InputError, match=r"scheduler file '.*none\.json'"):
        connect("/nowhere/none.json")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"scheduler": "tcp://a:1", "workers": 2}, "leave `workers` 2 out"),
        ({"workers": 0}, "`workers` is 0"),
    ],
)
def test_what_cannot_be_asked_for(how: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said), computing_on(**how):
        pass


def test_without_dask_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r'pip install "napari-udvd\[cluster\]"'),
        computing_on(workers=2),
    ):
        pass


def test_nothing_is_imported_that_nobody_asked_for() -> None:
    with computing_on() as client:
        assert client is None
