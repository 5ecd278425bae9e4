"""COCO results: read by COCO's tools and by our own evaluation, and those of others by us."""

import json
from pathlib import Path

import numpy as np
import pytest

from posedistill.evaluate.predictions import predictions_of, read_predictions
from posedistill.formats.coco_json import write_annotations
from posedistill.formats.coco_results import read_results, write_results
from posedistill.formats.image_poses import ImagePoses
from posedistill.skeleton import Skeleton
from tests.pose_images import random_poses, tracked

BODY = Skeleton.get("coco17")


def _images() -> list[ImagePoses]:
    poses = [random_poses(n, seed=n, skeleton="coco17") for n in (2, 0, 1)]
    return [ImagePoses(index, p, f"{index}.jpg") for index, p in enumerate(poses, 5)]


def test_evaluation_reads_the_same_persons_and_ranks(tmp_path: Path) -> None:
    write_results(tmp_path / "poses.json", _images(), skeleton=BODY, version="1.2.3")
    wanted = [p for image in _images() for p in predictions_of(image.poses, image.image_id)]
    for found, other in zip(read_predictions(tmp_path / "poses.json"), wanted, strict=True):
        assert found.image_id == other.image_id
        assert found.box_score == pytest.approx(other.box_score)
        assert found.score == pytest.approx(other.score, rel=1e-7)  # the box score is rounded
        np.testing.assert_array_equal(found.keypoints, other.keypoints)
        np.testing.assert_array_equal(found.keypoint_scores, other.keypoint_scores)
        np.testing.assert_allclose(found.box_xywh, other.box_xywh, rtol=1e-6)


def test_the_tools_of_coco_read_it_and_it_scores_full_against_itself(tmp_path: Path) -> None:
    coco = pytest.importorskip("faster_coco_eval", reason="needs the extra evaluate")
    images = [image for image in _images() if len(image.poses)]
    for image in images:
        image.poses.scores[:] = 0.5
    write_annotations(tmp_path / "truth.json", images, skeleton=BODY, version="1.2.3")
    write_results(tmp_path / "poses.json", images, skeleton=BODY, version="1.2.3")
    truth = coco.COCO(str(tmp_path / "truth.json"))
    judge = coco.COCOeval_faster(
        truth, truth.loadRes(str(tmp_path / "poses.json")), iouType="keypoints", print_function=len
    )
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


def test_results_of_others_are_read_by_their_number_of_keypoints(tmp_path: Path) -> None:
    person = {"image_id": 3, "bbox": [1, 2, 3, 4], "score": 0.25, "category_id": 1}
    keypoints = np.arange(51.0).tolist()
    (tmp_path / "odd.json").write_text(json.dumps([{**person, "keypoints": keypoints}]))
    (image,) = read_results(tmp_path / "odd.json")
    assert (image.image_id, image.poses.skeleton) == (3, BODY)
    assert image.poses.boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert image.poses.box_scores.tolist() == [0.25]
    assert image.poses.keypoints[0, 1].tolist() == [3, 4]
    assert image.poses.scores[0, 1] == 5


def test_the_persons_of_an_image_may_stand_apart(tmp_path: Path) -> None:
    write_results(tmp_path / "poses.json", _images(), skeleton=BODY, version="1.2.3")
    first, second, other = json.loads((tmp_path / "poses.json").read_text())
    (tmp_path / "mixed.json").write_text(json.dumps([first, other, second]))
    images = read_results(tmp_path / "mixed.json")
    assert [(image.image_id, len(image.poses)) for image in images] == [(5, 2), (7, 1)]
    np.testing.assert_array_equal(images[0].poses.keypoints, _images()[0].poses.keypoints)


CHANGES: dict[str, tuple[dict[str, object], str]] = {
    "keypoints": ({"keypoints": [1.0] * 7, "skeleton": None}, "person 1: persons have 2 keypoints"),
    "box": ({"bbox": [1, 2, 3]}, "person 1: found 3 values; expected a list of 4"),
    "score": ({"box_score": "high"}, "person 1: 'box_score': found 'high'"),
    "name": ({"file_name": "b.jpg"}, "the rows of image 5 do not agree"),
    "track": ({"track_id": None}, "1 of the 2 persons of an image have a track id"),
    "skeleton": (
        {"skeleton": "mpii16", "keypoints": [1.0] * 48, "raw_keypoints": None},
        "it holds persons of coco17 and of mpii16",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_an_odd_person_is_refused_by_file_and_number(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    images = [ImagePoses(5, tracked(random_poses(2, skeleton="coco17")), "a.jpg")]
    write_results(tmp_path / "odd.json", images, skeleton=BODY, version="1.2.3")
    first, second = json.loads((tmp_path / "odd.json").read_text())
    (tmp_path / "odd.json").write_text(json.dumps([first, second | change]))
    with pytest.raises(ValueError, match=rf"odd\.json.*{message}"):
        read_results(tmp_path / "odd.json")


def test_an_annotation_file_is_told_from_results(tmp_path: Path) -> None:
    write_annotations(tmp_path / "truth.json", [], skeleton=BODY, version="1.2.3")
    with pytest.raises(ValueError, match=r"truth\.json is no list.*annotation file\?"):
        read_results(tmp_path / "truth.json")
