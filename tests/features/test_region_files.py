"""Regions as other programs write them."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.features import read_regions
from napari_udvd.stack import Layout

if TYPE_CHECKING:
    from pathlib import Path

MOVIE = Layout(
    "TYX",
    (6, 40, 60),
    np.dtype("u2"),
    scale={"T": 2.0, "Y": 0.5, "X": 0.5},
    units={"T": "s", "Y": "µm", "X": "µm"},
)
PLAIN = Layout("TYX", (6, 40, 60), np.dtype("u2"))

# the order of the columns, and the three lines below, are TrackMate's (version 7)
KEYS = (
    "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,"
    "RADIUS,VISIBILITY,MANUAL_SPOT_COLOR,MEAN_INTENSITY_CH1"
)
NAMES = "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius,Visibility,Spot color,Mean"
SHORT = "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R,Visibility,Spot color,Mean ch1"
UNITS = ",,,(quality),({0}),({0}),({0}),(sec),,({0}),,,(counts)"


def spot(track: str, t: int, x: float, y: float, radius: float = 2.0) -> str:
    return f"ID1,1,{track},7.5,{x},{y},0.0,{2.0 * t},{t},{radius},1,,33.0"


def trackmate(path: Path, spots: list[str], unit: str = "micron") -> Path:
    lines = [KEYS, NAMES, SHORT, UNITS.format(unit), *spots]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "regions.csv"


SPOTS = [spot("3", 2, 12.0, 6.0), spot("0", 0, 5.0, 4.0), spot("3", 1, 11.0, 5.0)]


def test_spots_of_trackmate(path: Path) -> None:
    regions = read_regions(trackmate(path, SPOTS), MOVIE)
    assert regions.names == ("0", "3")
    where = regions.at(2)["3"]
    assert where.centre == (12.0, 24.0)  # row and column, in pixels of 0.5 µm
    assert where.inside.shape == (9, 9)  # a radius of 4 px
    assert regions.notes == ()
    # the radius that was asked for wins
    assert read_regions(path, MOVIE, radius=1.0).at(2)["3"].inside.shape == (3, 3)


def test_places_in_other_units(path: Path) -> None:
    nm = [spot("3", 2, 12000, 6000, 2000)]
    where = read_regions(trackmate(path, nm, "nm"), MOVIE).at(2)["3"]
    assert where.centre == pytest.approx((12, 24))
    for like in (MOVIE, PLAIN):
        regions = read_regions(trackmate(path, SPOTS, "pixel"), like)
        assert regions.at(2)["3"].centre == (6.0, 12.0)
    with pytest.raises(InputError, match=r"places in µm, but .* is not known"):
        read_regions(trackmate(path, SPOTS), PLAIN)
    with pytest.raises(InputError, match=r"places in furlong, but .* is 0.5 µm"):
        read_regions(trackmate(path, SPOTS, "furlong"), MOVIE)


def test_spots_of_an_older_trackmate(path: Path) -> None:
    # no lines of names and units; a column without a name; spots without a track
    lines = [" ,Label,ID,TRACK_ID,POSITION_X,POSITION_Y,FRAME,RADIUS"]
    lines += ["1,ID1,1,3,11.0,5.0,1,2.0", "2,ID2,2,None,3.0,3.0,1,2.0"]
    lines += ["3,ID3,3,,3.0,3.0,2,2.0", "4,ID4,4,3,13.0,7.0,3,2.0"]
    path.write_text("\n".join(lines))
    regions = read_regions(path, MOVIE)
    assert regions.names == ("3",)
    assert regions.at(2)["3"].centre == (12.0, 24.0)
    unit, loose, gap = regions.notes
    assert "does not name the unit" in unit and "µm" in unit
    assert "2 spots" in loose and "no track" in loose
    assert "track 3 has no point in frame 2" in gap


def test_a_track_that_splits_has_branches(path: Path) -> None:
    spots = [spot("5", t, 10.0 + 0.2 * t, 8.0) for t in range(3)]
    spots += [spot("5", t, 10.0 - t, 7.0) for t in (3, 4, 5)]
    spots += [spot("5", t, 12.0 + t, 9.0) for t in (3, 4)]
    regions = read_regions(trackmate(path, spots), MOVIE)
    assert regions.names == ("5", "5.1")
    assert list(regions.at(2)) == ["5"] and list(regions.at(5)) == ["5"]
    assert regions.at(4)["5"].centre == (14.0, 12.0)
    assert regions.at(4)["5.1"].centre == (18.0, 32.0)
    assert "track 5 splits: its branches are 5, 5.1" in regions.notes[0]


def test_spots_outside_of_the_frame(path: Path) -> None:
    with pytest.raises(
        InputError, match=r"track 3 in frame 1 .*outside.*not in pixels"
    ):
        read_regions(trackmate(path, [spot("3", 1, 80.0, 5.0)]), MOVIE)
    with pytest.raises(InputError, match="no track"):
        read_regions(trackmate(path, [spot("", 1, 8.0, 5.0)]), MOVIE)
    with pytest.raises(InputError, match=r"line 6 .*'x1' in the column 'position_y'"):
        broken = [SPOTS[0], SPOTS[1].replace("4.0", "x1", 1)]
        read_regions(trackmate(path, broken), MOVIE)


@pytest.mark.parametrize(
    "content",
    [
        "track,frame,y,x\n3,1,5,11\n3,3,7,13\n",
        "\ufeffX;Y;Particle;Frame\n11,0;5,0;3;1\n13,0;7,0;3;3\n",
        "y\tx\tt\tid\tradius\n5\t11\t1\t3\t2\n7\t13\t3\t3\t2\n",
    ],
)
def test_tables_of_tracks(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    regions = read_regions(path, MOVIE)
    assert regions.names == ("3",)
    assert regions.at(2)["3"].centre == (6.0, 12.0)
    side = 5 if "radius" in content else 17
    assert regions.at(2)["3"].inside.shape[0] == side
    assert len(regions.notes) == 1


def test_layers_of_napari(path: Path) -> None:
    path.write_text("index,axis-0,axis-1,axis-2\n0.0,2.0,5.0,11.0\n1.0,2.0,9.0,30.0\n")
    points = read_regions(path, MOVIE, radius=3)
    assert points.names == ("1", "2")
    assert points.at(0)["2"].centre == (9.0, 30.0)
    box = ((4, 10), (4, 20), (12, 20), (12, 10))
    lines = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for index, kind in enumerate(("rectangle", "ellipse")):
        lines += [f"{index},{kind},{k},{y},{x}" for k, (y, x) in enumerate(box)]
    path.write_text("\n".join(lines))
    shapes = read_regions(path, MOVIE).at(0)
    assert shapes["1"].centre == pytest.approx(shapes["2"].centre, abs=0.6)
    assert shapes["2"].inside.sum() == pytest.approx(np.pi * 4 * 5, abs=4)
    path.write_text(f"{lines[0]}\n0,path,0,4,10\n0,path,1,4,20\n0,path,2,8,20\n")
    with pytest.raises(InputError, match=r"line 2 .*'path'"):
        read_regions(path, MOVIE)


def test_images_of_labels(tmp_path: Path) -> None:
    labels = np.zeros((6, 40, 60), np.uint16)
    labels[2:4, 5:9, 7:12] = 3
    tifffile.imwrite(tmp_path / "one.tif", labels[2])
    tifffile.imwrite(tmp_path / "all.tif", labels, metadata={"axes": "TYX"}, ome=True)
    tifffile.imwrite(tmp_path / "z.tif", labels, metadata={"axes": "ZYX"}, ome=True)
    assert list(read_regions(tmp_path / "one.tif", MOVIE).at(0)) == ["3"]
    moving = read_regions(tmp_path / "all.tif", MOVIE)
    assert [list(moving.at(t)) for t in (1, 2)] == [[], ["3"]]
    with pytest.raises(InputError, match="axes ZYX"):
        read_regions(tmp_path / "z.tif", MOVIE)


def test_what_is_no_table_of_regions(path: Path) -> None:
    path.write_text("name,size\na,3\n")
    with pytest.raises(InputError, match="no column 'track', 'frame', 'y', 'x'"):
        read_regions(path, MOVIE)
    path.write_text("track,frame,y,x\n3,1,,5\n")
    with pytest.raises(InputError, match=r"line 2 .*no place"):
        read_regions(path, MOVIE)
    with pytest.raises(InputError, match="does not exist"):
        read_regions(path.with_name("none.csv"), MOVIE)
    with pytest.raises(InputError, match="radius is -1"):
        read_regions(path, MOVIE, radius=-1.0)


# --- ImageJ -------------------------------------------------------------------------


def roi(
    kind: int, box: tuple[int, int, int, int], corners: Any = (), *, exact: bool = False
) -> bytes:
    """Write an area as ImageJ does; box is top, left, bottom, right; corners y, x."""
    top, left = box[:2]
    at = np.asarray(corners, float).reshape(-1, 2)[:, ::-1]
    head = struct.pack(">4sHBx4hH", b"Iout", 228, kind, *box, len(at))
    head = head.ljust(50, b"\0") + struct.pack(">h", 128 if exact else 0)
    body = np.rint(at - [left, top]).T.astype(">i2").tobytes()
    return (
        head.ljust(64, b"\0") + body + (at.T.astype(">f4").tobytes() if exact else b"")
    )


def test_areas_of_imagej(tmp_path: Path) -> None:
    triangle = [(10.0, 10.0), (10.0, 20.0), (20.0, 10.0)]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("0005-0008.roi", roi(1, (5, 7, 8, 12)))
        archive.writestr("round.roi", roi(2, (10, 30, 20, 44)))
        archive.writestr("plain.roi", roi(0, (10, 10, 20, 20), triangle))
        exact = np.array(triangle) + 0.25
        archive.writestr("exact.roi", roi(7, (10, 10, 20, 20), exact, exact=True))
    regions = read_regions(tmp_path / "set.zip", MOVIE)
    assert regions.names == ("0005-0008", "round", "plain", "exact")
    found = regions.at(0)
    # pixels 5, 6, 7 of the rows and 7 to 11 of the columns
    assert found["0005-0008"].rows == slice(5, 8)
    assert found["0005-0008"].columns == slice(7, 12)
    assert found["0005-0008"].inside.all()
    assert found["round"].inside.sum() == pytest.approx(np.pi * 5 * 7, rel=0.05)
    assert found["round"].centre == pytest.approx((14.5, 36.5), abs=0.1)
    for name in ("plain", "exact"):
        assert found[name].inside.sum() == pytest.approx(50, abs=6)
        assert found[name].rows.start == 10
    (tmp_path / "one.roi").write_bytes(roi(1, (5, 7, 8, 12)))
    assert read_regions(tmp_path / "one.roi", MOVIE).names == ("one",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (roi(10, (1, 1, 2, 2), [(1, 1)]), "'bad' of .* no single area"),
        (roi(0, (1, 1, 9, 9), [(1, 1), (1, 9), (9, 9)])[:70], "cut off"),
        (roi(1, (100, 1, 110, 9)), "holds no pixel"),
        (b"no ROI", "none of ImageJ's"),
    ],
)
def test_what_is_no_area_of_imagej(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "bad.roi").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_regions(tmp_path / "bad.roi", MOVIE)
    with pytest.raises(InputError, match="cannot be read"):
        read_regions(tmp_path / "none.roi", MOVIE)
