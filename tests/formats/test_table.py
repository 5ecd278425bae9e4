"""All formats alike: what is written is read, and what is damaged is refused, never a surprise."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posedistill.cli_poses import FORMAT_NAMES
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS, format_of
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, image_lists, random_poses, tracked

BODY = Skeleton.get("coco17")
FILES = [name for name in FORMATS if not FORMATS[name].is_folder]
in_one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=12,
)
Images = list[ImagePoses]


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    """Give the names of the formats that can be used here."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    return str(request.param)


def _path(name: str, folder: Path) -> Path:
    return folder / f"poses{FORMATS[name].suffix}"


def _write(name: str, path: Path, images: Images, skeleton: Skeleton = BODY) -> Path:
    FORMATS[name].write(path, iter(images), skeleton=skeleton, version="1.2.3")
    return path


def _in_openpose(images: Images) -> Images:
    """Give what the format holds: absent joints have neither place nor score."""
    kept = []
    for image in sorted(images, key=lambda image: image.image_id):
        poses, is_shown = image.poses, image.poses.scores > 0
        keypoints = np.where(is_shown[..., None], poses.keypoints, np.float32(0))
        scores = np.where(is_shown, poses.scores, np.float32(0))
        kept.append(replace(image, poses=replace(poses, keypoints=keypoints, scores=scores)))
    return kept


WHAT_STAYS: dict[str, Callable[[Images], Images]] = {
    "openpose": _in_openpose,
    "coco-results": lambda images: [image for image in images if len(image.poses)],
}


@in_one_folder
@given(images=image_lists(), nth=st.integers(0, 10**9))
def test_what_is_written_is_read(name: str, tmp_path: Path, images: Images, nth: int) -> None:
    if name == "openpose" and not images:
        return  # a folder without files is told from none
    path = tmp_path / f"{nth}-{len(os.listdir(tmp_path))}{FORMATS[name].suffix}"
    _write(name, path, images)
    wanted = WHAT_STAYS.get(name, list)(images)
    is_exact = name not in ("coco", "coco-results")
    assert_same_images(FORMATS[name].read(path), wanted, are_boxes_exact=is_exact)


def test_all_133_joints_come_back(name: str, tmp_path: Path) -> None:
    whole = Skeleton.get("wholebody133")
    images = [ImagePoses(4, tracked(random_poses(2)), "a.jpg", (640, 480), 1 / 3)]
    _write(name, _path(name, tmp_path), images, whole)
    found = FORMATS[name].read(_path(name, tmp_path))
    is_exact = name not in ("coco", "coco-results")
    assert_same_images(found, WHAT_STAYS.get(name, list)(images), are_boxes_exact=is_exact)


def _texts(path: Path) -> str:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return "".join(file.read_bytes().decode("latin-1") for file in files)


def test_every_file_says_which_skeleton_and_version(name: str, tmp_path: Path) -> None:
    path = _write(name, _path(name, tmp_path), [ImagePoses(4, random_poses(1, 0, "coco17"))])
    if name == "npz":
        with np.load(path) as file:
            assert (str(file["skeleton"]), str(file["posedistill"])) == ("coco17", "1.2.3")
        return
    assert "coco17" in _texts(path)
    assert "1.2.3" in _texts(path)


ODD: dict[str, tuple[Callable[[Poses], Poses], str]] = {
    "infinite": (lambda p: replace(p, box_scores=p.box_scores * np.inf), "not finite"),
    "nan": (lambda p: replace(p, keypoints=p.keypoints * np.float32(np.nan)), "not finite"),
    "raw": (lambda p: replace(p, raw_keypoints=p.keypoints * np.float32(np.nan)), "not finite"),
    "skeleton": (lambda p: p.to("openpose18"), "are of openpose18, the file is of coco17"),
}


@pytest.mark.parametrize(("change", "message"), ODD.values(), ids=ODD)
def test_poses_that_are_not_fit_are_refused_by_name_and_nothing_is_left(
    name: str, tmp_path: Path, change: Callable[[Poses], Poses], message: str
) -> None:
    poses = change(random_poses(1, 3, "coco17"))
    path = _path(name, tmp_path)
    with pytest.raises(ValueError, match=rf"image a\.jpg: .*{message}"):
        _write(name, path, [ImagePoses(1, poses, "a.jpg")])
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_two_images_of_one_id_are_refused(name: str, tmp_path: Path) -> None:
    images = [ImagePoses(7, Poses.empty(BODY), file) for file in ("a.jpg", "b.jpg")]
    with pytest.raises(ValueError, match=r"b\.jpg comes twice: image_id 7"):
        _write(name, _path(name, tmp_path), images)


def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such .*none"):
        FORMATS[name].read(tmp_path / f"none{FORMATS[name].suffix}")


@pytest.mark.parametrize("name", FILES)
def test_a_folder_that_is_missing_or_in_the_way_is_told(name: str, tmp_path: Path) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    with pytest.raises(FileNotFoundError, match="no such folder: .*none"):
        _write(name, tmp_path / "none" / "a", [])
    with pytest.raises(ValueError, match="is a folder; expected a name for the file"):
        _write(name, tmp_path, [])


@in_one_folder
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read(name: str, tmp_path: Path, data: st.DataObject) -> None:
    path = _path(name, tmp_path)
    if not path.exists() or name == "openpose":
        images = [ImagePoses(4, tracked(random_poses(2, 1, "coco17")), "a.jpg", (640, 480), 0.5)]
        _write(name, path, [*images, ImagePoses(5, Poses.empty(BODY))])
    whole = path / "a_000000000004_keypoints.json" if path.is_dir() else path
    odd = path.with_name(f"odd{FORMATS[name].suffix}") if whole == path else whole
    content = whole.read_bytes()
    at = data.draw(st.integers(0, len(content)))
    until = data.draw(st.just(len(content)) | st.integers(at, min(at + 40, len(content))))
    odd.write_bytes(content[:at] + data.draw(st.binary(max_size=20)) + content[until:])
    _read_or_refuse(name, path if path.is_dir() else odd)


def _read_or_refuse(name: str, path: Path) -> None:
    message, found = "", []
    try:
        found = FORMATS[name].read(path)
    except ValueError as error:
        message = str(error)
    assert not message or path.name in message
    assert all(np.isfinite(image.poses.keypoints).all() for image in found)


json_values = st.recursive(
    st.sampled_from(
        [None, True, -1, 0, 2**70, 10**400, 1e39, float("nan"), "", "coco17", "mpii16", 0.5]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Give container and key of every value of a JSON tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    inner = [node[key] for key in keys if isinstance(node[key], dict | list)]
    return [*((node, key) for key in keys), *(place for child in inner for place in _places(child))]


JSON_FILES = {"coco": "", "coco-results": "", "mmpose": "", "jsonl": "", "openpose": ""}


@pytest.mark.parametrize("name", JSON_FILES)
@in_one_folder
@given(data=st.data())
def test_odd_values_are_refused_or_read(name: str, tmp_path: Path, data: st.DataObject) -> None:
    path = _path(name, tmp_path)
    poses = tracked(random_poses(1, 1, "mpii16" if name != "openpose" else "coco17"))
    _write(name, path, [ImagePoses(4, poses, "a.jpg", (640, 480), 0.5)], poses.skeleton)
    file = next(path.glob("*.json")) if path.is_dir() else path
    record = json.loads(file.read_text())
    places = _places(record)
    key_places = [place for place in places if isinstance(place[0], dict)]
    node, key = data.draw(st.sampled_from(key_places) | st.sampled_from(places))
    node[key] = data.draw(json_values)
    file.write_text(json.dumps(record))
    _read_or_refuse(name, path)


def test_the_suffix_says_the_format() -> None:
    for name, known in FORMATS.items():
        assert format_of(f"some/poses{known.suffix}") == name
    assert format_of("POSES.JSONL") == "jsonl"


def test_an_unknown_suffix_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'\.xml'; .*\.json \(coco\).*or a folder \(openpose\)"):
        format_of("poses.xml")


def test_the_command_line_names_every_format() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
