"""Joint sources: data sets of several kinds as one, named on the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.joint import samples_per_epoch
from posedistill.skeleton import Skeleton
from posedistill.train.data import ValidationFiles
from posedistill.train.recipe import Recipe, override
from posedistill.train.sources import KINDS, JointData
from tests.mpii_files import row, write_list

WHOLEBODY, MPII = Skeleton.get("wholebody133"), Skeleton.get("mpii16")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write six drawn people, as whole bodies and with bodies alone, two of Halpe, two of MPII."""
    DrawnPeople(6, size=64).write(tmp_path / "drawn")
    (tmp_path / "mpii").mkdir()
    write_list(tmp_path / "mpii" / "train.json", [row(), row(image="b.png")])
    content = json.loads((tmp_path / "drawn" / "annotations.json").read_text(encoding="utf-8"))
    for person in content["annotations"][:2]:
        person["keypoints"] = [5, 5, 1] * 136
    content["annotations"] = content["annotations"][:2]
    (tmp_path / "halpe.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_sources_of_all_kinds_are_one_data_set(root: Path) -> None:
    sources = (
        "wholebody|drawn/annotations.json|drawn/images|0.5",
        "coco|drawn/annotations.json|drawn/images",
        f"halpe|{root / 'halpe.json'} | drawn/images",
        "mpii|mpii/train.json|mpii/images|2",
    )
    data = JointData(sources=sources, root=str(root)).training()
    assert data.skeleton is WHOLEBODY
    people = data.instances
    assert len(people) == 6 + 6 + 2 + 2 * 2
    assert samples_per_epoch(data) == 3 + 6 + 2 + 4
    assert people[6].visible.tolist() == people[0].visible[:17].tolist() + [0] * 116
    assert people[12].visible.sum() == 133
    # hips, knees, ankles, shoulders, elbows and wrists have the same names in both
    shared = [joint for joint in MPII.joints if joint in WHOLEBODY.joints]
    assert len(shared) == 12
    assert people[14].visible.sum() == 12
    for joint in shared:
        place = people[14].keypoints[WHOLEBODY.joints.index(joint)]
        k = MPII.joints.index(joint)
        assert place.tolist() == [k + 0.25, 2 * k]
    assert {data.image(person.image_id).shape for person in people} == {(64, 64, 3), (30, 40, 3)}


def test_the_joints_of_another_skeleton_are_taken_where_asked(root: Path) -> None:
    sources = ("mpii|mpii/train.json|mpii/images", "coco|drawn/annotations.json|drawn/images")
    data = JointData(sources=sources, root=str(root), skeleton="mpii16").training()
    assert data.skeleton is MPII
    assert data.instances[0].visible.sum() == 16
    lacking = ["pelvis", "thorax", "upper_neck", "head_top"]
    drawn = np.array([person.visible for person in data.instances[2:]])
    assert not drawn[:, [MPII.joints.index(joint) for joint in lacking]].any()
    assert drawn.any()


def test_synthetic_people_are_a_source_that_is_not_rendered_before_it_is_wanted(root: Path) -> None:
    sources = ("synth|10000|none|0.5", "coco|drawn/annotations.json|drawn/images")
    data = JointData(sources=sources, root=str(root)).training()
    assert len(data.instances) == 10_006
    assert samples_per_epoch(data) == 5_006
    assert data.instances[-6].image_id == 10_001
    with pytest.raises(FileNotFoundError, match="no such folder of backgrounds: .*nowhere"):
        JointData(sources=("synth|10|nowhere",), root=str(root)).training()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("coco|a.json|images", 1),
        ("coco|a.json|images, mpii|C:/b.json|pictures|0.5", 2),
        ('("coco|a.json|images", "mpii|C:/b.json|pictures|0.5")', 2),
    ],
)
def test_sources_can_be_set_on_the_command_line(text: str, count: int) -> None:
    data = override(Recipe("example", data=JointData()), [f"data.sources={text}"]).data
    assert isinstance(data, JointData)
    assert data.sources == ("coco|a.json|images", "mpii|C:/b.json|pictures|0.5")[:count]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("coco|a.json", "expected KIND|ANNOTATIONS|IMAGES or KIND|ANNOTATIONS|IMAGES|RATIO"),
        ("coco|a.json|", "expected KIND|ANNOTATIONS|IMAGES"),
        ("coco|a.json|b|1|2", "expected KIND|ANNOTATIONS|IMAGES"),
        ("coco:a.json:images", "expected KIND|ANNOTATIONS|IMAGES"),
        ("lsp|a.json|images", "unknown kind 'lsp'"),
        ("coco|a.json|images|much", "ratio 'much' is no number"),
        ("coco|a.json|images|0", "ratio 0 must be above 0"),
        ("coco|a.json|images|inf", "ratio inf must be above 0"),
        ("synth|many|none", "'many' is no number of images"),
    ],
)
def test_a_source_that_is_none_is_told_with_the_forms_there_are(source: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the text is looked at below
        JointData(sources=("coco|none.json|images", source)).training()
    assert f"data.sources holds {source!r}" in str(raised.value)
    assert message in str(raised.value)
    assert str(raised.value).endswith(f"KIND one of {', '.join(KINDS)}")


def test_no_source_at_all_is_told_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"no sources .*--set 'data\.sources=wholebody\|"):
        JointData().training()


def test_what_a_source_lacks_is_told(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        JointData(sources=("coco|none.json|images",), root=str(root)).training()
    hands = JointData(
        sources=("mpii|mpii/train.json|mpii/images",), root=str(root), skeleton="hand21"
    )
    with pytest.raises(ValueError, match="source mpii: no joint of mpii16 is in hand21"):
        hands.training()


def test_joint_data_is_evaluated_only_where_labels_are_named(tmp_path: Path) -> None:
    data = JointData(root="data")
    assert data.validation(tmp_path) is None
    files = ValidationFiles(Path("data/val.json"), Path("data/val"))
    assert replace(data, val="val.json", val_images="val").validation(tmp_path) == files
    with pytest.raises(ValueError, match="set both to evaluate"):
        replace(data, val="val.json").validation(tmp_path)


def test_the_order_of_an_epoch_takes_the_share_of_each_source(root: Path) -> None:
    sources = ("mpii|mpii/train.json|mpii/images|3", "coco|drawn/annotations.json|drawn/images|0.5")
    data = JointData(sources=sources, root=str(root)).training()
    assert hasattr(data, "epoch_order")
    order = data.epoch_order(0, 0)
    assert (np.sum(order < 6), np.sum(order >= 6)) == (6, 3)


def test_two_synthetic_sources_show_different_people(root: Path) -> None:
    pytest.importorskip("anny")
    pytest.importorskip("numba")
    data = JointData(sources=("synth|1|none", "synth|1|none"), root=str(root)).training()
    first, second = data.instances
    assert not np.array_equal(first.keypoints, second.keypoints)
