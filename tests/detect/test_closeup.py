"""Close-ups: windows on upper bodies hold what they say, and faces give boxes of people."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.detect.closeup import box_of_face, upper_body
from posedistill.detect.pack import PackPlan, decode, people_pictures, read_photos
from posedistill.media import write_image

SIZE_WH = (200, 400)
BOX = np.array([60, 40, 140, 380], np.float32)


def _standing() -> NDArray[np.float32]:
    """Give (17, 3): somebody who stands upright in the box."""
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[[0, 5, 6, 11, 12]] = [[100, 70, 2], [120, 110, 2], [80, 110, 2]] + [
        [115, 210, 2],
        [85, 210, 2],
    ]
    return keypoints


@pytest.mark.parametrize("seed", range(8))
def test_a_window_holds_the_head_and_cuts_the_legs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = upper_body(SIZE_WH, box_xyxy=BOX, keypoints=_standing(), rng=rng)
    assert found is not None
    (x1, y1, x2, y2), box = found
    assert 0 <= x1 < 80 < 120 < x2 <= SIZE_WH[0]
    assert 0 <= y1 <= 40
    assert 110 < y2 < 380
    # The person reaches to the window's lower end, and from where the whole one begins.
    assert box[3] == y2 - y1
    assert box[1] == pytest.approx(40 - y1, abs=1)
    assert x1 + box[0] >= BOX[0]
    assert x1 + box[2] <= BOX[2]


@pytest.mark.parametrize("change", ["upside down", "lying", "no nose"])
def test_nobody_but_upright_people_is_cut(change: str) -> None:
    keypoints = _standing()
    if change == "upside down":
        keypoints[:, 1] = 400 - keypoints[:, 1]
    elif change == "lying":
        keypoints[:, :2] = keypoints[:, 1::-1]
    else:
        keypoints[0] = 0
    rng = np.random.default_rng(0)
    assert upper_body(SIZE_WH, box_xyxy=BOX, keypoints=keypoints, rng=rng) is None


def test_a_small_face_belongs_to_a_whole_person() -> None:
    face = np.tile(np.array([[490, 100], [510, 120]], np.float32), (34, 1))
    x1, y1, x2, y2 = box_of_face(face, (1000, 1000))
    assert (x1, x2) == (470, 530)
    assert y1 < 100
    assert 3.5 < (y2 - y1) / (x2 - x1) < 4.5  # of an adult with hanging arms about 4
    assert y2 < 1000


def test_a_pack_holds_a_close_up_beside_the_photo(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    write_image(tmp_path / "street" / "one.png", np.full((400, 200, 3), 99, np.uint8))
    x1, y1, x2, y2 = BOX.tolist()
    person = {"image_id": 7, "bbox": [x1, y1, x2 - x1, y2 - y1]}
    record = {
        "images": [{"id": 7, "file_name": "street/one.png", "width": 200, "height": 400}],
        "annotations": [person | {"keypoints": _standing().ravel().tolist()}],
    }
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(record))
    plan = PackPlan(side=100, has_masks=False, has_close_ups=True)
    whole, close = people_pictures(labels, tmp_path, plan=plan)
    assert (whole.source, close.source) == ("street", "street-close")
    image = decode(close)
    assert max(image.shape) <= 100
    assert close.boxes_xyxy[0, 3] == pytest.approx(image.shape[0], abs=1)


def test_a_labelled_face_gives_a_close_up_its_box(tmp_path: Path) -> None:
    face = [[40 + 20 * (k % 2), 50 + 20 * (k % 2), 2] for k in range(68)]
    record = {
        "images": [{"id": 7, "file_name": "faces/one.png", "width": 100, "height": 200}],
        "annotations": [{"image_id": 7, "bbox": [0, 0, 100, 200], "face_kpts": sum(face, [])}],
    }
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(record))
    (photo,) = read_photos(labels, tmp_path)["faces"]
    assert photo.boxes_xyxy.tolist() == [[20, 35, 80, 200]]
