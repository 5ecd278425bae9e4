"""Data of recipes: what each kind names, and unlabelled photos and videos from end to end."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from posedistill.media import read_image, write_image
from posedistill.train.data import (
    DrawnData,
    HalpeData,
    MpiiData,
    SynthData,
    UnlabelledData,
    ValidationFiles,
    WholeBodyData,
)
from tests.mpii_files import rect, row, write_list, write_release

SIZES_WH = {"a.png": (40, 30), "b.png": (24, 36), "deep/c.png": (50, 20)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write three photos of different sizes, and give their folder."""
    for name, (w, h) in SIZES_WH.items():
        path = tmp_path / "my photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.full((h, w, 3), 90, np.uint8))
    return tmp_path / "my photos"


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """Write a net that suppresses by itself and gives (2, 4, 12, 20) with score 0.9."""
    constants: dict[str, NDArray[np.generic]] = {
        "weights": np.zeros((3, 5), np.float32),
        "box": np.array([2, 4, 12, 20, 0.9], np.float32),
        "shape": np.array([-1, 1, 5], np.int64),
        "classes": np.zeros((1, 1), np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["zeros"]),
        helper.make_node("Add", ["zeros", "box"], ["numbers"]),
        helper.make_node("Reshape", ["numbers", "shape"], ["dets"]),
        helper.make_node("Identity", ["classes"], ["labels"]),
    ]
    kinds = {"dets": (TensorProto.FLOAT, (1, 1, 5)), "labels": (TensorProto.INT64, (1, 1))}
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 32, 32))],
        [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "one.onnx")
    return tmp_path / "one.onnx"


def _boxes(data: UnlabelledData) -> list[list[float]]:
    return [instance.box_xyxy.tolist() for instance in data.training().instances]


def test_whole_body_data_names_its_files_below_the_root(tmp_path: Path) -> None:
    data = WholeBodyData(root="coco", val="val.json", val_images="val")
    assert data.validation(tmp_path) == ValidationFiles(Path("coco/val.json"), Path("coco/val"))
    with pytest.raises(FileNotFoundError, match=r"coco_wholebody_train_v1\.0\.json"):
        data.training()


def test_mpii_data_names_its_files_below_the_root(tmp_path: Path) -> None:
    data = MpiiData(root=str(tmp_path), train="train.json", val="valid.json")
    write_list(tmp_path / "train.json", [row(), row(image="b.png")])
    people = data.training()
    assert people.skeleton.name == "mpii16"
    assert [person.image_id for person in people.instances] == [1, 2]
    files = ValidationFiles(tmp_path / "valid.json", tmp_path / "images")
    assert data.validation(tmp_path) == files
    assert MpiiData().validation(tmp_path).annotations == Path("data/mpii/annot/valid.json")


def test_of_the_release_the_images_of_the_validation_list_do_not_train(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    data = MpiiData(root=str(tmp_path), train="release.mat", val="valid.json")
    images = [(name, 1, [rect(row()), rect(row(5))]) for name in ("a.png", "b.png")]
    write_release(tmp_path / "release.mat", images)
    write_list(tmp_path / "valid.json", [row(image="a.png")])
    write_image(tmp_path / "images" / "b.png", np.zeros((30, 40, 3), np.uint8))
    people = data.training()
    assert len(people.instances) == 2
    assert {person.image_id for person in people.instances} == {1}
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        replace(data, val="none.json").training()


@pytest.mark.parametrize(("skeleton", "joints"), [("wholebody133", 133), ("halpe136", 136)])
def test_halpe_data_is_read_as_either_skeleton(tmp_path: Path, skeleton: str, joints: int) -> None:
    write_image(tmp_path / "a.png", np.zeros((30, 40, 3), np.uint8))
    person = {"id": 7, "image_id": 3, "bbox": [1, 1, 20, 20], "keypoints": [5, 5, 1] * 136}
    images = [{"id": 3, "file_name": "a.png", "width": 40, "height": 30}]
    content = json.dumps({"images": images, "annotations": [person]})
    (tmp_path / "halpe.json").write_text(content, encoding="utf-8")
    data = HalpeData(str(tmp_path), train="halpe.json", train_images="", skeleton=skeleton)
    people = data.training()
    assert people.skeleton.name == skeleton
    assert people.instances[0].keypoints.shape == (joints, 2)
    assert data.validation(tmp_path) is None
    scored = replace(data, val="val.json", val_images="val")
    assert scored.validation(tmp_path) == ValidationFiles(Path("val.json"), Path("val"))


def test_drawn_data_trains_and_validates_on_other_people(tmp_path: Path) -> None:
    data = DrawnData(train_count=3, val_count=2)
    people = data.training()
    assert len(people.instances) == 3
    annotations, images_dir = data.validation(tmp_path)
    assert annotations.is_file()
    drawn = [read_image(path) for path in sorted(images_dir.iterdir())]
    assert len(drawn) == 2
    assert not np.array_equal(drawn[0], people.image(1))


def test_synthetic_people_are_not_rendered_before_they_are_wanted(tmp_path: Path) -> None:
    write_image(tmp_path / "wall.png", np.zeros((9, 9, 3), np.uint8))
    data = SynthData(count=3000, seed=4, backgrounds=str(tmp_path))
    assert len(data.training().instances) == 3000
    assert data.validation(tmp_path) is None
    files = ValidationFiles(Path("val.json"), Path("val"))
    assert replace(data, val="val.json", val_images="val").validation(tmp_path) == files
    with pytest.raises(FileNotFoundError, match="no such folder of backgrounds: .*nowhere"):
        replace(data, backgrounds=str(tmp_path / "nowhere")).training()


def test_whole_images_are_people(photos: Path) -> None:
    data = UnlabelledData(source=str(photos), whole_image=True)
    assert _boxes(data) == [[0, 0, *size_wh] for size_wh in SIZES_WH.values()]
    assert not any(instance.visible.any() for instance in data.training().instances)


def test_boxes_come_from_a_file(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    text = '{"b.png": [[1, 2, 9, 9], [3, 3, 7, 8]], "c.png": [[0, 0, 5, 5]], "a.png": []}'
    file.write_text(text, encoding="utf-8")
    data = UnlabelledData(source=str(photos), boxes=str(file))
    assert _boxes(data) == [[1, 2, 9, 9], [3, 3, 7, 8], [0, 0, 5, 5]]
    assert [instance.image_id for instance in data.training().instances] == [2, 2, 3]


def test_a_detector_finds_the_boxes_once(photos: Path, detector: Path) -> None:
    data = UnlabelledData(source=str(photos), detector=str(detector))
    wanted = [np.array([2, 4, 12, 20]) * max(size_wh) / 32 for size_wh in SIZES_WH.values()]
    np.testing.assert_allclose(_boxes(data), wanted, rtol=1e-5)
    (cache,) = (photos.parent / ".posedistill" / "my photos").iterdir()
    written = cache.stat().st_mtime_ns
    np.testing.assert_allclose(_boxes(data), wanted, rtol=1e-5)
    assert cache.stat().st_mtime_ns == written


def test_other_ways_to_find_people_have_boxes_of_their_own(photos: Path, detector: Path) -> None:
    by_detector = UnlabelledData(source=str(photos), detector=str(detector))
    found = _boxes(by_detector)
    normalised = replace(by_detector, normalise=True)
    assert _boxes(normalised) == found  # this net does not look at the image
    whole = UnlabelledData(source=str(photos), whole_image=True)
    assert _boxes(whole) != found
    assert _boxes(by_detector) == found
    assert len(list((photos.parent / ".posedistill" / "my photos").iterdir())) == 3


def test_the_first_way_that_is_set_counts(photos: Path, detector: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text('{"a.png": [[0, 0, 5, 5]]}', encoding="utf-8")
    data = UnlabelledData(source=str(photos), detector="not-looked-for", whole_image=True)
    assert len(_boxes(data)) == 3
    assert _boxes(replace(data, boxes=str(tmp_path / "boxes.json"))) == [[0, 0, 5, 5]]


def test_nothing_is_written_into_the_folder_of_photos(photos: Path) -> None:
    before = sorted(photos.rglob("*"))
    UnlabelledData(source=str(photos), whole_image=True).training()
    assert sorted(photos.rglob("*")) == before


def test_the_cache_may_lie_elsewhere(photos: Path, tmp_path: Path) -> None:
    UnlabelledData(source=str(photos), whole_image=True, cache=str(tmp_path / "c")).training()
    assert not (tmp_path / ".posedistill").exists()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["boxes-whole.json"]


def _write_video(path: Path, size_wh: tuple[int, int]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size_wh)
    for number in range(25):
        writer.write(np.full((size_wh[1], size_wh[0], 3), 4 * number, np.uint8))
    writer.release()


def test_a_video_gives_one_of_so_many_frames(tmp_path: Path) -> None:
    _write_video(tmp_path / "walk.avi", (64, 48))
    data = UnlabelledData(source=str(tmp_path / "walk.avi"), whole_image=True)
    people = data.training()
    assert _boxes(data) == [[0, 0, 64, 48]] * 3
    assert [round(people.image(index).mean() / 4) for index in (1, 2, 3)] == [0, 10, 20]
    assert len(replace(data, every=5).training().instances) == 5


def test_a_video_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    data = UnlabelledData(source=str(tmp_path / "walk.avi"), whole_image=True)
    for size_wh in ((64, 48), (96, 64)):
        _write_video(tmp_path / "walk.avi", size_wh)
        assert _boxes(data) == [[0, 0, *size_wh]] * 3


def test_without_boxes_the_three_ways_are_named(photos: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.detector=.*data\.boxes=.*data\.whole_image=true"):
        UnlabelledData(source=str(photos)).training()


def test_without_photos_the_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"--set data\.source=FOLDER_OR_VIDEO"):
        UnlabelledData(whole_image=True).training()


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no such folder or video: none/photos"):
        UnlabelledData(source="none/photos", whole_image=True).training()


def test_a_detector_out_of_reach_leaves_the_other_ways(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEDISTILL_OFFLINE", "1")
    data = UnlabelledData(source=str(photos), detector="yolox-m")
    with pytest.raises(FileNotFoundError, match=r"(?s)not in the cache.*data\.whole_image=true"):
        data.training()


def test_unlabelled_data_is_evaluated_only_where_labels_are_named(tmp_path: Path) -> None:
    data = UnlabelledData(source="photos")
    assert data.validation(tmp_path) is None
    labelled = replace(data, val="val.json", val_images="images")
    assert labelled.validation(tmp_path) == ValidationFiles(Path("val.json"), Path("images"))


@pytest.mark.parametrize(("val", "val_images"), [("val.json", ""), ("", "images")])
def test_half_of_what_evaluation_needs_is_refused(
    val: str, val_images: str, tmp_path: Path
) -> None:
    for kind in (UnlabelledData, HalpeData):
        with pytest.raises(ValueError, match="set both to evaluate"):
            kind(val=val, val_images=val_images).validation(tmp_path)
