"""NPZ: plain arrays, read by numpy alone, of which some may be taken out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.npz_arrays import read_npz, write_npz
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, random_poses, tracked

HAND = Skeleton.get("hand21")
Arrays = dict[str, NDArray[Any]]  # Any: numbers and text alike
PER_PERSON = ("image_index", "keypoints", "scores", "boxes_xyxy", "box_scores", "track_id")


def _images() -> list[ImagePoses]:
    return [
        ImagePoses(7, random_poses(2, 1, "hand21"), "a.jpg", (640, 480)),
        ImagePoses(3, Poses.empty(HAND), "b.jpg"),
        ImagePoses(9, random_poses(1, 2, "hand21"), time_s=0.5),
    ]


def _arrays(path: Path, images: list[ImagePoses]) -> Arrays:
    write_npz(path, images, skeleton=HAND, version="1.2.3")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_numpy_alone_reads_arrays_of_all_persons(tmp_path: Path) -> None:
    arrays = _arrays(tmp_path / "a.npz", _images())
    assert arrays["keypoints"].shape == (3, 21, 2)
    assert arrays["keypoints"].dtype == np.float32
    assert arrays["joints"].tolist() == list(HAND.joints)
    assert arrays["image_id"][arrays["image_index"]].tolist() == [7, 7, 9]
    assert arrays["is_tracked"].tolist() == [False] * 3
    assert "raw_keypoints" not in arrays


def test_raw_keypoints_of_some_images_alone_come_back(tmp_path: Path) -> None:
    first, *others = _images()
    images = [ImagePoses(1, tracked(first.poses)), *others]
    arrays = _arrays(tmp_path / "a.npz", images)
    assert np.isnan(arrays["raw_keypoints"]).any(axis=(1, 2)).tolist() == [False, False, True]
    assert_same_images(read_npz(tmp_path / "a.npz"), images)


def test_persons_may_be_in_another_order_or_left_out(tmp_path: Path) -> None:
    arrays = _arrays(tmp_path / "a.npz", _images())
    for name in (*PER_PERSON, "is_tracked"):
        arrays[name] = arrays[name][[2, 1]]
    np.savez(tmp_path / "b.npz", allow_pickle=False, **arrays)
    images = _images()
    wanted = [
        ImagePoses(7, images[0].poses[1], "a.jpg", (640, 480)),
        *images[1:],
    ]
    assert_same_images(read_npz(tmp_path / "b.npz"), wanted)


CHANGES: dict[str, tuple[NDArray[Any], str]] = {
    "keypoints": (np.zeros((3, 20, 2), np.float32), r"keypoints is \(3, 20, 2\) of float32"),
    "scores": (np.full((3, 21), "a"), r"scores is \(3, 21\) of <U1"),
    "box_scores": (np.full(3, np.inf, np.float32), "image a.jpg: a pose is not finite"),
    "image_index": (np.array([0, 0, 3]), "image_index goes from 0 to 3; there are 3"),
    "image_id": (np.array([7, 7, 9]), "image_id 7 is that of an earlier image"),
    "skeleton": (np.array("octopus"), "unknown skeleton 'octopus'"),
    "size_wh": (np.full((3, 2), -1), r"size_wh is \(-1, -1\)"),
    "joints": (np.array([{}]), "[Oo]bject arrays cannot be"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_odd_array_is_refused_by_file_and_name(tmp_path: Path, name: str) -> None:
    arrays = _arrays(tmp_path / "odd.npz", _images()) | {name: CHANGES[name][0]}
    np.savez(tmp_path / "odd.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"odd\.npz is no NPZ file of poses.*{CHANGES[name][1]}"):
        read_npz(tmp_path / "odd.npz")


@pytest.mark.parametrize("name", ["skeleton", *PER_PERSON, "size_wh", "is_tracked"])
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = _arrays(tmp_path / "odd.npz", _images())
    del arrays[name]
    np.savez(tmp_path / "odd.npz", allow_pickle=False, **arrays)
    with pytest.raises(ValueError, match=rf"there is no array .*{name}"):
        read_npz(tmp_path / "odd.npz")


def test_a_cut_file_is_refused_without_a_word_of_pickles(tmp_path: Path) -> None:
    write_npz(tmp_path / "odd.npz", _images(), skeleton=HAND, version="1.2.3")
    content = (tmp_path / "odd.npz").read_bytes()
    (tmp_path / "odd.npz").write_bytes(content[:-40])
    with pytest.raises(ValueError, match=r"odd\.npz is no NPZ file, or the end of it is missing"):
        read_npz(tmp_path / "odd.npz")
