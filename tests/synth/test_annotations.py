"""Rendered people as records of a COCO-WholeBody file."""

import json

import cv2
import numpy as np
import pytest

from posedistill.datasets.wholebody import FIELDS
from posedistill.evaluate.truth import read_truth
from posedistill.synth.annotations import annotation, annotations, run_lengths
from tests.synth.seen_person import SeenPerson


def _person(seed: int = 0) -> SeenPerson:
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 80), np.bool_)
    mask[5:50, 10:40] = True
    return SeenPerson(
        keypoints=rng.uniform(10, 40, (133, 2)).astype(np.float32),
        visible=np.full(133, 2, np.float32),
        box_xyxy=np.array([10, 5, 40, 50], np.float32),
        mask=mask,
    )


def test_a_record_reads_back_as_the_person_it_was_made_of() -> None:
    person = _person()
    person.visible[3], person.visible[100:104] = 1, 0
    record = json.loads(json.dumps(annotation(person))) | {"id": 1, "image_id": 4}
    truth = read_truth({"images": [{"id": 4}], "annotations": [record]})
    assert truth.boxes_xywh.tolist() == [[10, 5, 30, 45]]
    assert truth.areas.tolist() == [30 * 45]
    assert truth.visible[0].tolist() == (person.visible > 0).tolist()
    shown = person.visible > 0
    np.testing.assert_allclose(truth.keypoints[0][shown], person.keypoints[shown], atol=0.005)
    assert not truth.keypoints[0][~shown].any()
    assert not truth.is_crowd[0]


def test_parts_have_their_flags_and_tight_boxes() -> None:
    person = _person()
    person.visible[91:112] = 1  # the left hand is behind something
    record = annotation(person)
    assert (record["lefthand_valid"], record["lefthand_box"]) == (False, [0, 0, 0, 0])
    assert record["righthand_valid"]
    assert record["face_valid"]
    assert record["foot_valid"]
    low, high = person.keypoints[23:91].min(axis=0), person.keypoints[23:91].max(axis=0)
    np.testing.assert_allclose(record["face_box"], [*low, *(high - low)], atol=0.01)
    assert [len(record[field]) for field in FIELDS] == [51, 18, 204, 63, 63]
    assert record["num_keypoints"] == 17


def test_who_is_hardly_seen_has_a_box_without_keypoints_and_a_sliver_is_a_crowd() -> None:
    person = _person()
    person.visible[5:] = 1
    record = annotation(person)
    assert (record["num_keypoints"], record["iscrowd"], any(record["keypoints"])) == (0, 0, False)
    person.mask[:] = False
    person.mask[0, :4] = True
    assert annotation(person)["iscrowd"] == 1


def test_people_keep_their_order_and_name_their_image() -> None:
    people = [_person(1), _person(2)]
    first, second = annotations(people, 9)
    assert (first["image_id"], second["image_id"]) == (9, 9)
    assert first["keypoints"][:2] == pytest.approx(people[0].keypoints[0].tolist(), abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_run_lengths_are_those_of_pycocotools(share: float) -> None:
    mask_api = pytest.importorskip("faster_coco_eval.core.mask")
    for seed in range(8):
        rng = np.random.default_rng(seed)
        mask = rng.random((37, 53)) < share
        if seed % 2:  # long runs, with large numbers and large differences
            mask = np.asarray(cv2.resize(mask[:5, :7].astype(np.uint8), (410, 330)), np.bool_)
        wanted = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
        counts = wanted["counts"]
        counts = counts.decode() if isinstance(counts, bytes) else counts
        assert run_lengths(mask) == {"size": list(mask.shape), "counts": counts}
