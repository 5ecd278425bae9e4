"""Each fault is put into a file that is otherwise in order, and must be found, and it alone."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.datasets.check import KINDS, Findings, check_data
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.wholebody import FIELDS
from posedistill.media import write_image
from posedistill.skeleton import Skeleton

Content = dict[str, list[dict[str, Any]]]  # Any: JSON records
Change = Callable[[Content], object]
COUNT, SIZE = 60, 96


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give an annotation file without a fault, and the folder of its images."""
    return DrawnPeople(COUNT, seed=1, size=SIZE).write(tmp_path_factory.mktemp("clean"))


@pytest.fixture
def check(clean: tuple[Path, Path], tmp_path: Path) -> Callable[..., Findings]:
    """Give a function that checks the file after a change, with images of its own if asked."""

    def changed(change: Change, *, decode: bool = False, images: Path | None = None) -> Findings:
        content = json.loads(clean[0].read_text())
        change(content)
        file = tmp_path / "changed.json"
        file.write_text(json.dumps(content))
        return check_data(file, images or clean[1], decode=decode)

    return changed


def _kinds(findings: Findings) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in findings.found))


def _body_only(content: Content) -> None:
    for row in content["annotations"]:
        for field in FIELDS[1:]:
            del row[field]


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(
    ("change", "skeleton"),
    [(lambda content: None, "wholebody133"), (_body_only, "coco17")],
    ids=["whole body", "body"],
)
def test_a_file_in_order_gives_no_finding(
    check: Callable[..., Findings], change: Change, skeleton: str, decode: bool
) -> None:
    findings = check(change, decode=decode)
    assert _kinds(findings) == {}
    assert findings.num_errors == 0
    assert findings.skeleton is Skeleton.get(skeleton)
    assert len(findings.people) == findings.num_images == findings.num_records == COUNT


def _set(**changes: object) -> Change:
    """Change the fourth person."""
    return lambda content: content["annotations"][3].update(changes)


def _put(field: str, place: int, value: float) -> Change:
    def change(content: Content) -> None:
        content["annotations"][3][field][place] = value

    return change


def _forget(field: str) -> Change:
    return lambda content: content["annotations"][3].pop(field)


def _move_nose(x: float, y: float) -> Change:
    def change(content: Content) -> None:
        content["annotations"][3]["keypoints"][:3] = [x, y, 2]
        row = content["annotations"][3]
        row["num_keypoints"] = sum(value > 0 for value in row["keypoints"][2::3])

    return change


def _nothing(content: dict[str, list[Any]]) -> None:
    content["annotations"][3] = None


FAULTS: dict[str, tuple[Change, str, str]] = {
    "unknown image": (_set(image_id=77), "unknown image", "annotation 4: image_id 77"),
    "annotation twice": (_set(id=1), "annotation id twice", "id 1 is used 2 times"),
    "nan": (_put("keypoints", 30, float("nan")), "not finite", "keypoints right wrist"),
    "infinity": (_put("face_kpts", 2, float("inf")), "not finite", "keypoints face-0"),
    "nan box": (_set(bbox=[1, 2, float("nan"), 4]), "not finite", "box 1, 2 to nan, 6"),
    "flat": (_set(bbox=[10, 20, 30, 0]), "box without area", "box 10, 20 to 40, 20"),
    "negative": (_set(bbox=[10, 20, -5, 5]), "box without area", "box 10, 20 to 5, 25"),
    "outside": (_set(bbox=[200, 0, 96, 96]), "box outside", "image 96x96"),
    "beyond": (_set(bbox=[-40, 0, 136, 95]), "box beyond", "box -40, 0 to 96, 95"),
    "far": (_set(bbox=[40, 40, 8, 8]), "keypoint far", "more: up to"),
    "number": (_set(num_keypoints=99), "num_keypoints", "num_keypoints is 99, labelled are"),
    "no box": (_forget("bbox"), "record", "annotation 3 of the file: it lacks 'bbox'"),
    "no image": (_forget("image_id"), "record", "it lacks 'image_id'"),
    "no keypoints": (_forget("keypoints"), "record", "it lacks 'keypoints'"),
    "words": (_set(keypoints=["a", "b", "c"] * 17), "record", "annotation 3 of the file"),
    "short": (_set(keypoints=[1, 1, 2] * 16), "record", "132 keypoints; wholebody133 has 133"),
    "null": (_nothing, "record", "annotation 3 of the file"),
    "no size": (lambda c: c["images"][3].pop("width"), "record", "image 3 of the file"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_said_where(check: Callable[..., Findings], name: str) -> None:
    change, kind, text = FAULTS[name]
    findings = check(change)
    found = [finding for finding in findings.found if finding.kind == kind]
    assert [text in finding.text for finding in found] == [True]
    assert (findings.num_errors > 0) == KINDS[kind].is_error


@pytest.mark.parametrize(
    "name", ["infinity", "flat", "outside", "number", "annotation twice", "unknown image", "null"]
)
def test_one_fault_is_one_kind_of_finding(check: Callable[..., Findings], name: str) -> None:
    change, kind, _ = FAULTS[name]
    assert _kinds(check(change)) == {kind: 1}


def test_a_keypoint_outside_the_image_is_found(check: Callable[..., Findings]) -> None:
    findings = check(_move_nose(-9, 40))
    (finding,) = findings.of("keypoint beyond")
    assert finding.text == "nose: up to 9 pixels outside the 96x96 image"
    assert finding.person is not None
    assert finding.person.annotation_id == 4


def test_two_pixels_outside_are_forgiven(check: Callable[..., Findings]) -> None:
    assert not check(_move_nose(-2, 40)).of("keypoint beyond")
    assert not check(_set(bbox=[-2, -2, 99, 99])).of("box beyond")


def test_many_joints_are_counted_not_listed(check: Callable[..., Findings]) -> None:
    (finding,) = check(_set(face_kpts=[float("nan"), 1, 2] * 68)).of("not finite")
    assert finding.text == "keypoints face-0, face-1, face-2 and 65 more"


def test_an_image_id_used_twice_is_found(check: Callable[..., Findings]) -> None:
    findings = check(lambda content: content["images"].append(content["images"][0]))
    assert [finding.text for finding in findings.found] == ["id 1 is used 2 times"]
    assert findings.num_errors == 1


def test_crowds_are_left_out(check: Callable[..., Findings]) -> None:
    findings = check(_set(iscrowd=1, bbox=[0, 0, 0, 0]))
    assert _kinds(findings) == {}
    assert (len(findings.people), findings.num_records) == (COUNT - 1, COUNT)


@pytest.fixture
def images(clean: tuple[Path, Path], tmp_path: Path) -> Path:
    """Give a copy of the images, to be harmed."""
    folder = tmp_path / "images"
    folder.mkdir()
    for path in clean[1].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_missing_image_is_an_error_only_where_somebody_is_labelled(
    check: Callable[..., Findings], images: Path
) -> None:
    (images / "000004.png").unlink()
    assert _kinds(check(lambda content: None, images=images)) == {"image missing": 1}
    lonely = check(lambda content: content["annotations"].pop(3), images=images)
    assert _kinds(lonely) == {"image unused": 1}
    assert lonely.num_errors == 0


def test_a_truncated_image_is_found_by_decoding(
    check: Callable[..., Findings], images: Path
) -> None:
    path = images / "000004.png"
    path.write_bytes(path.read_bytes()[:300])
    assert _kinds(check(lambda content: None, images=images)) == {}
    findings = check(lambda content: None, images=images, decode=True)
    assert _kinds(findings) == {"image unreadable": 1}
    assert "000004.png: the image is truncated" in findings.found[0].text


def test_an_empty_image_is_found_without_decoding(
    check: Callable[..., Findings], images: Path
) -> None:
    (images / "000004.png").write_bytes(b"")
    assert _kinds(check(lambda content: None, images=images)) == {"image unreadable": 1}


def test_an_image_of_another_size_is_found_by_decoding(
    check: Callable[..., Findings], images: Path
) -> None:
    write_image(images / "000004.png", np.zeros((48, 96, 3), np.uint8))
    (finding,) = check(lambda content: None, images=images, decode=True).found
    assert finding.kind == "image size"
    assert finding.text.endswith("000004.png is 96x48, the file says 96x96")


def _mirror(row: dict[str, Any], *, swap: bool) -> None:
    """Mirror a person's labels, as if the image were mirrored; swap: also the names of sides."""
    skeleton = Skeleton.get("wholebody133")
    points = np.concatenate([np.reshape(row[field], (-1, 3)) for field in FIELDS]).astype(float)
    points[:, 0] = np.where(points[:, 2] > 0, SIZE - 1 - points[:, 0], 0)
    if swap:
        points = points[skeleton.flip_permutation]
    for field, group in zip(FIELDS, skeleton.groups.values(), strict=True):
        row[field] = points[group].ravel().tolist()
    x, _, w, _ = row["bbox"]
    row["bbox"][0] = SIZE - 1 - x - w


def _seen(row: dict[str, Any]) -> bool:
    """Say whether nose and eyes are labelled and the eyes not too close."""
    nose, left, right = np.reshape(row["keypoints"], (-1, 3))[:3]
    return bool(min(nose[2], left[2], right[2]) > 0 and abs(left[0] - right[0]) >= 4.5)


def _mirror_one(content: Content, *, swap: bool) -> None:
    _mirror(next(row for row in content["annotations"] if _seen(row)), swap=swap)


@pytest.mark.parametrize("swap", [False, True], ids=["same names", "names exchanged"])
def test_a_mirrored_person_is_found_unless_the_names_of_sides_are_exchanged(
    check: Callable[..., Findings], swap: bool
) -> None:
    findings = check(lambda content: _mirror_one(content, swap=swap))
    assert _kinds(findings) == ({} if swap else {"sides": 1})


def test_a_file_that_is_mirrored_as_a_whole_is_one_error(check: Callable[..., Findings]) -> None:
    def change(content: Content) -> None:
        content["annotations"] = [row for row in content["annotations"] if _seen(row)]
        for row in content["annotations"]:
            _mirror(row, swap=False)

    findings = check(change)
    assert _kinds(findings) == {"all mirrored": 1}
    assert "exchange left and right in the whole file" in findings.found[0].text


def _halpe(content: Content) -> None:
    """Turn the file into one of Halpe: 136 keypoints with scores, and objects among the records."""
    whole, halpe = Skeleton.get("wholebody133"), Skeleton.get("halpe136")
    order = whole.index_map(halpe)
    for row in content["annotations"]:
        points = np.concatenate([np.reshape(row.pop(field), (-1, 3)) for field in FIELDS])
        points[:, 2] = np.where(points[:, 2] > 0, 0.5, 0.2)
        row["keypoints"] = np.where(order[:, None] < 0, 0, points[order]).ravel().tolist()
        row["num_keypoints"] = 0
    content["annotations"].append({"id": 1000, "image_id": 1, "bbox": [0, 0, 5, 5]})


def test_halpe_files_are_known(check: Callable[..., Findings]) -> None:
    findings = check(_halpe)
    assert findings.skeleton.name == "halpe136"
    assert _kinds(findings) == {}
    assert len(findings.people) == COUNT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a COCO annotation file"),
        ('{"images": {}, "annotations": []}', "not a COCO annotation file"),
        ('{"images": [], "annotations": []}', "no annotation has keypoints"),
        ('{"images": [], "annotations": [{"keypoints": [1, 2, 3]}]}', "most people have 1 keypoi"),
    ],
    ids=["list", "no list", "nobody", "unknown"],
)
def test_what_is_no_annotation_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "ann.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        check_data(tmp_path / "ann.json", tmp_path)


def test_findings_stand_in_the_order_of_the_kinds(check: Callable[..., Findings]) -> None:
    def change(content: Content) -> None:
        content["annotations"][0]["num_keypoints"] = 99
        content["annotations"][1]["bbox"] = [5, 5, 0, 0]
        del content["annotations"][2]["bbox"]

    kinds = [finding.kind for finding in check(change).found]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    assert {"record", "box without area", "num_keypoints"} <= set(kinds)


def test_on_real_people_few_are_named(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "people"
    findings = check_data(folder / "annotations" / "val.json", folder / "images")
    assert findings.num_errors == 0
    assert len(findings.people) == 1055
    assert 3 <= len(findings.of("sides")) <= 12
